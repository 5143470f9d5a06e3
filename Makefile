# One command each; a second run skips what is installed already. Python 3.11 or newer is all that is needed.
PYTHON ?= python3
POSTGRESQL_15 ?= /usr/lib/postgresql/15/bin
# Contiguous shares, so that two processes seldom make the same fixtures.
PYTEST = .venv/bin/pytest --dist worksteal
# Half of the suite's time is spent waiting. Tests that bound a time have the cores to themselves.
WAITING = $(shell .venv/bin/python -c 'import os; n = os.cpu_count() or 1; print(n + (n + 1) // 2)')
# Only a process of the shop reads CACHE_MODE; every other test builds the cache that it wants.
READS_CACHE_MODE = tests/chaos tests/keyshop/test_assembly.py $(addprefix tests/keyshop/entrypoints/cli/test_,attach.py commands.py demo.py supplier.py up.py)
# The API and the command line run the same statements again; the rest does not run on this server.
SAME_STATEMENTS = $(addprefix --ignore=tests/,g2a_simulator docs bench chaos consistency journeys keyshop/embedded keyshop/gateways keyshop/entrypoints)
PIP = .venv/bin/python -m pip --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help up test test-all lint types format bench load chaos consistency model lock clean

help:            ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?/  make \1\t/' | expand -t 22

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "keyshop needs Python 3.11 or newer; this is $$($(PYTHON) --version)."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run: requirements.lock pyproject.toml | .venv/bin/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch .venv/run

.venv/test: requirements-test.lock .venv/run
	$(PIP) install --quiet --require-hashes -r requirements-test.lock
	@touch .venv/test

up: .venv/run    ## The whole shop on this machine: servers, simulator, API, worker
	@.venv/bin/keyshop up

lint: .venv/test ## Style, types and import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test: lint       ## Linters, types, import contracts and the whole suite on servers it starts itself
	$(PYTEST) -n $(WAITING) -m "not slow and not timed"
	$(PYTEST) -n auto -m "timed and not slow"

test-all: .venv/test ## The slow tests, and what can differ without a cache and on PostgreSQL 15
	$(PYTEST) -n auto -m slow
	CACHE_MODE=off $(PYTEST) -n auto $(READS_CACHE_MODE)
	@if [ -x $(POSTGRESQL_15)/postgres ]; then \
		$(PYTEST) -n auto --postgresql=$(POSTGRESQL_15) $(SAME_STATEMENTS) tests; \
	else echo "PostgreSQL 15 is not installed in $(POSTGRESQL_15): its run is skipped."; fi

bench: .venv/test ## How fast, against limits taken in the same run
	.venv/bin/python -m bench

load: .venv/test  ## Many register and sign in at once, with Redis lost and mail refused (ten minutes)
	.venv/bin/python -m bench load

model: .venv/test ## The cache protocol's model: its large configurations and every weakened variant
	.venv/bin/python -m tests.consistency.model large
	.venv/bin/python -m tests.consistency.model weak

KILLS ?= 60
chaos: .venv/test ## Kill parts of a shop KILLS times while customers order (60: about five minutes)
	$(PYTEST) -n 0 tests/chaos/test_orders_killed.py --kills $(KILLS)

SECONDS ?= 1800
consistency: .venv/test ## Try to catch the shop showing an old value, for SECONDS (half an hour), with OPTIONS
	.venv/bin/python -m tests.consistency --seconds $(SECONDS) $(OPTIONS)

clean:           ## Remove the environment and everything built here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

lock:            ## Resolve the requirements anew (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --extra embedded --group build pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --extra embedded --group build --group test -c requirements.lock pyproject.toml -o requirements-test.lock
