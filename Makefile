# The commands of this project; continuous integration runs these very ones.
#
#   make demo     the whole story on the terminal, against local exchanges
#   make test     the tests
#
# Both need git, make and a plain python3 (3.11 or newer), and make their own environment in .venv.
# PYTHON chooses the interpreter, VENV the environment, ARGS goes to pytest:
#   make test PYTHON=python3.13 VENV=.venv-3.13 ARGS="tests/core -k clock"

PYTHON ?=
VENV ?= .venv
DOCS_VENV ?= .venv-docs
ORACLE_VENV ?= .venv-oracle
ORACLE_X10_VENV ?= .venv-oracle-x10
ORACLE_LIGHTER_VENV ?= .venv-oracle-lighter
WORKERS ?= auto
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types docs docs-generated bench bench-lighter bank mutate oracle oracle-x10 oracle-lighter clean

# Sets $$python to the first interpreter that is new enough and can make environments, or says why there is none.
# Names are tried by running them: a name may be on the path and still not work.
define find_python
	old=""; noenv=""; python=""; \
	for candidate in $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11); do \
		found=$$($$candidate -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { old="$$old $$candidate is $$found;"; continue; }; \
		$$candidate -c 'import venv, ensurepip' 2>/dev/null || { noenv="$$candidate"; continue; }; \
		python=$$candidate; break; \
	done; \
	if [ -z "$$python" ]; then \
		if [ -n "$$noenv" ]; then echo "perpkit: $$noenv can't make environments: its venv module is missing. On Debian and Ubuntu: apt install python3-venv" >&2; \
		elif [ -n "$$old" ]; then echo "perpkit: Python 3.11 or newer is needed, but$$old install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
		else echo "perpkit: no working $(if $(PYTHON),$(PYTHON),python3) was found; install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.11" >&2; fi; \
		exit 1; \
	fi
endef

# Environments are updated in place when pyproject.toml changes. Dependency groups need pip 25.1.
$(VENV)/.stamp-dev: pyproject.toml
	@$(find_python); \
	if [ -x $(VENV)/bin/python ]; then echo "updating $(VENV)"; \
	else echo "making $(VENV) with $$python (once; a minute or so)"; $$python -m venv $(VENV); fi
	@$(VENV)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(VENV)/bin/python -m pip install --quiet --editable '.[conformance]' --group dev
	@touch $@

$(VENV)/.stamp-lint: $(VENV)/.stamp-dev
	@$(VENV)/bin/python -m pip install --quiet --group lint
	@touch $@

# The docs tools read the sources and never import them: they need nothing of perpkit.
$(DOCS_VENV)/.stamp: pyproject.toml
	@$(find_python); \
	if [ -x $(DOCS_VENV)/bin/python ]; then echo "updating $(DOCS_VENV)"; \
	else echo "making $(DOCS_VENV) with $$python (once)"; $$python -m venv $(DOCS_VENV); fi
	@$(DOCS_VENV)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(DOCS_VENV)/bin/python -m pip install --quiet --group docs
	@touch $@

help:
	@echo "make demo    the whole story on the terminal, against local exchanges"
	@echo "make test    the tests (ARGS=... goes to pytest)"
	@echo "make lint    ruff: rules and format      make format  let ruff rewrite"
	@echo "make types   mypy --strict on perpkit    make docs    build the pages, strictly, into site/"
	@echo "make bench   measure against paradex-py and ccxt, into .bench/"
	@echo "make bank    the suite over every deliberately broken plugin"
	@echo "make mutate  small changes to the Paradex plugin's source, and which of them its tests notice"
	@echo "make oracle  an environment holding paradex-py and ccxt, for the tests and measurements that compare"
	@echo "make oracle-x10  an environment holding Extended's SDK and ccxt, for the tests that run them"
	@echo "make oracle-lighter  the same for Lighter's SDK"
	@echo "make clean   remove environments and what was built"

demo: $(VENV)/.stamp-dev
	@$(VENV)/bin/perpkit demo

test: $(VENV)/.stamp-dev
	$(VENV)/bin/python -m pytest -n $(WORKERS) $(ARGS)

lint: $(VENV)/.stamp-lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.stamp-lint
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

types: $(VENV)/.stamp-lint
	$(VENV)/bin/mypy

docs-generated: $(VENV)/.stamp-dev
	$(VENV)/bin/python docs/generate.py

docs: $(DOCS_VENV)/.stamp
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict --quiet

# The official SDK and ccxt live apart: they pin libraries that perpkit's users must be free to choose.
oracle:
	@VENV=$(ORACLE_VENV) PYTHON="$(PYTHON)" tests/oracle/make-environment

oracle-x10:
	@VENV=$(ORACLE_X10_VENV) PYTHON="$(PYTHON)" tests/oracle/make-x10-environment

oracle-lighter:
	@VENV=$(ORACLE_LIGHTER_VENV) PYTHON="$(PYTHON)" tests/oracle/make-lighter-environment

# Every deliberately broken plugin, against the suite; prints the kill table and writes docs/kill-table.md. ARGS="NAME ..."
# runs some of them, ARGS=--files only the files of the suite that are aimed at each, ARGS=--whole everything over each,
# ARGS=--resume goes on with a run that was broken off, ARGS=--part=0/3 runs every third plugin.
bank: $(VENV)/.stamp-dev
	$(VENV)/bin/python -m tests.conformance.bank.run $(ARGS)

# Mutants of the Paradex plugin's source; writes docs/mutation.md. Most of an hour, one at a time, so not in continuous
# integration. ARGS="--file decode --sample 50" tries some of them.
mutate: $(VENV)/.stamp-dev
	PYTHONHASHSEED=0 $(VENV)/bin/python -m tests.mutation.run $(ARGS)

bench: oracle
	@$(ORACLE_VENV)/bin/python -c 'import perpkit' 2>/dev/null || \
		{ echo "perpkit: $(ORACLE_VENV) is of Python 3.10 and holds no perpkit; measuring needs Rust (cargo), then make clean oracle" >&2; exit 1; }
	$(ORACLE_VENV)/bin/python -m benchmarks $(ARGS)

# Lighter's signing library is in an environment of its own, and so is what is measured with it.
bench-lighter: oracle-lighter
	$(ORACLE_LIGHTER_VENV)/bin/python -m benchmarks $(or $(ARGS),signing_lighter)

clean:
	rm -rf $(VENV) $(DOCS_VENV) $(ORACLE_VENV) $(ORACLE_X10_VENV) $(ORACLE_LIGHTER_VENV) site build dist .bench .mutation .mypy_cache .pytest_cache .ruff_cache .hypothesis
