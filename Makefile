# Needs Python 3.11 or newer, git and make; everything is installed into .venv.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-integrations bench screenshots format lock clean

VENV := .venv
FRAMEWORKS := .venv-integrations
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
UV := $(or $(wildcard $(BIN)/uv),uv)
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

# Programs that tests start would compile everything anew each time.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 20

setup: $(VENV)/.installed ## Make .venv with the rollbook command in it
	@echo "Ready: $(BIN)/rollbook"

run: $(VENV)/.installed ## Import what the agents on this machine left behind, show the summary and, on a terminal, serve the dashboard
	@serve=; if [ -t 1 ]; then serve=--serve; fi; exec $(BIN)/rollbook summary --import $$serve

# Beside the types, the tests are compiled once, so that not every worker does it; what is wrong with them is told below.
test: $(VENV)/.developing ## Check the format, the lint, the types, the imports, then run the tests and the documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(BIN)/python -m pytest -n 0 --collect-only -qq -p no:cacheprovider >/dev/null 2>&1 &
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest

# The frameworks are large and pull in much, so they have an environment of their own.
test-integrations: $(FRAMEWORKS)/.installed ## Run the tests and the examples of the integrations with the frameworks themselves
	$(FRAMEWORKS)/bin/python -m pytest tests/integrations

bench: $(VENV)/.developing ## Run every benchmark at its small size
	@set -e; for program in bench/bench_*.py; do echo "== $$program"; $(BIN)/python "$$program" --small; done

screenshots: $(VENV)/.developing ## Take pictures of every page of the dashboard, of a made-up fleet, into docs/screenshots
	$(BIN)/python scripts/screenshots.py docs/screenshots

format: $(VENV)/.developing ## Bring the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Existing locks are the preference, so nothing moves unless it must: remove the files to take the newest of everything.
lock: ## Write the lock files anew from pyproject.toml
	$(COMPILE) pyproject.toml --group build --extra server -o requirements.lock
	$(COMPILE) pyproject.toml --group dev --extra server -c requirements.lock -o requirements-dev.lock
	$(COMPILE) pyproject.toml --group build --group integrations --extra claude-agent --extra openai-agents \
		--extra pydantic-ai --extra server -c requirements-dev.lock -o requirements-integrations.lock

clean: ## Remove what was made here; books are not touched
	rm -rf $(VENV) $(FRAMEWORKS) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.made: scripts/make-venv
	scripts/make-venv $(VENV)
	@touch $@

# hatchling comes from the lock as well, so the project itself is built without a look at the network.
$(VENV)/.installed: requirements.lock pyproject.toml $(VENV)/.made
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/.developing: requirements-dev.lock $(VENV)/.installed
	$(PIP) install --require-hashes --requirement requirements-dev.lock
	scripts/get-browser
	@touch $@

$(FRAMEWORKS)/.made: scripts/make-venv
	scripts/make-venv $(FRAMEWORKS)
	@touch $@

$(FRAMEWORKS)/.installed: requirements-integrations.lock pyproject.toml $(FRAMEWORKS)/.made
	$(FRAMEWORKS)/bin/python -m pip --quiet --disable-pip-version-check --no-input install --require-hashes --requirement requirements-integrations.lock
	$(FRAMEWORKS)/bin/python -m pip --quiet --disable-pip-version-check --no-input install --no-deps --no-build-isolation --no-index --editable .
	@touch $@
