# Every target sets up what it needs on a fresh machine with Python 3.11 or newer; a second call is quick.
VENV ?= .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
EXAMPLES := accounting placeholder

.PHONY: help setup demo test faults check bench docs lock clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

setup: $(READY)  ## the development environment in .venv

$(READY): requirements/dev.txt pyproject.toml scripts/setup.sh
	@scripts/setup.sh $(VENV)

demo: $(READY)  ## the shipped examples at work, in a temporary folder
	@scripts/demo.sh $(BIN)/bief

test: $(READY)  ## all tests, several files at a time; each process has servers of its own
	@scripts/servers.sh
	@$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_FLAGS)

faults: $(READY)  ## only the long proofs: 20 kills of 100,000 records for each destination, every failpoint, cut commits
	@BIEF_KILLS=$${BIEF_KILLS:-20} BIEF_KILL_RECORDS=$${BIEF_KILL_RECORDS:-100000} BIEF_KILL_LATENCY_MS=3 \
		$(BIN)/pytest tests/faults -s -o timeout=3600 $(PYTEST_FLAGS)

check: $(READY)  ## style, types, floors and documents; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@for example in $(EXAMPLES); do \
		echo "$(BIN)/mypy (example $$example)"; \
		MYPYPATH=src/bief/examples/$$example $(BIN)/mypy src/bief/examples/$$example/simulator.py || exit 1; \
	done
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_docs.py --check

bench: $(READY)  ## measurements, beside pinned peers
	@scripts/bench.sh $(VENV) $(BENCH_FLAGS)

docs: $(READY)  ## write the generated references again
	$(BIN)/python scripts/generate_docs.py

lock:  ## write requirements/ again after a change in pyproject.toml
	@scripts/lock.sh

clean:  ## remove all that can be made again
	rm -rf $(VENV) .tools .servers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist .cache
