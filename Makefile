# Tapedeck: every command of a working day. `make` alone lists them.

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test check check-quick format bench test-faults test-fuzz lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## virtual environment, pinned packages, QuestDB, compiled kernels; again: under two seconds
	@$(PYTHON) -m scripts.setup

setup-dev: ## the same with the tools for tests and checks
	@$(PYTHON) -m scripts.setup --dev

demo: setup ## the main job on a simulated market, then serve; ARGS=--exit ends after the report
	@$(BIN)/tapedeck demo $(ARGS)

test: setup-dev ## set up and pass all tests; ARGS="tests/events -k seal" for some of them
	@$(PYTEST) $(ARGS)

check: check-quick ## format, lint, types, import contracts, then all tests, the docs' among them
	@$(PYTEST) $(ARGS)

check-quick: setup-dev ## format, lint, types, import contracts
	@$(BIN)/python -m scripts.stages

format: setup-dev ## rewrite the sources in the one format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: setup-dev ## list the benchmarks; ARGS=NAME runs one: ours, the baseline of the same run, the ratio; ARGS=--all all
	@$(BIN)/tapedeck bench $(ARGS)

test-faults: setup-dev ## kills, damage and seeds in large numbers
	@$(PYTEST) --kills 100 --moments 2 --damages 200 --seeds 1000 --orders 10000 --stream-clients 200 --stream-seconds 600 --timeout 7200 -m faults $(ARGS)

test-fuzz: setup-dev ## hostile input in large numbers
	@$(PYTEST) --inputs 50000 --timeout 3600 -m fuzz $(ARGS)

lock: ## resolve the pins of pyproject.toml again (needs uv); the only step that changes the lock files
	@$(PYTHON) -m scripts.lock

clean: ## remove what was built here; recordings and the download cache stay
	@rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
