VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install check fmt lint types imports test search snapshots screenshots docs run demo

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(BIN)/python  ## Make the virtual environment and install the project in it
	$(BIN)/python -m pip install -q -e '.[dev]'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

check: lint types imports test  ## Everything that must pass

fmt:  ## Format the sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint:  ## Check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types:  ## Check types
	$(BIN)/mypy

imports:  ## Check which floor imports which
	$(BIN)/lint-imports

test:  ## Run the tests
	$(BIN)/python -m pytest -n 4 tests

search:  ## Look for what breaks a property, with thirty times as many examples as the tests
	$(BIN)/python -m pytest -n 2 -m hypothesis --hypothesis-profile=search tests

snapshots:  ## Take the pictures of the screens anew; look at them before you commit
	$(BIN)/python -m pytest tests/tui --snapshot-update

screenshots:  ## Make the pictures of the README
	$(BIN)/python screenshots/make.py

docs:  ## Write the page of keys and build the documentation
	$(BIN)/python -m pip install -q -r docs/mkdocs/requirements.txt
	$(BIN)/python docs/make_keys.py
	$(BIN)/mkdocs build -f docs/mkdocs/mkdocs.yml

run:  ## Start omni-tui
	$(BIN)/omni-tui

demo:  ## Start it with the built-in model: no key, no network, nothing kept
	@home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && \
		OMNI_TUI_HOME="$$home" $(BIN)/omni-tui -m demo/chat
