# `make train` and `make test` do everything on a fresh machine with Python 3.10-3.12.

PYTHON ?= python3
VENV := .venv
RUN_PYTHON := $(VENV)/bin/python
RUN := runs/streets-fcn32s-$(shell date +%Y%m%d-%H%M%S)

.PHONY: train test lint docs-figures clean

# The main job on the embedded data: train FCN-32s, score it on test, draw overlays.
train: $(VENV)/.installed
	@echo "Training FCN-32s on rendered streets, from the network that comes along"
	@echo "(--init-from pretrained): better and sooner than from random weights."
	$(RUN_PYTHON) train.py --dataset streets --num-images 300 --image-size 192x256 \
		--variant 32s --init-from pretrained --freeze-blocks 2 --encoder-rate 0.2 \
		--epochs 5 --batch-size 4 --learning-rate 5e-4 \
		--crop 192x256 --scale 1,1.25 --rotation 0 \
		--class-weights fourth-root-median-frequency --run-dir $(RUN)
	$(RUN_PYTHON) evaluate.py --model $(RUN) --split test
	@echo "Overlays:    $(RUN)/evaluation-test/overlays/"
	@echo "Samples:     $(RUN)/samples/"
	@echo "Curves:      $(VENV)/bin/tensorboard --logdir runs"

test: $(VENV)/.installed-dev
	$(RUN_PYTHON) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

docs-figures: $(VENV)/.installed
	PYTHONPATH=. $(RUN_PYTHON) docs/draw_figures.py

clean:
	rm -rf $(VENV)

$(VENV)/.installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13) and "keras-fcn needs Python 3.10, 3.11 or 3.12; say which by PYTHON=python3.12. Received: " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(RUN_PYTHON) -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(RUN_PYTHON) -m pip install --quiet -r requirements-dev.txt
	touch $@
