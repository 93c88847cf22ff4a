# The core: explored, mutated, timed.
MUTANTS ?=

.PHONY: test-model
test-model: venv ## the core explored to an empty frontier, seeded bugs found, long histories: artifacts/model.json
	$(BIN)/pytest -q --durations=10 tests/model

.PHONY: mutants
mutants: venv ## mutation score of runbook/ (MUTANTS="certstorage.runbook.merge*" for a part)
	mkdir -p .mutants
	ln -sfn ../operator .mutants/src
	for name in pyproject.toml tests crds deploy docs; do ln -sfn ../$$name .mutants/$$name; done
	$(BIN)/python -m tests.model.mutants --again
	cd .mutants && export PATH="$(CURDIR)/$(BIN):$$PATH" MYPYPATH=src && mutmut run $(MUTANTS)
	$(BIN)/python -m tests.model.mutants

.PHONY: bench-core
bench-core: venv ## microseconds of one decision: artifacts/bench/core.json
	$(BIN)/python -m bench.core

.PHONY: states
states: venv ## write docs/explored.md, the scenarios as the exploration finds them, from artifacts/model.json
	$(BIN)/python -m tests.model.diagram
