# Everything a person needs; each target does its own set-up. Needs Python >= 3.11, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo dev test test-fast lint types bench lock clean help

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q $(VENV)/lib cph50_pipeline || true
	touch $(READY)

demo: $(READY)  ## Four simulated months through the whole pipeline, into .cph50/demo/data
	$(BIN)/cph50 demo

dev: $(READY)  ## The simulator and Dagster's UI on http://localhost:3000; a car plugs in
	$(BIN)/cph50 dev

test: $(READY)  ## All tests
	# By file, so that what its tests share is made once; the quick unit tests come last and fill what is left.
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-fast: $(READY)  ## The tests of the rules alone: seconds
	$(BIN)/python -m pytest cph50_pipeline_tests/unit -n 2 -q

lint: $(READY)  ## Style, format and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)  ## The strict type checker
	$(BIN)/mypy

bench: $(READY)  ## The budgets, as ratios
	$(BIN)/python -m bench

lock: $(READY)  ## Resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --group dev --extra postgres --extra mysql --universal --generate-hashes \
	  --python-version 3.11 --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock

clean:  ## Remove the environment and the simulated households
	rm -rf $(VENV) .cph50
