# Two commands for newcomers: `make demo` and `make test`. Both make their own virtual environment first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ALERTMANAGER ?= simulated
PORT ?= 8080
SECONDS ?=
# They only compute, on clocks of their own: they take what the tests of real processes leave while those wait.
COMPUTING := tests/simulation tests/mutations tests/planner
IN_PARALLEL := --dist loadfile --no-loadscope-reorder
SEED ?=
MINUTES ?= 10
PEERS ?=
SIZES ?= 1k,10k,50k
UPGRADE ?=
TOOLS := $(VENV)/tools/bin
# Nothing but what a lock names, and each file of it only with a hash that stands there. A lock is complete.
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
LOCK := $(TOOLS)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-build \
	--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

.PHONY: help demo test test-processes test-computing test-alertmanager lint soak endure screenshots bench manifests lock audit format clean

help: ## show this help
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.runtime ## run the real service against simulated servers (ALERTMANAGER=real uses an installed one, PORT=8080)
	@$(BIN)/python -m alertsync demo --alertmanager $(ALERTMANAGER) --port $(PORT) $(if $(SECONDS),--seconds $(SECONDS))

test: lint ## run the linters and every test
	@$(MAKE) --no-print-directory --keep-going --jobs 2 --output-sync=target test-processes test-computing

test-processes:
	$(BIN)/python -m pytest -n 3 $(IN_PARALLEL) $(COMPUTING:%=--ignore %) $(PYTEST_ARGS)

test-computing:
	nice -n 10 $(BIN)/python -m pytest -n 3 $(IN_PARALLEL) $(COMPUTING) $(PYTEST_ARGS)

test-alertmanager: $(VENV)/.development ## run the tests that drive an Alertmanager, with the one that ALERTMANAGER_BIN names
	$(BIN)/python -m pytest -n 3 $(IN_PARALLEL) tests/contract tests/e2e tests/simulation/test_model.py $(PYTEST_ARGS)

lint: $(VENV)/.development ## check format, style, types and the layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: $(VENV)/.development ## play the simulation for MINUTES=10, from SEED=… to play one again (PEERS=1 or 2)
	$(BIN)/python -m tests.simulation.soak --minutes $(MINUTES) $(SEED:%=--seed %) $(PEERS:%=--peers %)

endure: $(VENV)/.development ## run the service while its processes are killed, for MINUTES=10, from SEED=… to play one again
	$(BIN)/python -m tests.soak.endure --minutes $(MINUTES) $(SEED:%=--seed %)

screenshots: $(VENV)/.development ## write the pictures of the README, from the demo
	$(BIN)/python -m tests.browser.screenshots

bench: $(VENV)/.development ## measure speed and memory against the targets (SIZES=1k,10k,50k; BENCH_ARGS=--help tells more)
	$(BIN)/python -m tests.benchmarks --sizes $(SIZES) $(BENCH_ARGS)

manifests: $(VENV)/.development ## write what of deploy/ is made of other files
	$(BIN)/python -m tests.deploy.generated

lock: $(VENV)/.tools ## write the locks of the dependencies anew from requirements*.in (UPGRADE=1: with the newest of what they need in turn)
	@set -e; for name in requirements $(filter-out requirements,$(basename $(wildcard requirements*.in))); do \
		echo "$$name.in → $$name.txt"; $(LOCK) $$name.in -o $$name.txt; \
	done

audit: $(VENV)/.tools ## look whether holes are known in what the locks name
	$(TOOLS)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes $(addprefix -r ,$(wildcard requirements*.txt))

format: $(VENV)/.development ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "alertsync needs Python 3.11 or later")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.txt requirements-postgresql.txt
	@$(BIN)/python $(INSTALL) -r requirements-dev.txt -r requirements-postgresql.txt
	@touch $@

# Apart from what runs and what tests, whose versions they must not have a say in.
$(VENV)/.tools: $(VENV)/.runtime requirements-tools.txt
	@test -x $(TOOLS)/python || $(PYTHON) -m venv $(VENV)/tools
	@$(TOOLS)/python $(INSTALL) -r requirements-tools.txt
	@touch $@
