"""What the operator asks of Kubernetes: six calls on JSON objects, and every way in which they can fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from certstorage.api.policy import API_VERSION, GROUP, PLURAL

Json = dict[str, Any]
"""One object as the API server speaks it."""


class ClusterError(Exception):
    """A call that did not succeed; the text is one line: what was asked, and what the API server answered."""


class NotFoundError(ClusterError):
    """404: there is no such object, or no such kind."""


class NotServedError(ClusterError):
    """404 in plain text: the API server serves no such group. It says nothing of any object."""


class ConflictError(ClusterError):
    """409: the object is not as it was read, or its UID is another. Read again and decide again."""


class AlreadyExistsError(ClusterError):
    """409 on create: an object of this name is there."""


class ForbiddenError(ClusterError):
    """403: the operator may not do this here, or an admission rule refuses it."""


class GoneError(ClusterError):
    """410: the continuation of a list is too old; list again."""


class UnprocessableError(ClusterError):
    """422 or 400: the API server cannot take this body, or a JSON patch names a place that is not there."""


class UnavailableError(ClusterError):
    """No answer in time, no connection, 401, 429 or 5xx: nothing is known of what became of the call."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A namespaced kind and where the API server serves it; the core group is empty."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path: of the whole cluster, of a namespace, of one object or of one of its subresources."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        parts += ["namespaces", namespace] if namespace else []
        return "/" + "/".join(part for part in (*parts, self.plural, name, subresource) if part)


POLICIES = Resource(GROUP, API_VERSION, PLURAL, "CertStoragePolicy")
REQUESTS = Resource(GROUP, API_VERSION, "certstoragerequests", "CertStorageRequest")
INCIDENTS = Resource(GROUP, API_VERSION, "certstorageincidents", "CertStorageIncident")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
PODS = Resource("", "v1", "pods", "Pod")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
JOBS = Resource("batch", "v1", "jobs", "Job")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
SCALED_OBJECTS = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
EVENTS = Resource("", "v1", "events", "Event")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")


class Cluster(Protocol):
    """Reads and writes of single objects. Every call ends within its timeout; every failure is a ClusterError."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """Read one object from the store, never from a cache."""

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "") -> Sequence[Json]:
        """Read all objects of a namespace, or of the cluster, that a label selector takes."""

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        """Create one object and return it as stored."""

    async def patch(self, resource: Resource, namespace: str, name: str, operations: Sequence[Json]) -> Json:
        """Change one object by a JSON patch, under our field manager, and return it as stored."""

    async def replace(
        self, resource: Resource, namespace: str, name: str, body: Json, *, subresource: str = ""
    ) -> Json:
        """Put one object, or its subresource, as read and changed; its resourceVersion is the precondition."""

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete the object of this UID and, in the background, what it owns."""
