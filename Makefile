# make repro | make look | make test | make ui | make publish | make teams. PYTHON chooses the interpreter: make PYTHON=python3.12 repro
# GPU=1: on a graphics card, GPU=0: not, else where there is one: docs/gpu.md
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(value PATH)
# Relative, as is all that follows, or the shell's PWD: this folder's name may hold spaces, quotes and $
PY := $(VENV)/bin/python
# uv leaves compiling to the first use of a module, which must then be kept
unexport PYTHONDONTWRITEBYTECODE

# An environment whose Python is gone, as after an upgrade of the system, is made anew
$(shell test ! -e $(VENV)/ready || $(PY) -c '' 2>/dev/null || rm -f $(VENV)/ready)

.PHONY: repro look test ui publish teams bench clean card
.DEFAULT_GOAL := repro

COMMA := ,
# The first graphics card that its driver names, where it is used unless GPU says otherwise
ifneq ($(filter repro look,$(or $(MAKECMDGOALS),$(.DEFAULT_GOAL))),)
ifeq ($(strip $(GPU)),)
CARD := $(shell command -v nvidia-smi >/dev/null && timeout 30 nvidia-smi -L 2>/dev/null | sed -n 's/^GPU 0: \(.*\) (UUID.*)$$/\1/p')
endif
endif
ifneq ($(CARD),)
export GPU := 1
endif

repro: $(VENV)/ready card
	@$(PY) -m cnnviz.repro

# Some real pictures in a minute or two, where the report of all will be
look: $(VENV)/ready card
	@$(PY) -m cnnviz.repro look

# What TensorFlow needs for the card, where one is asked for or found
card: $(if $(filter 1,$(GPU)),$(VENV)/ready-gpu)
	@$(if $(CARD),echo "computing on $(CARD); GPU=0 computes on the processor",:)

# LONG=1: with the tests that take half a minute each and show from afar what others show from near
test: $(VENV)/ready-dev
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy & types=$$!; $(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(if $(LONG),--long) && wait $$types

ui: $(VENV)/ready
	@$(PY) -m cnnviz.tracking.ui

# The report and the docs as one folder for any static host. TO=folder: another one than public/
publish: $(VENV)/ready
	@$(PY) -m cnnviz.publish $(if $(TO),'$(TO)')

# What S3 remotes and PostgreSQL need: docs/teams.md
teams: $(VENV)/ready-teams

# Against the peers, about 25 minutes: docs/benchmarks.md. QUICK=1: a few minutes, prints only. OPTIONS="--full": all targets
BENCH := .venv-bench
OPTIONS ?= $(if $(QUICK),--filters 4 --score-filters 4 --timed-steps 4 --rounds 2 --layers 2 --dry)
bench: $(VENV)/ready $(BENCH)/ready
	@$(PY) -m benchmarks.bench --command "$(strip make bench $(if $(OPTIONS),OPTIONS='$(OPTIONS)'))" $(OPTIONS)

$(BENCH)/ready: benchmarks/requirements.txt
	@$(CHECK_PYTHON)
	@echo "installing the peers into $(BENCH) (once; about a minute)"
	@$(PYTHON) install.py --into $(BENCH) --no-deps -r $<
	@touch $@

# The one line that a Python of another version gets, or one without venv
define CHECK_PYTHON
$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); \
	sys.exit(0 if ok else "error: $(PYTHON) is Python %d.%d; cnnviz needs 3.11, 3.12 or 3.13: make PYTHON=python3.12" % sys.version_info[:2])'
$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	echo "error: $(PYTHON) has no ensurepip, which environments need; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
endef

$(VENV)/ready: requirements.txt
	@$(CHECK_PYTHON)
	@case "$$PWD" in *[:%?]*) echo "error: PATH takes no ':' and MLflow no '%' or '?' in the path of a folder; move or rename this one"; exit 1;; esac
	@test ! -L $(VENV) || { echo "error: $(VENV) is a link to an older environment; remove the link"; exit 1; }
	@echo "installing the environment into $(VENV) (once; about a minute)"
	@$(PYTHON) install.py --into $(VENV) --no-deps -r requirements.txt
	@touch $@

$(VENV)/ready-teams: $(VENV)/ready requirements-teams.txt
	@$(PY) install.py --no-deps -r requirements-teams.txt
	@touch $@

$(VENV)/ready-gpu: $(VENV)/ready requirements-gpu.txt
	@test "$(MAKECMDGOALS)" = $@ || test -e /dev/nvidiactl || test -e /dev/dxg || { \
		echo "error: GPU=1, but no driver of a graphics card is here (/dev/nvidiactl); GPU=0 computes on the processor"; exit 1; }
	@echo "installing CUDA for TensorFlow into $(VENV)$(if $(CARD),$(COMMA) for the $(CARD) here) (once; 2.4 GB; GPU=0: not)"
	@$(PY) install.py --no-deps -r requirements-gpu.txt
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready-teams requirements-dev.txt
	@echo "installing the test tools into $(VENV) (once)"
	@$(PY) install.py --no-deps -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) $(BENCH) .cache artifacts
