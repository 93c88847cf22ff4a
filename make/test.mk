# What fails soonest comes first; pytest's summary is the end of it.
.PHONY: test
test: check cluster-build haproxy ## checks, rules, and the parts that are proven against real servers
	$(BIN)/pytest -x --durations=15 tests/rules tests/component/api tests/component/cli tests/component/demo

.PHONY: test-all
test-all: check cluster-build haproxy ## everything, the real cluster last; its parts join `make test` as they hold on a quiet machine
	$(BIN)/pytest -x --durations=15 tests/rules $(if $(wildcard tests/model/test_*.py),tests/model) tests/component tests/e2e
