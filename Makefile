# make repro | make test | make ui. PYTHON chooses the interpreter: make PYTHON=python3.12 repro
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
PY := $(BIN)/python

.PHONY: repro test ui clean
.DEFAULT_GOAL := repro

repro: $(VENV)/ready
	@$(PY) -m cnnviz.prune
	@$(PY) -m dvc repro
	@$(PY) -m stages.track
	@echo "report: $(CURDIR)/artifacts/report/index.html"
	@echo "models side by side in MLflow: make ui"

test: $(VENV)/ready-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(PY) -m pytest -n 2 --dist loadfile

ui: $(VENV)/ready
	@$(PY) -m cnnviz.ui

# The one line that a Python of another version gets
define CHECK_PYTHON
$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); \
	sys.exit(0 if ok else "error: $(PYTHON) is Python %d.%d; cnnviz needs 3.11, 3.12 or 3.13: make PYTHON=python3.12" % sys.version_info[:2])'
endef

$(VENV)/ready: requirements.txt
	@$(CHECK_PYTHON)
	@echo "installing the environment into $(VENV) (once; about two minutes)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PY) -m pip install -qq --no-deps --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.txt
	@echo "installing the test tools into $(VENV) (once)"
	@$(PY) -m pip install -qq --no-deps --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) .cache artifacts
