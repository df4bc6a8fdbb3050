# Each target does its own set-up, in a virtual environment of this checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
INPUT := data/A1B_north_america.nc
# Each test that starts a process would compile our modules anew.
export PYTHONDONTWRITEBYTECODE :=
# Neighbours in a file stay together: what a module of tests makes once is made once.
PYTEST := $(BIN)/python -m pytest -q -n auto --dist worksteal

.PHONY: help demo test quick slow lowest faults stubs quality docs bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     run the main job on real climate data, draw the result"
	@echo "make quick    some tests of everything, in a minute"
	@echo "make test     lint, type check and the tests"
	@echo "make slow     the tests that take long: whole products of parameters, real files"
	@echo "make lowest   some tests of files and commands, with the lowest versions that are allowed"
	@echo "make faults   the tests of faults that take longest: every system call, signals, limits"
	@echo "make stubs    write options into signatures, and sharedcompute/ops.pyi from the catalogue"
	@echo "make quality  lint, spelling, docstrings and type check only"
	@echo "make docs     build the documentation in docs/_build/html, its gallery included"
	@echo "make bench    compare the speed with Dask, joblib, h5py and numba prange"
	@echo "make clean    remove what the others made"

# A stamp for each set of extras: installed again only when pyproject.toml changes.
$(BIN)/python:
	@echo "== making a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or later is needed, this is {v.major}.{v.minor}: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.%.stamp: pyproject.toml | $(BIN)/python
	@echo "== installing sharedcompute with what '$*' needs"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

$(INPUT): | $(VENV)/.demo.stamp
	@$(BIN)/python data/fetch_sample.py $@

demo: $(VENV)/.demo.stamp $(INPUT)
	@echo "== sharedcompute run data/demo.toml"
	@$(BIN)/sharedcompute run data/demo.toml
	@$(BIN)/python examples/plot_demo.py data/demo.h5 data/demo.png
	@echo "== wrote data/demo.h5 and data/demo.png"

stubs: $(VENV)/.test.stamp
	@$(BIN)/python -m tools.options
	@$(BIN)/python -m tools.operations

quality: $(VENV)/.test.stamp
	@echo "== ruff, codespell, numpydoc, mypy"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/python -m tests.docstrings
	@$(BIN)/mypy
	@$(BIN)/mypy --config-file tests/mypy.ini

quick: $(VENV)/.test.stamp
	@echo "== pytest, quick"
	@$(PYTEST) -m 'smoke and not slow and not faults'

test: quality
	@echo "== pytest"
	@$(PYTEST)

slow: $(VENV)/.test.stamp
	@echo "== pytest, slow"
	@$(PYTEST) -m 'slow and not faults'

$(LOWEST)/.stamp: pyproject.toml tests/lowest.py
	@echo "== making a virtual environment of the lowest versions in $(LOWEST)"
	@$(PYTHON) -m venv --clear $(LOWEST)
	@$(LOWEST)/bin/python tests/lowest.py pyproject.toml > $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' --constraint $(LOWEST)/lowest.txt
	@touch $@

FOR_LOWEST ?= tests/cli/test_look.py tests/cli/test_jobs.py tests/cli/test_output.py tests/api/test_arguments.py tests/hdf5/test_filters.py tests/hdf5/test_encoders.py

# What leans on click, rich, h5py and the codecs. Its own cache: numba throws another version's away.
lowest: $(LOWEST)/.stamp
	@echo "== pytest, lowest versions"
	@NUMBA_CACHE_DIR=$(CURDIR)/$(LOWEST)/numba $(LOWEST)/bin/python -m pytest -q -n auto --dist worksteal $(FOR_LOWEST)

# As many processes as cores: these tests wait for each other's memory, disks and signals.
faults: $(VENV)/.test.stamp
	@echo "== pytest, faults"
	@$(PYTEST) -m faults

# Offline: nothing is downloaded but the packages of the extra `docs`.
docs: $(VENV)/.docs.stamp
	@echo "== sphinx"
	@rm -rf docs/reference/generated
	@$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html
	@echo "== wrote docs/_build/html/index.html"

bench: $(VENV)/.bench.stamp
	@$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(LOWEST) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info $(INPUT) data/demo.h5 data/demo.png docs/_build docs/gallery docs/reference/generated
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
