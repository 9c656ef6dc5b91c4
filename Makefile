# `make` alone lists the commands. Everything is installed into .venv beside this file.
#
# PYTHON         the Python to build .venv from (default: the first of 3.11 or newer on PATH)
# STUDIO         options of `ildm studio`, such as STUDIO="--port 8000 --headless"
# TORCH_OPTIONS  pip options for torch alone, for a build other than the default one (see docs/install.md)

.DEFAULT_GOAL := help
.PHONY: help studio demo install test test-all lint format bench docs clean
.DELETE_ON_ERROR:

BIN := .venv/bin
# A stamp is written only after a complete installation, so an interrupted one is taken up again.
RUNTIME := .venv/.ready-runtime
TRAINING := .venv/.ready-training
DEVELOPMENT := .venv/.ready-development
INSTALLER := tools/setup.sh tools/install.py tools/build_page.py
# Built by the runtime's installation, and anew when its sources change. There are none in a release, which carries the page.
PAGE := src/ildm/studio/static/index.html
WEB := $(shell find web -name node_modules -prune -o -type f -print 2>/dev/null)
CODE := $(wildcard src tests bench tools)
# As many tests at once as there are cores, each with one; but for those that watch how a page comes along.
SEVERAL := OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --maxprocesses 8 --dist worksteal --ignore tests/browser

export PYTHON TORCH_OPTIONS

studio: $(RUNTIME) $(PAGE) ## install, start the studio with the shipped model, print its address and open it in the browser
	@$(BIN)/python -m ildm studio $(STUDIO)

demo: $(RUNTIME) ## install, draw a contact sheet from twelve prompts with the shipped model, say where it is
	@$(BIN)/python -m ildm demo --out demo

install: $(TRAINING) ## install all that drawing, training and evaluating need
	@echo "Installed. Type: source .venv/bin/activate, then: ildm --help"

test: $(DEVELOPMENT) $(PAGE) lint ## install, then lint, types, layers and the everyday tests (bar: 15 minutes on 2 cores, not met yet: 26)
	@$(SEVERAL) -m "not slow"
	@$(BIN)/pytest tests/browser -m "not slow"

test-all: $(DEVELOPMENT) $(PAGE) lint ## the same with the long tests (bar: 60 minutes)
	@$(SEVERAL)
	@$(BIN)/pytest tests/browser

lint: $(DEVELOPMENT) ## style, spelling, types and layers, and all that there is to check of the page, without running a test
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/codespell
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/build_page.py check

format: $(DEVELOPMENT) ## rewrite the code in the project's style
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)
	$(BIN)/python tools/build_page.py format

bench: $(DEVELOPMENT) ## measure speed and memory on this machine; tables on screen, JSON in bench/results
	$(BIN)/python bench/sample.py --model emoji-scenes --out bench/results/sample.json
	$(BIN)/python bench/train.py --out bench/results/train.json

docs: $(DEVELOPMENT) ## write docs/commands.md anew from the command line itself, and check every page
	$(BIN)/python tools/commands_page.py
	$(BIN)/python tools/message_schema.py
	$(BIN)/python tools/wire_types.py
	$(BIN)/pytest -q tests/repository/test_docs.py

clean: ## remove .venv, the built page, the caches and the demo's pictures
	rm -rf .venv web/node_modules src/ildm/studio/static demo build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s%s\n", $$1, $$2 }'

$(RUNTIME): pyproject.toml constraints.txt $(INSTALLER)
	@sh tools/setup.sh runtime

$(PAGE): $(WEB) | $(RUNTIME)
	@sh tools/setup.sh page

$(TRAINING): $(RUNTIME)
	@sh tools/setup.sh training

$(DEVELOPMENT): $(TRAINING)
	@sh tools/setup.sh development
