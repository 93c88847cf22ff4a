# The pure core: what it decides, and the pages made of it.
.PHONY: core-docs test-core
core-docs: venv ## write runbook-map.md, reasons.md, defaults.md and states.md in docs/, and told/, from the core and its tests
	$(BIN)/python -m tests.unit.runbook.pages
	$(BIN)/python -m tests.unit.runbook.test_told

test-core: venv ## the stories of the runbook, without a cluster
	$(BIN)/pytest -q tests/unit/runbook tests/unit/api
