# The API as Kubernetes sees it, and the operator's installation.

.PHONY: api-docs
api-docs: venv ## write docs/api.md from the schemas
	$(BIN)/python crds/reference.py

.PHONY: test-api
test-api: venv ## schemas, admission and permissions against a real API server
	$(BIN)/pytest -q tests/unit/crds tests/component/api
