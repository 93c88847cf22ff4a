# The shell of the operator: reading and writing the cluster, the queue, the Lease, the process.
.PHONY: test-shell bench-shell
test-shell: venv ## the operator's shell against a real API server
	$(BIN)/pytest --durations=10 tests/component/shell

bench-shell: venv ## flips, start and idle of the operator with 1,000 policies (POLICIES=n), beside a bare client
	$(BIN)/python -m bench.shell --policies $(or $(POLICIES),1000) --output artifacts/bench-shell.json
