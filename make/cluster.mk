# A real Kubernetes for tests and the demo: see tests/cluster/README.md.
CLUSTER := $(BIN)/python -m tests.cluster

.PHONY: cluster-up
cluster-up: venv ## bring a cluster up or heal it, print its kubeconfig (CLUSTER_CONTEXT=name uses an existing one)
	@$(CLUSTER) up

.PHONY: cluster-load
cluster-load: venv ## build all images and bring them to the cluster
	@$(CLUSTER) load

.PHONY: cluster-status
cluster-status: venv ## show which parts of the cluster work
	@$(CLUSTER) status

.PHONY: cluster-down
cluster-down: venv ## end the cluster and remove all that was made for it
	@$(CLUSTER) down

.PHONY: cluster-build
cluster-build: venv ## build Kubernetes, Prometheus and Alertmanager into the user's cache (once per machine)
	@$(CLUSTER) build

.PHONY: image
image: venv ## build the images of the operator and the demo, print their compressed sizes
	@$(CLUSTER) image certstorage-operator certstorage-demo

.PHONY: test-cluster
test-cluster: venv ## the cluster itself: up, down, faults, two clones, a Service that answers
	$(BIN)/pytest -q tests/unit/cluster_kit tests/component/cluster
