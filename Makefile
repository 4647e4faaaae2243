# Each target does everything it needs on a machine that has only Python 3.11 or newer with venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := $(VENV)/.peers

CYCLES ?= 25
SEED   ?= 1
JOBS   ?= 1
IMAGES ?= 100000
PENDING ?= 10000
STARTS ?= 10
FILES ?= 100000
SCALE  ?= 1

.DEFAULT_GOAL := help
.PHONY: help run test check faults soak recovery burst bench bench-docs fmt docs clean

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: $(READY) ## see it work: a simulated microscope, the daemon, a receiver; ends by itself
	$(BIN)/semwatchd demo

test: $(READY) ## run all tests
	$(BIN)/pytest

check: $(PEERS) ## format, lint, spelling, types, import contracts, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

faults: $(READY) ## break everything around a running daemon, and prove that nothing is lost; CYCLES=25 SEED=1 JOBS=1
	$(BIN)/python -m tests.faults $(CYCLES) $(SEED) $(JOBS)

soak: $(READY) ## many small images: does the daemon stay as it began; IMAGES=100000
	$(BIN)/python -m tests.faults.soak $(IMAGES)

recovery: $(READY) ## how soon a killed daemon works again with many jobs waiting; PENDING=10000 STARTS=10
	$(BIN)/python -m tests.faults.recovery $(PENDING) $(STARTS)

burst: $(READY) ## so many files at once, written and moved in: is each seen soon; FILES=100000
	$(BIN)/python -m tests.faults.burst $(FILES)

bench: $(PEERS) ## cost of an image and throughput, beside the plain recipe and other libraries
	$(BIN)/semwatchd bench measure
	$(BIN)/semwatchd bench load
	$(BIN)/semwatchd bench pipeline

bench-docs: $(PEERS) ## measure everything, and write docs/benchmarks.md anew; best on an idle machine; SCALE=1
	$(BIN)/python -m semwatchd.offline.bench.page docs $(SCALE)

fmt: $(READY) ## format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## write the generated reference pages anew
	$(BIN)/python -c "from semwatchd.adapters.mes.payload import schema_text; print(schema_text(), end='')" > docs/reference/event.schema.json
	$(BIN)/python -c "from semwatchd.pipeline.handbook import measurements_page; print(measurements_page(), end='')" > docs/reference/measurements.md
	$(BIN)/semwatchd config schema > docs/reference/config.schema.json
	$(BIN)/python -m semwatchd.offline.gallery docs/images

clean: ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("semwatchd needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV) || { echo "python venv is missing: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[models]' --group dev
	touch $(READY)

$(PEERS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[bench]"
	touch $(PEERS)
