# Everything from a checkout with only Python 3.11+, git and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEMO_MONTH := 2024-07

.PHONY: demo test test-fast test-long lint ui bench docs lock clean

demo: export SUS_PRICING_HOME := $(CURDIR)
demo: export DAGSTER_HOME := $(CURDIR)
demo: $(READY)
	$(BIN)/sus-pricing synth --months $(DEMO_MONTH)..$(DEMO_MONTH) --seed 1 --out data/landing
	$(BIN)/sus-pricing run --month $(DEMO_MONTH)

test: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not long"

test-fast: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not long"

test-long: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m long

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: $(READY)
	DAGSTER_HOME=$(CURDIR) $(BIN)/dg dev

bench: $(READY)
	$(BIN)/python -m benchmarks.run

docs: $(READY)
	$(BIN)/python -m docs.generate

lock:
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --upgrade setuptools -e '.[dev]'
	echo '# Exact versions of everything the project runs and is tested with; made by `make lock`.' > requirements.lock
	build/lock/bin/python -m pip freeze --all --exclude-editable | grep -v '^pip==' >> requirements.lock

clean:
	rm -rf lake marts storage history schedules build

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)
