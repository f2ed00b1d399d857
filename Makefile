# Every command of the project. Each target sets up what it needs, with hashes: .venv is made from requirements/dev.txt,
# .venv-clients from requirements/clients.txt: the ACME clients that the tests and the demo run; .venv-binary from
# requirements/binary.txt: what builds the one-file program.
# `make PYTHON=python3.13 test` takes another Python.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
CLIENTS := .venv-clients
CLIENTS_READY := $(CLIENTS)/.ready
BINARY_PARTS := $(shell find supervisor stages packaging/binary -type f ! -name '*.pyc')
# The Python that is built into the one-file program: the system's, which gets security updates, where there is one.
BINARY_PYTHON ?= $(firstword $(wildcard /usr/bin/python3) $(PYTHON))
TOOLS := .venv-binary
TOOLS_READY := $(TOOLS)/.ready
DEMO_CLIENT := $(if $(shell command -v lego),,$(CLIENTS_READY))
CODE := supervisor stages tests packaging benchmarks
# A worker takes the tests of one file after the other, in the order of `testpaths`; tests/conftest.py says how many there are.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
LOCK := CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.DEFAULT_GOAL := help
.PHONY: help demo clients test test-packaging check lint cover bench torture fuzz soak run lock binary deb clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) $(DEMO_CLIENT) ## Watch two certificates being issued, in about ten seconds, in a temporary directory.
	@$(PY) packaging/demo.py

clients: $(CLIENTS_READY) ## Bring certbot, for the tests with real ACME clients.

test: $(READY) $(CLIENTS_READY) ## Run all tests.
	@$(PY) -m pytest -q $(PARALLEL)

test-packaging: $(READY) $(CLIENTS_READY) binary ## Run the tests of what is installed: the one-file program on a bare Debian, as root.
	@$(PY) -m pytest -q tests/packaging $(ARGS)

check: lint cover ## Run all that CI demands: format, lint, types, import rules, and the tests with branch coverage.

lint: $(READY) ## The part of `check` that runs nothing: format, lint, types, import rules.
	@$(VENV)/bin/ruff format --quiet --check $(CODE)
	@$(VENV)/bin/ruff check --quiet $(CODE)
	@$(VENV)/bin/mypy --no-error-summary
	@$(VENV)/bin/lint-imports --no-logo

cover: $(READY) $(CLIENTS_READY) ## The part of `check` that runs the tests, with branch coverage of the program's own processes too.
	@$(PY) -m pytest -q $(PARALLEL) --cov --cov-report=term

bench: $(READY) $(CLIENTS_READY) ## Measure how many certificates a second, and where the time goes.
	@$(PY) benchmarks/bench.py $(ARGS)

torture: $(READY) ## Kill the program and its store again and again under load, then look for lost or doubled work.
	@$(PY) benchmarks/torture.py $(ARGS)

fuzz: $(READY) ## Feed a million broken signatures and requests to the front door's parsers.
	@$(PY) benchmarks/fuzz.py $(ARGS)

soak: $(READY) ## Ten minutes of mixed load, kills, stops and reloads; then the laws and the memory.
	@$(PY) benchmarks/soak.py $(ARGS)

run: $(READY) ## Run the supervisor with ./config.toml; `ca-supervisor init` comes first.
	@$(VENV)/bin/ca-supervisor run

lock: $(READY) ## Bring all requirements.txt to the newest versions that pyproject.toml allows.
	@$(LOCK) --upgrade -o requirements/run.txt pyproject.toml
	@$(LOCK) --upgrade --extra dev -c requirements/run.txt -o requirements/dev.txt pyproject.toml
	@$(LOCK) --upgrade -o requirements/clients.txt requirements/clients.in
	@$(LOCK) --upgrade -o requirements/binary.txt requirements/binary.in
	@$(LOCK) --upgrade --no-header --no-annotate -o benchmarks/requirements.txt benchmarks/requirements.in

binary: dist/ca-supervisor ## Build dist/ca-supervisor: the program and all it needs, Python too, in one executable file.

deb: $(READY) binary ## Build the Debian package in dist/: the program, its units, man pages and completions.
	@$(PY) packaging/deb/make_deb.py

clean: ## Remove .venv and everything that was built.
	rm -rf $(VENV) $(CLIENTS) $(TOOLS) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

$(READY): requirements/dev.txt pyproject.toml packaging/venv.sh
	@sh packaging/venv.sh $(PYTHON) $(VENV) requirements/dev.txt .
	@touch $@

$(CLIENTS_READY): requirements/clients.txt packaging/venv.sh
	@sh packaging/venv.sh $(PYTHON) $(CLIENTS) requirements/clients.txt
	@touch $@

dist/ca-supervisor: $(TOOLS_READY) $(BINARY_PARTS) config.toml pyproject.toml requirements/run.txt
	@$(TOOLS)/bin/python packaging/binary/build.py

$(TOOLS_READY): requirements/binary.txt packaging/venv.sh
	@sh packaging/venv.sh $(BINARY_PYTHON) $(TOOLS) requirements/binary.txt
	@touch $@
