# The application under care and its world: deploy/demo.

.PHONY: demo-manifests
demo-manifests: generate ## write the demo's manifests that depend on timing (deploy/demo/values.yaml)
	$(BIN)/python deploy/demo/render.py

.PHONY: haproxy
haproxy: ## install HAProxy with Lua where it is missing (Debian, as root)
	@command -v haproxy >/dev/null || test -x /usr/sbin/haproxy || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "HAProxy is missing: apt-get install haproxy" >&2; exit 3; }; \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends haproxy; }

.PHONY: test-demo-app
test-demo-app: venv haproxy ## the application, its users and the fault proxy, for real on loopback
	$(BIN)/pytest -q tests/unit/demo tests/component/demo
