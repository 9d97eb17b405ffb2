# Everything that is done with this repository. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
# The first that is new enough and runs; a name on the PATH alone proves nothing.
PYTHON ?= $(shell for each in python3.11 python3; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
PIP_FLAGS ?=
JOBS ?= auto
PYTEST_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=
BIN := $(VENV)/bin
RUN := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 $(BIN)/python
REPORTS := build/reports

# The stamp is of this folder: an environment that was moved or copied here is set up again.
STAMP := $(VENV)/.ready-$(shell pwd | cksum | cut -d' ' -f1)
# A stamp beside an interpreter that no longer runs is worth nothing.
ifneq ($(wildcard $(STAMP)),)
ifneq ($(shell $(BIN)/python -c 'print("runs")' 2>/dev/null),runs)
$(shell rm -f $(STAMP))
endif
endif

.PHONY: help setup demo demo-tiny test lint types checks docs bench smoke smoke-glue smoke-squad smoke-squad2 \
	smoke-race smoke-ner smoke-pretrain faults audit peers peers-check ci ci-full clean

help: ## List the targets
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-48s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv with the tested versions (PYTHON=..., PIP_FLAGS=...); again only when they change

$(STAMP): pyproject.toml constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "error: no Python 3.11 or newer found" >&2; \
		echo "try: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(BIN)/python -c '' 2>/dev/null || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
	@echo "setup: $$($(BIN)/python --version), packages of constraints.txt (minutes the first time)" >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e ".[dev]"
	@pinned=$$(sed -n 's/^torch==//p' constraints.txt); \
		found=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("torch"))'); \
		[ "$${found%%+*}" = "$$pinned" ] || { echo "error: torch $$found is installed, $$pinned is pinned" >&2; \
		echo "try: rm -rf $(VENV) && make setup" >&2; exit 3; }; echo "setup: torch $$found" >&2
	@rm -f $(VENV)/.ready-*
	@touch $@

test: $(STAMP) ## All tests but the faults (PYTEST_ARGS=..., JOBS=N); fails on skips beyond tests/skips.txt
	@mkdir -p $(REPORTS)
	$(RUN) -m pytest -n $(JOBS) -m "not faults" --junitxml=$(REPORTS)/tests.xml $(PYTEST_ARGS)
	@$(RUN) tests/check_skips.py $(REPORTS)/tests.xml

lint: $(STAMP) ## Style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## Types
	$(BIN)/mypy

checks: lint types ## Lint, types, import rules, every shipped recipe, generated pages
	$(RUN) -m pytest -q -p no:cacheprovider tests/test_imports.py
	$(RUN) -m albert_cli recipe check $$(find recipes -name '*.yaml' | sort) > /dev/null
	$(RUN) -m albert_cli.cli.reference --check

docs: $(STAMP) ## Write the generated pages of docs/reference
	$(RUN) -m albert_cli.cli.reference

demo: $(STAMP) ## The whole life of a small model on this machine (DEMO_ARGS=...)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m albert_cli.stages.demo $(DEMO_ARGS)

demo-tiny: $(STAMP) ## The demo's 30-second form
	$(RUN) -m albert_cli.stages.demo --tiny

smoke: smoke-glue smoke-pretrain ## Small real runs of the command line, on rows they write themselves

smoke-glue: $(STAMP) ## Fine-tune, score and predict a GLUE task
	$(RUN) tests/smoke/glue.py

smoke-race: $(STAMP) ## Fine-tune, score, predict and ask multiple choice
	$(RUN) tests/smoke/race.py

smoke-squad: $(STAMP) ## Fine-tune, score, predict and ask questions about texts
	$(RUN) tests/smoke/squad.py

smoke-squad2: $(STAMP) ## The same where a text may not have the answer
	$(RUN) tests/smoke/squad2.py

smoke-pretrain: $(STAMP) ## Train a tokenizer, pretrain, fill masks
	$(RUN) tests/smoke/pretrain.py

smoke-ner: $(STAMP) ## Fine-tune, score, predict and ask for named entities
	$(RUN) tests/smoke/ner.py

bench: $(STAMP) ## Starts, inference and training beside transformers on one core, some minutes (BENCH_ARGS=...)
	$(RUN) -m albert_cli bench start --threads 1
	$(RUN) -m albert_cli bench infer --vs transformers --threads 1 $(BENCH_ARGS)
	$(RUN) -m albert_cli bench train --workload finetune-sst2 --layers 3 --vs transformers --threads 1 $(BENCH_ARGS)

faults: $(STAMP) ## Faults put into small runs, which must lose nothing (SEED=1 POINTS=50); a table at the end
	@mkdir -p $(REPORTS)
	$(RUN) -m pytest -m faults $(PYTEST_ARGS)
	$(RUN) tests/faults/cycles.py > $(REPORTS)/cycles.json
	$(RUN) tests/faults/harness.py --seed $(or $(SEED),1) --points $(or $(POINTS),50) --processes 1,2 --out $(REPORTS)

audit: $(STAMP) .venv-audit/.ready ## The pinned packages: consistent, and none with a known hole (pip-audit)
	$(BIN)/python -m pip check
	.venv-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

.venv-audit/.ready:
	@rm -rf .venv-audit && $(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install -qq --disable-pip-version-check pip-audit
	@touch $@

peers: .venv-peer457/.ready ## Environment of transformers 4.57 for comparisons (marker peer457)

.venv-peer457/.ready: constraints-peer457.txt
	@rm -rf .venv-peer457 && $(PYTHON) -m venv .venv-peer457
	@.venv-peer457/bin/python -m pip install -qq --disable-pip-version-check -r constraints-peer457.txt
	@touch $@

peers-check: $(STAMP) .venv-peer-frameworks/.ready ## TensorFlow, Flax and transformers 4.57 read what albert convert writes
	$(RUN) tests/peers/check_conversions.py .venv-peer-frameworks/bin/python

.venv-peer-frameworks/.ready: constraints-peer-frameworks.txt
	@rm -rf .venv-peer-frameworks && $(PYTHON) -m venv .venv-peer-frameworks
	@.venv-peer-frameworks/bin/python -m pip install -qq --disable-pip-version-check -r constraints-peer-frameworks.txt
	@touch $@

ci: setup ## What .ci/run runs: checks, tests, two smoke runs, the tiny demo
	@$(MAKE) checks
	@$(MAKE) test
	@$(MAKE) smoke
	@$(MAKE) demo-tiny

ci-full: ci ## ci, and what takes longer: the demo and the faults
	@$(MAKE) faults
	@$(MAKE) demo

clean: ## Remove what tools leave behind; environments and runs stay
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info
	find albert_cli tests -name __pycache__ -type d -prune -exec rm -rf {} +
