# `make train` and `make test` do everything on a fresh machine with Python 3.10-3.13.

SHELL := bash
PYTHON ?= python3
UV ?= uv
VENV := .venv
RUN_PYTHON := $(VENV)/bin/python
RUN := runs/streets-fcn8s-$(shell date +%Y%m%d-%H%M%S)

# Create the environment with the packages of a requirements file. uv is faster than pip
# and reports its progress; where it finds no index, pip's configuration may name one.
# --no-build-isolation builds with the setuptools that requirements.txt pins.
define install
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and "keras-fcn needs Python 3.10, 3.11, 3.12 or 3.13; select one with PYTHON=python3.12. Received: " + sys.version.split()[0])'
	@echo "Installing the packages of $(1) into $(VENV)/"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN_PYTHON) -m pip install --quiet uv || true
	@set -o pipefail; \
	$(RUN_PYTHON) -m uv pip install --python $(RUN_PYTHON) --compile-bytecode -r $(1) 2>&1 \
		| grep --line-buffered -v '^ [+~-] ' \
	|| $(RUN_PYTHON) -m pip install --quiet -r $(1)
	@$(RUN_PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
endef

.PHONY: train test torture lint docs docs-figures requirements clean

# Train FCN-8s on rendered street scenes, evaluate it on test, and write overlays.
train: $(VENV)/.installed
	@echo "Training FCN-8s on rendered street scenes, from the bundled network"
	$(RUN_PYTHON) train.py --config streets-fcn8s --run-dir $(RUN)
	$(RUN_PYTHON) evaluate.py --model $(RUN) --split test
	@echo "Overlays:    $(RUN)/evaluation-test/overlays/"
	@echo "Samples:     $(RUN)/samples/"
	@echo "Curves:      $(VENV)/bin/tensorboard --logdir runs"

test: $(VENV)/.installed-dev
	$(RUN_PYTHON) -m pytest --numprocesses 3 --dist loadfile \
		--no-loadscope-reorder --durations 25

# Long-running robustness tests; docs/reliability.md has the results.
torture: $(VENV)/.installed-dev
	$(RUN_PYTHON) -m torture.killed_writes --epochs 7
	$(RUN_PYTHON) -m torture.killed_trainings --kills 100 --seed 1
	$(RUN_PYTHON) -m torture.full_disks
	$(RUN_PYTHON) -m torture.mutated_files --count 10000
	$(RUN_PYTHON) -m torture.soak --minutes 30 --threads 8
	$(RUN_PYTHON) -m torture.page_requests --count 100 --seed 1

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The documentation site, build/site/index.html. The tutorials are the notebooks of examples/.
docs: $(VENV)/.installed-dev
	@mkdir -p docs/tutorial
	for notebook in examples/*.ipynb; do \
		$(VENV)/bin/jupytext --quiet --opt notebook_metadata_filter=-all \
			--output docs/tutorial/$$(basename $$notebook .ipynb).md $$notebook || exit 1; \
	done
	$(VENV)/bin/zensical build --strict --clean

docs-figures: $(VENV)/.installed
	$(RUN_PYTHON) docs/draw_figures.py

# Pin the ranges of pyproject.toml. uv keeps existing pins that are still in range;
# `UV_ARGS=--upgrade` selects the newest versions.
requirements:
	$(UV) pip compile --quiet --universal --python-version 3.10 pyproject.toml \
		-o requirements.txt $(UV_ARGS)
	$(UV) pip compile --quiet --universal --python-version 3.10 \
		--extra dev --extra formats --extra demo --extra int8 --extra ray \
		-c requirements.txt pyproject.toml \
		-o requirements-dev.txt $(UV_ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.installed: requirements.txt pyproject.toml
	$(call install,requirements.txt)
	@touch $@

# requirements-dev.txt has the packages of requirements.txt too.
$(VENV)/.installed-dev: requirements-dev.txt pyproject.toml
	$(call install,requirements-dev.txt)
	@touch $@ $(VENV)/.installed
