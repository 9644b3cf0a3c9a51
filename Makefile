# Everything here sets itself up: Python 3.11 or newer, make and git are all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Caches go into the environment: the tree itself may be read-only
CACHES := $(abspath $(VENV))/caches
PYTEST := $(BIN)/python -m pytest -o cache_dir=$(CACHES)/pytest
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHES)/hypothesis
export MYPY_CACHE_DIR := $(CACHES)/mypy
export RUFF_CACHE_DIR := $(CACHES)/ruff
# Its maker's news of other tools
export NO_MKDOCS_2_WARNING := 1
# Where `make docs` puts the pages
SITE ?= $(abspath $(VENV))/site
# More processes than cores: most tests wait for a node
JOBS ?= 5
# What takes long is left to the matrix: `make test TESTS=` runs all
TESTS ?= -m 'not long'
NAUTILUS ?= nautilus_trader

.PHONY: help demo docs pages test lint types bench ratios crashtest restarts walk fuzz mutation matrix two clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

demo: $(BIN)/.installed ## Kill a node, restart it, and see what the monitor says
	@$(BIN)/nautilus-recovery demo

docs: pages ## Build the documentation, strictly
	$(BIN)/python -m mkdocs build --strict --quiet --site-dir '$(SITE)'
	@echo 'See $(SITE)/index.html'

pages: $(BIN)/.installed ## Write the pages and pictures that are generated from the code
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
	$(BIN)/python -m benchmarks.console

ratios: $(BIN)/.installed ## Check that it is no slower, by ratios that a busy machine keeps
	$(BIN)/python -m benchmarks --ratios

crashtest: $(BIN)/.installed ## Kill a node 50 times, and check what is true after each restart (SEEDS=1-10)
	$(BIN)/python -m crashtest --seeds $(or $(SEEDS),1)
	$(BIN)/python -m crashtest --durable

restarts: $(BIN)/.installed ## Restart on Binance's adapter in 432 ways, beside NautilusTrader alone
	$(BIN)/python -m tests.restart

walk: $(BIN)/.installed ## Go the way of a new user: the demo, a bot of one's own, a kill, an alert, the board
	$(BIN)/python -m tests.walk

fuzz: $(BIN)/.fuzz ## Feed what reads Redis with damaged values for a minute (SECS=60)
	$(BIN)/python -m fuzzing $(or $(SECS),60)

mutation: $(BIN)/.mutation ## Measure how many mutants of the core its tests kill
	$(BIN)/python .ci/mutation

matrix: ## Run all tests on the oldest and the newest supported pair of versions
	.ci/matrix

two: ## Run the tests on NautilusTrader 2.0, as far as there is a Python 3.13
	.ci/two

clean: ## Remove all that was made
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis dist mutants site

$(BIN)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	@echo 'Installing into $(VENV) (about a minute) ...'
	@$(PYTHON) .ci/install '$(VENV)' dev '$(NAUTILUS)'
	@touch $@

$(BIN)/.fuzz: $(BIN)/.installed
	@$(PYTHON) .ci/install '$(VENV)' fuzz
	@touch $@

$(BIN)/.mutation: $(BIN)/.installed
	@$(PYTHON) .ci/install '$(VENV)' mutation
	@touch $@
