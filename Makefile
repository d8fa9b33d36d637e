# Every target does its own set-up: a bare clone on Debian with Python 3.11 or newer is enough.
PYTHON ?= python3
BIN := .venv/bin
# The tests run side by side, one more than there are cores, for many wait for another process: a
# fixture of the session is one in each worker.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$(( n < 4 ? n + 1 : 4 )))
PARALLEL := -n $(WORKERS) --dist worksteal
# Every process of ours starts in half the time from compiled modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo dev test check bench bench-api bench-cdc bench-peers bench-peers-setup bench-transformations bench-web load lock sbom audit clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: ## Make .venv with the locked packages and the libraries the ODBC driver needs
	@.ci/setup $(PYTHON)

demo: setup ## Move TPC-H tables from a private SQL Server to a private S3, live
	@$(BIN)/dtaas demo $(DEMO)

dev: setup ## Serve the page on port 5173, changes at once; DTAAS_URL=http://127.0.0.1:8000
	@$(BIN)/python web/build.py dev

test: setup ## Prove everything: checks, then all tests; TESTS=tests/unit WORKERS=0 for some, one by one
	@$(SIDE_BY_SIDE) $(CHECKS) chromium
	$(BIN)/python -m pytest $(PARALLEL) $(TESTS)

check: setup ## Format, lint, types, layers
	@$(SIDE_BY_SIDE) $(CHECKS)

# The longest first.
CHECKS := check-mypy check-pyright check-page check-style
SIDE_BY_SIDE := $(MAKE) --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync)
.PHONY: $(CHECKS) chromium

check-mypy:
	$(BIN)/mypy

check-pyright:
	$(BIN)/pyright

check-page:
	$(BIN)/python web/build.py check

check-style:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

chromium:
	@.ci/chromium

bench: setup ## Race the whole path against what users would write; BENCH_ROWS=1000000
	@$(BIN)/python -m tests.bench.run

bench-peers-setup: setup ## Install the tools to race against, from PyPI, into .venv-peers
	@$(BIN)/python -m tests.bench.peers.install

bench-peers: setup ## Race the tools and libraries there are; BENCH_ROWS=1000000
	@$(BIN)/python -m tests.bench.peers.run

bench-transformations: setup ## Transformations in rows/s beside pandas and polars, and on the whole path
	@$(BIN)/uv pip install -q --target .venv/bench --python $(BIN)/python --require-hashes -r .ci/bench.txt
	@PYTHONPATH=.venv/bench $(BIN)/python -m tests.bench.transformations
	@$(BIN)/python -m tests.bench.whole_chain

bench-web: setup ## Measure the page in a real Chromium against its budgets; WEB_ROUNDS=80
	@.ci/chromium
	@$(BIN)/python -m tests.bench.web

bench-api: setup ## How fast the API answers, and what holds the event loop up, during a load at full speed
	@$(BIN)/python -m tests.bench.api

bench-cdc: setup ## Changes from change tables to the lake: changes/s, lag, idle cost; BENCH_CHANGES=500000
	@$(BIN)/python -m tests.bench.changes

load: setup ## Many clients while a transfer runs at a held rate; SECONDS=60
	@$(BIN)/python -m tests.bench.load

lock: setup ## Renew the lock of exact versions
	@.ci/lock --upgrade

sbom: setup ## Write what the product consists of to dist/sbom.cdx.json (CycloneDX)
	@mkdir -p dist
	$(BIN)/uv tool run --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock --of JSON -o dist/sbom.cdx.json

audit: setup ## Look for known holes in the locked packages; exit code 3 where the public index's advisories cannot be asked
	@.ci/audit

clean: ## Remove everything the other targets made
	rm -rf .venv .uv-cache .venv-3.* .venv-peers .dtaas .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist web/node_modules dtaas/web_dist
	find dtaas tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: fuzz
fuzz: setup ## Damage answers of a server and decode them under sanitizers; SECONDS=60 SEED=
	@$(BIN)/python -m tests.fuzz.run --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

.PHONY: torture
torture: setup ## Random histories under faults and kills; SECONDS=2400 SEED=
	@$(BIN)/python -m tests.torture.run --seconds $(or $(SECONDS),2400) $(if $(SEED),--seed $(SEED))
