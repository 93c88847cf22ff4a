"""A real Kubernetes for tests and the demo, on any Linux machine.

For component tests (seconds, any user, loopback only)::

    from tests.cluster import control_plane
    with control_plane() as api:            # etcd + kube-apiserver + kube-controller-manager
        api.kubeconfig                      # Path: cluster-admin
        api.client_cert, api.client_key     # Paths: the same identity for plain HTTPS; api.ca verifies api.url
        api.audit_log                       # Path: one JSON object a line (config/audit-policy.yaml)
        api.user_kubeconfig("jane", groups=["dev"])   # Path: a certificate of another user
        api.kill("kube-apiserver")          # SIGKILL; api.stop() is SIGTERM; api.restart() waits for readiness
        api.kubectl("get", "ns")            # str: standard output; raises CommandError otherwise

For stories that need Pods: ``make cluster-up cluster-load`` (``python -m tests.cluster up``, ``… load``), then
``tests.cluster.current()`` has ``kubeconfig``, ``audit_log``, ``load(image)`` and ``health()``.
Programs by name (Prometheus, promtool, Alertmanager, amtool, kubectl): ``tests.cluster.binaries``.

Everything built from source is kept in the user's cache folder (``binaries.cache_dir()``); nothing here needs Docker.
"""

from tests.cluster.controlplane import ControlPlane, control_plane
from tests.cluster.errors import ClusterError, CommandError
from tests.cluster.ways import Way, current

__all__ = ["ClusterError", "CommandError", "ControlPlane", "Way", "control_plane", "current"]
