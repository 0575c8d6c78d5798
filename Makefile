# Two commands set everything up on a machine with Python 3.11 or newer, make and a network:
#   make sweep   the main job      make test   lint, types and tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ISLP := ISLP==0.6.0
# Two processes: most tests keep one core busy. A file's tests share what takes long to make.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help venv sweep ui test test-slow lint types unit clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

venv: $(VENV)/.installed ## Make .venv with pinned versions

# ISLP is here for one CSV file; --no-deps, because its own dependencies pull PyTorch.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps $(ISLP)
	@touch $@

# TensorFlow's start-up notes on stderr say nothing about a sweep.
export TF_CPP_MIN_LOG_LEVEL ?= 3

sweep: venv ## Sweep the loss weights of sweeps/bike_demand.py; more: make sweep ARGS="--name again"
	$(BIN)/python sweeps/bike_demand.py $(ARGS)

ui: venv ## Open the MLflow UI on the results
	$(BIN)/lossweights ui

test: lint types unit ## Lint, types and all tests but the slow ones

test-slow: venv ## The slow tests: chaos, long traces
	$(PYTEST) -m slow

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv
	$(BIN)/mypy

unit: venv
	$(PYTEST) -m 'not slow'

clean: ## Remove .venv and caches; results in mlruns/ stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
