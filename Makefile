# What a developer types. `make help` lists it. The Python to use: make PYTHON=python3.13 ...

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
PREPARE = $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, and $(PYTHON) is %d.%d. Name another one: make PYTHON=python3.13 ..." % sys.version_info[:2])' && $(PYTHON) package/dev/prepare.py
# Most tests wait for something, so one more runs at a time than there are processors
# (tests/conftest.py). PYTEST_ARGS=-n0: one by one.
SIDE_BY_SIDE = -n auto --maxprocesses 4 --dist worksteal
FUZZ_SECONDS ?= 60
FUZZ_JOBS ?= $(shell nproc)

.DEFAULT_GOAL := help
.PHONY: help setup run knock test lint matrix soak fuzz bench ipk translations compatibility pins clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: ## put the programs into .venv, and install what the lab needs
	@$(PREPARE) run

run: setup ## start the lab: a phone, a router and a LAN host; ARGS=--fresh as first installed
	@$(VENV_PYTHON) -m tests.lab run $(ARGS)

knock: setup ## knock at the running lab's door; ARGS=--nat for the LAN host
	@$(VENV_PYTHON) -m tests.lab knock $(ARGS)

test: ## run every test; PYTEST_ARGS="tests/unit -k replay" for some of them
	@$(PREPARE) test
	@$(VENV_PYTHON) -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

matrix: ## every door with every firewall through every trouble, not only the everyday choice; half an hour
	@$(PREPARE) test
	@MATRIX=complete $(VENV_PYTHON) -m pytest tests/netns/matrix $(PYTEST_ARGS)

soak: ## a day's life in a hurry, and faults at every system call; SOAK_MINUTES=30 for each firewall, the least that tells memory that grows slowly
	@$(PREPARE) test
	@SOAK_MINUTES=$${SOAK_MINUTES:-30} FAULTS=complete nice -n 19 $(VENV_PYTHON) -m pytest -s tests/netns/soak tests/netns/faults $(PYTEST_ARGS)

fuzz: ## hostile bytes for every parser, FUZZ_SECONDS each; TARGET="uci_file backup" for some of them
	@$(PREPARE) fuzz
	@$(VENV_PYTHON) -m tests.fuzz run --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS) $(TARGET)

lint: ## check style, format and types
	@$(PREPARE) lint
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy

bench: ## measure fwknopd beside the C daemon; ARGS="--scenarios latency --daemons nft,c", --help
	@$(if $(filter -h --help,$(ARGS)),:,[ "$$(id -u)" = 0 ] || { echo "bench: network namespaces need root. Run make bench as root." >&2; exit 1; })
	@$(PREPARE) bench
	@$(VENV_PYTHON) -m tests.bench $(ARGS)

ipk: ## build packages for OpenWrt into dist/, with byte code for the Python of PYTHON=
	@$(PREPARE) lint
	@$(VENV_PYTHON) -m package.dev.ipk $(ARGS)

translations: ## bring the web page's catalogs up to date (webui/fwknop_webui/translations)
	@$(PREPARE) lint
	@$(VENV_PYTHON) package/dev/translations.py

compatibility: setup ## write the tables of COMPATIBILITY.md anew
	@$(VENV_PYTHON) package/dev/compatibility.py

pins: ## write down anew which versions of others' packages are used, with digests and licences
	@$(PREPARE) lint
	@$(VENV_PYTHON) package/dev/pins.py $(ARGS)
	@$(PREPARE) lint
	@$(VENV_PYTHON) package/dev/licences.py

clean: ## remove everything made here, .venv too
	rm -rf .venv .lab .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* build dist tests/artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
