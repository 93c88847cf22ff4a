# The core: explored, mutated, timed.
MUTANTS ?=

.PHONY: test-model
test-model: venv ## the core explored to an empty frontier, seeded bugs found, long histories: artifacts/model.json
	$(BIN)/pytest -q --durations=10 tests/model

.PHONY: mutants
mutants: venv ## mutation score of runbook/ (MUTANTS="certstorage.runbook.merge*" for a part)
	$(BIN)/mutmut run $(MUTANTS)
	$(BIN)/mutmut export-cicd-stats
	$(BIN)/python -m tests.model.mutants

.PHONY: bench-core
bench-core: venv ## microseconds of one decision: artifacts/bench/core.json
	$(BIN)/python -m bench.core

.PHONY: states
states: venv ## write docs/explored.md, the scenarios as the exploration finds them, from artifacts/model.json
	$(BIN)/python -m tests.model.diagram
