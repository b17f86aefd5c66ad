.DEFAULT_GOAL := help
.PHONY: help demo up observe check test bench chaos release-check lock

PYTHON ?= python3.11
RUN := .venv/bin/python

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.venv/.ready: requirements-dev.lock
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: .venv/.ready ## everything once: a simulated Confluence drives it, then what is stored is judged
	$(RUN) -m services.cli demo

up: .venv/.ready ## the whole system on this machine, until Ctrl-C
	$(RUN) -m services.cli up

observe: .venv/.ready ## Prometheus and Alertmanager beside a running `make up`, until Ctrl-C
	$(RUN) -m services.cli observe

check: .venv/.ready ## lint, types, import contracts
	.venv/bin/ruff check .
	.venv/bin/mypy .
	.venv/bin/lint-imports

test: .venv/.ready ## all tests, on a real database and a real broker
	$(RUN) -m pytest

bench: .venv/.ready ## the engine against its baselines, the pipeline, the edge (growth, scale: python -m bench --help)
	$(RUN) -m bench

FAULTS ?= 1000
chaos: .venv/.ready ## the system broken in every way under load, then judged: FAULTS=1000, SEED=…
	$(RUN) -m chaos --faults $(FAULTS) $(if $(SEED),--seed $(SEED)) --page docs/chaos.md

release-check: .venv/.ready ## all that must hold before a release, with its evidence in dist/ (--only and --json: python -m release --help)
	$(RUN) -m release

lock: ## pin every dependency by hash
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --extra local pyproject.toml -o requirements.lock
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --extra local --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
