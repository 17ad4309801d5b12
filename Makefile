# The whole interface of the repository. Needed beforehand: make and Python 3.11 or
# newer with venv (interop also: npm and curl). Everything else is set up by itself.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
RUNTIME := $(VENV)/.runtime
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
SEEDS ?= 300
SEED ?= 1

.DEFAULT_GOAL := check
.PHONY: setup check lint types layers fast test sim replay interop conformance bench \
	docs run fmt lock clean help

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(STAMP) ## virtual environment from the pins

# What running needs comes first and alone, so that `make run` starts soon.
$(RUNTIME): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

# Dependency groups need pip 25.1; a fresh environment may bring an older one.
$(STAMP): $(RUNTIME)
	$(PIP) pip
	$(PIP) --group test --group lint
	@touch $@

check: $(STAMP) ## what a commit needs, in under a minute
	@$(MAKE) --no-print-directory --output-sync -j2 types lint layers fast

lint: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/codespell

types: $(STAMP)
	$(BIN)/pyright

layers: $(STAMP)
	$(BIN)/pytest -q tests/unit/test_layers.py

fast: $(STAMP)
	$(BIN)/pytest -q tests/unit tests/clock -m "not interop and not external"

test: $(STAMP) ## every test that needs only Python packages, with coverage and its gates
	$(BIN)/coverage erase
	$(BIN)/pytest -q -m "not external" --seeds $(SEEDS) --cov --cov-report=
	$(BIN)/coverage report
	$(BIN)/coverage json -q -o .coverage.json
	$(BIN)/python tests/coverage_gate.py .coverage.json

sim: $(STAMP) ## many seeds of the simulated world: make sim SEEDS=5000
	$(BIN)/pytest -q tests/sim --timeout 0 --seeds $(SEEDS)

replay: $(STAMP) ## one seed with its trace: make replay SEED=42
	$(BIN)/pytest -q -s tests/sim --seed $(SEED)

interop: $(STAMP) ## real counterparts: MCP servers, clients, an identity provider
	PYTHON=$(BIN)/python tests/interop/setup
	$(BIN)/pytest -q -m external --timeout 600 tests/interop

conformance: $(STAMP) ## the official conformance suite: the bridge as server and as client
	PYTHON=$(BIN)/python tests/interop/setup
	$(BIN)/pytest -q -m external --timeout 900 tests/interop -k conformance

bench: $(STAMP) ## benchmarks, results as JSON
	@for file in benchmarks/*.py; do echo "== $$file" >&2; \
		$(BIN)/python $$file || exit 1; done

docs: $(STAMP) ## regenerate the generated pages, check links
	$(BIN)/python tests/generate_docs.py

run: $(RUNTIME) ## a demonstration: issuer, two upstreams and the bridge in front
	$(BIN)/bridge demo

fmt: $(STAMP) ## format and repair what can be repaired
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: ## newest allowed versions into constraints.txt
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install -q --upgrade pip
	.venv-lock/bin/python -m pip install -q . --group test --group lint
	{ echo "# Exact versions for development and CI: make lock"; \
	  .venv-lock/bin/python -m pip freeze --all \
	  | grep '^[A-Za-z0-9._-]*==' | grep -v -e '^mcp-trio-bridge==' -e '^setuptools=='; \
	} > constraints.txt
	rm -rf .venv-lock

clean: ## everything that can be made again
	rm -rf $(VENV) .venv-lock .coverage* .pytest_cache .ruff_cache .hypothesis dist
