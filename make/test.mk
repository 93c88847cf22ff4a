# What fails soonest comes first, the real cluster last; pytest's summary is the end of it.
.PHONY: test
test: check cluster-build haproxy ## everything: checks, rules, real API server, real cluster (under 30 minutes on 2 cores)
	$(BIN)/pytest -x --durations=15 tests/rules $(if $(wildcard tests/model/test_*.py),tests/model) tests/component tests/e2e
