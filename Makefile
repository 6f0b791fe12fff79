# `make train` and `make test` do everything on a fresh machine with Python 3.10-3.13.

PYTHON ?= python3
UV ?= uv
VENV := .venv
RUN_PYTHON := $(VENV)/bin/python
RUN := runs/streets-fcn32s-$(shell date +%Y%m%d-%H%M%S)

.PHONY: train test torture lint docs-figures requirements clean

# The main job on the embedded data: train FCN-32s, score it on test, draw overlays.
train: $(VENV)/.installed
	@echo "Training FCN-32s on rendered streets, from the bundled network"
	@echo "(--init-from pretrained): better and sooner than from random weights."
	$(RUN_PYTHON) train.py --config recipes/streets-fcn32s.toml --run-dir $(RUN)
	$(RUN_PYTHON) evaluate.py --model $(RUN) --split test
	@echo "Overlays:    $(RUN)/evaluation-test/overlays/"
	@echo "Samples:     $(RUN)/samples/"
	@echo "Curves:      $(VENV)/bin/tensorboard --logdir runs"

test: $(VENV)/.installed-dev
	$(RUN_PYTHON) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# Long trials of what must never happen: docs/reliability.md has what came of them.
torture: $(VENV)/.installed-dev
	$(RUN_PYTHON) -m torture.killed_writes --epochs 7
	$(RUN_PYTHON) -m torture.killed_trainings --kills 100 --seed 1
	$(RUN_PYTHON) -m torture.full_disks
	$(RUN_PYTHON) -m torture.mutated_files --count 10000
	$(RUN_PYTHON) -m torture.soak --minutes 30 --threads 8

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs-figures: $(VENV)/.installed
	$(RUN_PYTHON) docs/draw_figures.py

# The pinned sets, from the ranges in pyproject.toml. uv keeps the pins that still fit;
# with `UV_ARGS=--upgrade` it takes the newest.
requirements:
	$(UV) pip compile --quiet --universal --python-version 3.10 pyproject.toml \
		-o requirements.txt $(UV_ARGS)
	$(UV) pip compile --quiet --universal --python-version 3.10 \
		--extra dev --extra formats --extra demo --extra int8 --extra ray \
		-c requirements.txt pyproject.toml \
		-o requirements-dev.txt $(UV_ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info

# The project itself is built by the setuptools that requirements.txt pins.
$(VENV)/.installed: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and "keras-fcn needs Python 3.10, 3.11, 3.12 or 3.13; say which by PYTHON=python3.12. Received: " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(RUN_PYTHON) -m pip install --quiet -r requirements.txt
	$(RUN_PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(RUN_PYTHON) -m pip install --quiet -r requirements-dev.txt
	touch $@
