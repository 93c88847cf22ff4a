SCENARIO ?= outage

.PHONY: demo
demo: venv ## a scenario on a real cluster while you watch: SCENARIO=outage, degradation, inconsistency, fallback, sweep
	$(BIN)/python -m tests.e2e.story.demo --scenario $(SCENARIO)

.PHONY: demo-down
demo-down: cluster-down ## end the demo and its cluster

.PHONY: e2e
e2e: venv ## the stories on a real cluster
	$(BIN)/pytest tests/e2e

.PHONY: bench-outage
bench-outage: venv ## seconds from cutting S3 to local reads, with production's timing (about an hour)
	$(BIN)/python -m bench.outage
