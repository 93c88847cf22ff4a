.PHONY: cluster-build
cluster-build: venv ## build Kubernetes, Prometheus and Alertmanager into the user's cache (once per machine)
	$(BIN)/python -m tests.cluster build
