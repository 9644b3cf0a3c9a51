# Everything here sets itself up: Python 3.11 or newer, make and git are all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# More processes than cores: most tests wait for a node
JOBS ?= 5
# What takes long is left to the matrix: `make test TESTS=` runs all
TESTS ?= -m 'not long'
NAUTILUS ?= nautilus_trader

.PHONY: help demo docs test lint types bench ratios crashtest restarts fuzz mutation matrix clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

demo: $(BIN)/.installed ## Kill a node, restart it, and see what the monitor says
	@$(BIN)/nautilus-recovery demo

docs: $(BIN)/.installed ## Write the pages that are generated from the code
	$(BIN)/python -m docs._generate

test: $(BIN)/.installed ## Run the tests, without those that take long
	$(PYTEST) -n $(JOBS) --dist loadfile $(TESTS)

lint: $(BIN)/.installed ## Check style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(BIN)/.installed ## Check types
	$(BIN)/mypy

bench: $(BIN)/.installed ## Measure what the monitor costs
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.inspector
	$(BIN)/python -m benchmarks.board

ratios: $(BIN)/.installed ## Check that it is no slower, by ratios that a busy machine keeps
	$(BIN)/python -m benchmarks --ratios

crashtest: $(BIN)/.installed ## Kill a node 50 times, and check what is true after each restart (SEEDS=1-10)
	$(BIN)/python -m crashtest --seeds $(or $(SEEDS),1)
	$(BIN)/python -m crashtest --durable

restarts: $(BIN)/.installed ## Restart on Binance's adapter in 432 ways, beside NautilusTrader alone
	$(BIN)/python -m tests.restart

fuzz: $(BIN)/.fuzz ## Feed what reads Redis with damaged values for a minute (SECS=60)
	$(BIN)/python -m fuzzing $(or $(SECS),60)

mutation: $(BIN)/.mutation ## Measure how many mutants of the core its tests kill
	$(BIN)/python .ci/mutation

matrix: ## Run all tests on the oldest and the newest supported pair of versions
	.ci/matrix

clean: ## Remove all that was made
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis dist mutants

$(BIN)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'Installing into $(VENV) (about a minute) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' '$(NAUTILUS)'
	@touch $@

$(BIN)/.fuzz: $(BIN)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	@touch $@

$(BIN)/.mutation: $(BIN)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mutation]'
	@touch $@
