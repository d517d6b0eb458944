# The two commands: `make demo` shows what it does, `make test` proves it. Both do all the set-up on their own.
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
PIP     := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check
SCRIPTS := tools/*.sh .ci/run
DEMO    := build/demo/saved-reports

# More than there are cores: many tests wait for a server or for a person's keys.
WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 3 / 2)))

# `make test ARGS='-k merge'`
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo judges test mutants oracle soak check docs golden bench build clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.tests-ready ## the virtual environment with the program, the tests' tools and the linters

# Stamps, so that a second call installs nothing. The first is all that the program itself needs.
$(VENV)/.program-ready: pyproject.toml constraints.txt tools/make-venv.sh
	tools/make-venv.sh "$(PYTHON)" $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/.tests-ready: $(VENV)/.program-ready tools/install-debian-tools.sh
	tools/install-debian-tools.sh
	$(PIP) --editable '.[test]'
	@touch $@

demo: $(VENV)/.program-ready ## generate an example bundle, check it and show it
	rm -rf $(DEMO)
	$(BIN)/devops-tasks generate examples/saved-reports.yaml -o $(DEMO)
	$(BIN)/devops-tasks check $(DEMO)
	@echo; echo "The document, $(DEMO)/tasks.md, begins:"; echo; sed -n 1,40p $(DEMO)/tasks.md

# Judges that do not fit into our own environment.
build/node/.ready: tests/node/package-lock.json tools/install-node-tools.sh $(VENV)/.tests-ready
	tools/install-node-tools.sh build/node
	@touch $@

build/checkov/.ready: tests/checkov.txt tools/install-checkov.sh
	tools/install-checkov.sh "$(PYTHON)" build/checkov
	@touch $@

build/oracle/.ready: tests/oracle.txt
	tools/make-venv.sh "$(PYTHON)" build/oracle
	build/oracle/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/oracle.txt
	@touch $@

judges: build/node/.ready build/checkov/.ready

test: setup judges ## run every test, with the real tools
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

mutants: setup ## every wrong rule against the tests that its bundle carries, for the examples and some random specs
	MUTANTS=all $(BIN)/python -m pytest -q tests/test_rule_mutants.py tests/test_arms.py $(ARGS)

oracle: build/oracle/.ready ## the sums of the experiment against statsmodels, which is 400 MB
	build/oracle/bin/python -m pytest -m oracle --noconftest tests/test_oracle.py $(ARGS)

soak: setup judges ## the long runs: many random specs through every tool, many broken ones, a kill at each step of a run
	SPECS=60 FUZZ=3000 PEOPLE=300 WALKS=1000 SIGNALS=all FILES=all TEXTS=all CONVENTIONS=all HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -n auto tests/test_matrix.py \
		tests/test_promise_numbers.py tests/test_promise_bytes.py tests/test_promise_text.py tests/test_salvage.py \
		tests/test_fuzz.py tests/test_schema.py tests/test_restore.py tests/test_crash.py tests/test_merge_properties.py tests/test_wizard_flow.py tests/test_arms.py \
		tests/test_check_command.py tests/test_new_documents.py tests/test_monitoring.py $(ARGS)

check: setup ## lint and type-check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/shellcheck --norc --enable=all $(SCRIPTS)
	$(BIN)/shfmt --diff --indent=4 $(SCRIPTS)
	$(BIN)/yamllint --strict .
	$(BIN)/pymarkdown --strict-config --config .pymarkdown scan --recurse *.md docs

docs: setup ## rewrite docs/reference from the program
	$(BIN)/python tools/reference.py

golden: setup ## rewrite the expected trees in tests/golden and tests/places.yaml; review the diff like code
	$(BIN)/python -m pytest -n auto tests/test_golden.py tests/test_roll_back_page.py tests/test_restore_page.py tests/test_sizes.py \
		tests/test_promise_numbers.py::test_every_value_stands_in_its_places_and_no_other_value_does --update-golden $(ARGS)
	$(BIN)/python -m devops_tasks templates test examples/packs/acme --update

bench: $(VENV)/.program-ready ## what the commands cost, as ratios; with ARGS=--write into docs/explanation/speed.md
	$(BIN)/python tools/bench.py $(ARGS)

build: setup ## the wheel and the source archive, in dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation

clean: ## remove everything that the commands above made
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
