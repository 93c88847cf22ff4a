# One command each, the same on every machine. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Compiled modules are kept, away from the sources: compiling them anew is a quarter of the unit tests' time.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/pycache

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.venv/.stamp: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=…" >&2; exit 3; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --no-compile --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --no-build-isolation --no-deps -e .
	touch $@

.PHONY: venv
venv: .venv/.stamp ## create the locked virtual environment

.PHONY: lock
lock: venv ## resolve the dependencies again (uv writes the lock files)
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --upgrade --group dev --extra backtest --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements-dev.lock
	$(BIN)/uv pip compile -q pyproject.toml --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -c requirements-dev.lock -o requirements.lock

# Two processes at a time; the unit tests are parted so that both end at about the same time.
UNIT_HALF := tests/unit/runbook tests/unit/shell

.PHONY: check lint types contracts unit-half unit-rest
check: venv ## format, lint, types, import contracts, unit tests: under a minute
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint contracts unit-half unit-rest types

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: venv
	$(BIN)/mypy

contracts: venv
	$(BIN)/lint-imports

unit-half: venv
	$(BIN)/pytest -q $(UNIT_HALF)

unit-rest: venv
	$(BIN)/pytest -q $(UNIT_HALF:%=--ignore=%)

.PHONY: format
format: venv ## format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

include $(wildcard make/*.mk)
