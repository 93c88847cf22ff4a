# What fails soonest comes first; the real cluster comes last. One summary at the end.
.PHONY: test
test: check cluster-build ## everything: checks, rules, real API server, real cluster (under 30 minutes on 2 cores)
	$(BIN)/pytest -x --durations=15 $(wildcard tests/rules tests/model) tests/component tests/e2e
