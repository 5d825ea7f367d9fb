# `make` lists the targets. Each first makes sure that .venv is as the lock files say.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

BIN := .venv/bin
STAMP := .venv/.up-to-date
PYTEST := $(BIN)/python -m pytest
# How many tests run at once; `make test JOBS=1` for one.
JOBS ?= auto
# Among tests of real processes, which wait for them half of their time, two for each processor.
PAIRS = $(if $(filter auto,$(JOBS)),$(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN)))),$(JOBS))
# By files, as they share what a file starts, and in the order of tests/conftest.py.
SPREAD := --dist=loadfile --no-loadscope-reorder
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock' --quiet $(LOCK_OPTIONS)

.PHONY: help setup demo test test-compiled compose-test lint unit coverage format docs manifests
.PHONY: compile pure bench bench-issuer bench-secrets soak lock clean system-packages
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the pinned requirements and the command devwiz-gw

$(STAMP): requirements-dev.txt pyproject.toml .ci/setup
	@.ci/setup
	@touch $@

demo: setup ## issuer, remote MCP server, gateway and client on this machine, with renewals
	@$(BIN)/devwiz-gw demo

test: setup system-packages lint ## everything: format, lint, types, import rules, dead code, all tests
	$(PYTEST) --numprocesses=$(PAIRS) $(SPREAD) --ignore=$(STACKS) || $(ALONE)
	$(PYTEST) --numprocesses=2 $(SPREAD) $(STACKS) || $(ALONE)

# Container stacks run on until their tests are over: beside others they take the machine from them.
STACKS := tests/e2e/compose

# Real daemons and deadlines on a crowded machine: what failed in the crowd has to pass alone.
ALONE = { echo 'Once more, one at a time, what failed:'; \
	$(PYTEST) --last-failed --last-failed-no-failures=none -p no:randomly; }

test-compiled: compile ## the data plane's tests with its hot modules compiled
	@trap '$(MAKE) pure' EXIT; $(PYTEST) --numprocesses=$(JOBS) $(SPREAD) \
		tests/unit/gateway/data_plane tests/property tests/e2e/data_plane

compose-test: setup system-packages ## only compose/ in a real Docker engine (root on Linux; cold: 5 minutes)
	$(PYTEST) --numprocesses=2 $(SPREAD) $(STACKS)

lint: setup pure ## format, lint, types, import rules and dead code
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture

unit: setup pure ## only the quick tests: unit, contract, property and fuzz
	$(PYTEST) --numprocesses=$(JOBS) tests/unit tests/contract tests/property tests/fuzz

coverage: setup pure ## all tests, and which lines and branches they leave out
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses=$(PAIRS) $(SPREAD) --quiet
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

format: setup ## format the code and mend what the linter can mend
	$(BIN)/ruff check --quiet --fix --exit-zero
	$(BIN)/ruff format

docs: setup ## write the generated pages again: command line, quick starts, errors
	$(BIN)/python -m tests.cli_reference
	$(BIN)/python -m tests.quick_starts
	$(BIN)/python -m tests.error_reference

manifests: setup ## write compose/kubernetes/manifests again from the chart (needs go)
	@$(BIN)/python -m tests.manifests

compile: setup pure ## compile the data plane's hot modules in place (needs a C compiler)
	@$(BIN)/python hatch_build.py

# Compiled modules hide the sources that they were made of.
pure:
	@rm -f devwiz_gw_data_plane__mypyc.*.so gateway/data_plane/*.so gateway/data_plane/wire/*.so

bench: setup ## measure the data plane
	@$(BIN)/python -m tests.bench

bench-issuer: setup ## load the issuer: 1,000 instances join and renew
	@$(BIN)/python -m tests.bench.issuer $(BENCH_ISSUER)

bench-secrets: setup ## what recording costs a request, and `run` a program
	@$(BIN)/python -m tests.bench.secret_use $(BENCH_SECRETS)

soak: setup ## minutes of traffic under constant renewal: nothing may fail, nothing may grow
	@$(BIN)/python -m tests.soak $(SOAK)

lock: ## write the requirement files again (LOCK_OPTIONS=--upgrade for newer versions; needs uv)
	@command -v uv >/dev/null || { echo 'make lock needs uv on the PATH' >&2; exit 1; }
	$(LOCK) --output-file requirements.txt
	$(LOCK) --extra demo --extra google --group dev --constraints requirements.txt --no-annotate --output-file requirements-dev.txt
	$(LOCK) --extra google --constraints requirements.txt --no-annotate --output-file compose/requirements-google.txt
	$(LOCK) --extra demo --constraints requirements.txt --no-annotate --output-file compose/requirements-demo.txt
	$(LOCK:pyproject.toml=-) --no-annotate --output-file compose/requirements-build.txt <<< "$$(sed -n 's/^build = \["\([^"]*\)".*/\1/p' pyproject.toml)"

clean: pure ## remove .venv, caches and build output
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist .coverage .coverage.*
	find gateway identity certs tests -name __pycache__ -type d -prune -exec rm -rf {} +

system-packages:
	@.ci/system-packages
