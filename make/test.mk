# What fails soonest comes first; pytest's summary is the end of it.
SERVERS := $(addprefix tests/component/,api cli demo shell signals validator)
STORIES := tests/e2e/test_outage.py tests/e2e/test_sweep.py

.PHONY: test
test: check test-model cluster-build haproxy ## checks, the exploration, rules, every part against real servers, the outage and the sweep on a real cluster
	$(BIN)/pytest -x --durations=20 tests/rules $(SERVERS) $(STORIES)

.PHONY: test-all
test-all: check test-model cluster-build haproxy ## the same with all stories, and the tests of the cluster itself
	$(BIN)/pytest -x --durations=20 tests/rules tests/component tests/e2e
