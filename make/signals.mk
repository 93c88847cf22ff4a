RULES := $(BIN)/python -m certstorage.signals.rules

.PHONY: generate
generate: venv ## write the rule files that are built from code
	$(RULES) --out deploy/rules/cert-s3.yml
	$(RULES) --format prometheusrule --out deploy/rules/prometheusrule.yaml
	$(RULES) --values deploy/demo/values.yaml --out deploy/demo/generated/cert-s3.yml
