# The same targets for people and for CI. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
# The first Python of at least 3.11 that is found; override with PYTHON=/path/to/python.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
  command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  && echo $$p && break; done)
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SQL := macros models demo
CODE := python tests scripts benchmarks demo
WORKERS ?= 2
DEMO_DIR ?= demo-run

export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test format lint bench check docs compat lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the environment in .venv from requirements.lock

# Reinstalled when the lock changes; the project itself is editable, its metadata alone can go stale.
$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python of at least 3.11 found: install one, or give PYTHON=/path/to/python." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Run the demo: two audited batches, verified, with reports, in demo-run/
	$(BIN)/batch-audit demo $(DEMO_DIR)

test: $(STAMP) ## Run all tests on DuckDB and PostgreSQL (ARGS="-k name" narrows)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

format: $(STAMP) ## Format Python and SQL
	$(BIN)/ruff check --quiet --fix --exit-zero $(wildcard $(CODE))
	$(BIN)/ruff format --quiet $(wildcard $(CODE))
	$(BIN)/sqlfmt --quiet --no-progressbar $(wildcard $(SQL))

lint: $(STAMP) ## Check style and types
	$(BIN)/ruff check $(wildcard $(CODE))
	$(BIN)/ruff format --check $(wildcard $(CODE))
	$(BIN)/sqlfmt --check --no-progressbar $(wildcard $(SQL))
	$(BIN)/mypy

check: lint test ## lint, then test

bench: $(STAMP) ## Measure against bare dbt, side by side (docs/benchmarks.md)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(STAMP) ## Write what docs/ has from the commands, the models and the attack suite
	$(BIN)/python -m scripts.commands_reference > docs/reference/commands.md.new
	mv docs/reference/commands.md.new docs/reference/commands.md
	$(BIN)/python -m scripts.models_reference > docs/reference/models.md.new
	mv docs/reference/models.md.new docs/reference/models.md
	$(BIN)/python -m scripts.attack_table

compat: ## Test what touches dbt's and sqlglot's insides on their oldest and newest versions (needs the registry)
	scripts/compat
	scripts/compat-sqlglot

lock: ## Solve requirements.lock anew (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv." >&2; exit 1; }
	uv pip compile pyproject.toml --extra duckdb --extra postgres --extra openlineage --extra timestamp --group dev \
	  --constraint constraints.txt --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --no-strip-extras --quiet --output-file requirements.lock
	@! grep -nE '://|^-' requirements.lock || { echo "requirements.lock names a host: see the lines above." >&2; exit 1; }

clean: ## Remove what the targets made, except the environment
	rm -rf $(DEMO_DIR) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
