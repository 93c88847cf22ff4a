RULES := $(BIN)/python -m certstorage.signals.rules

.PHONY: generate
generate: venv ## write what is built from code: rule files, dashboard, docs/signals.md
	$(RULES) --out deploy/rules/cert-s3.yml
	$(RULES) --format prometheusrule --out deploy/rules/prometheusrule.yaml
	$(RULES) --values deploy/demo/values.yaml --out deploy/demo/generated/cert-s3.yml
	$(BIN)/python -m deploy.dashboard.build
	$(BIN)/python -m tests.unit.signals.pages

.PHONY: test-rules
test-rules: venv ## promtool tests of every alert, on Prometheus 2.42 and 3.16
	$(BIN)/python -m tests.rules.run

.PHONY: bench-signals
bench-signals: venv ## what listening costs: artifacts/bench/signals.json
	$(BIN)/python -m bench.signals
