"""A Kubernetes in a dictionary: objects with UIDs, resourceVersions, generations, managedFields and finalizers.

It behaves as the real one was measured to (tests/component/shell compares the two), and fails on demand: a hook is
called before and after each call and may raise whatever a network may do.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from certstorage.api.decision import TargetPatch
from certstorage.api.policy import FIELD_MANAGER
from certstorage.api.reading import rfc3339
from certstorage.cluster.patches import target_patch
from certstorage.cluster.port import (
    DEPLOYMENTS,
    INCIDENTS,
    JOBS,
    PODS,
    POLICIES,
    REPLICA_SETS,
    REQUESTS,
    SCALED_OBJECTS,
    AlreadyExistsError,
    ConflictError,
    Json,
    NotFoundError,
    NotServedError,
    Resource,
    UnprocessableError,
)

START = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
STATUS_SUBRESOURCE = frozenset({POLICIES.plural, REQUESTS.plural, INCIDENTS.plural})
WRITES = frozenset({"create", "patch", "replace", "delete"})


@dataclass(frozen=True)
class Call:
    """One call that reached the fake."""

    verb: str
    plural: str
    namespace: str
    name: str
    body: Any = None
    subresource: str = ""

    @property
    def writes(self) -> bool:
        return self.verb in WRITES


Hook = Callable[[Call], None]
_T = TypeVar("_T")


def nothing(_: Call) -> None:
    """A hook that lets everything pass."""


def copied(value: _T) -> _T:
    """A deep copy; of plain JSON this is several times faster than the standard one."""
    made: _T = pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    return made


@dataclass
class FakeCluster:
    """The port with state. `auto_roll` plays the Deployment controller right after each write."""

    now: datetime = START
    auto_roll: bool = True
    unserved: set[str] = field(default_factory=lambda: {SCALED_OBJECTS.group})
    """Groups of the API that nobody has installed; adding an object installs its group."""
    before: Hook = nothing
    after: Hook = nothing
    calls: list[Call] = field(default_factory=list)
    objects: dict[tuple[str, str, str], Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._versions = itertools.count(100)
        self._uids = itertools.count(1)

    # --- the port

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        with self._call(Call("get", resource.plural, namespace, name)):
            return copied(self._find(resource, namespace, name))

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "") -> Sequence[Json]:
        with self._call(Call("list", resource.plural, namespace, labels)):
            if resource.group in self.unserved:
                raise NotServedError(f"{resource.plural}: the API server serves no such group")
            return [copied(one) for one in self.every(resource, namespace) if _selected(one, labels)]

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        with self._call(Call("create", resource.plural, namespace, body["metadata"]["name"], copied(body))):
            return copied(self.add(resource, body, manager=FIELD_MANAGER))

    async def patch(self, resource: Resource, namespace: str, name: str, operations: Sequence[Json]) -> Json:
        with self._call(Call("patch", resource.plural, namespace, name, copied(operations))):
            found = self._find(resource, namespace, name)
            assert resource is DEPLOYMENTS
            self._json_patch(found, operations, FIELD_MANAGER)
            return copied(found)

    async def replace(
        self, resource: Resource, namespace: str, name: str, body: Json, *, subresource: str = ""
    ) -> Json:
        with self._call(Call("replace", resource.plural, namespace, name, copied(body), subresource)):
            found = self._find(resource, namespace, name)
            if body["metadata"].get("resourceVersion") != found["metadata"]["resourceVersion"]:
                raise ConflictError(f"{resource.plural} {namespace}/{name}: the object has been modified")
            return copied(self._put(resource, found, copied(body), subresource))

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        with self._call(Call("delete", resource.plural, namespace, name)):
            if self._find(resource, namespace, name)["metadata"]["uid"] != uid:
                raise ConflictError(f"{resource.plural} {namespace}/{name}: the UID is another")
            self.remove(resource, namespace, name)

    # --- what tests do as somebody else

    def every(self, resource: Resource, namespace: str = "") -> Sequence[Json]:
        """All stored objects of a kind."""
        return [
            one
            for (plural, ns, _), one in sorted(self.objects.items())
            if plural == resource.plural and namespace in ("", ns)
        ]

    def stored(self, resource: Resource, namespace: str, name: str) -> Json:
        """The stored object itself."""
        return self._find(resource, namespace, name)

    def add(self, resource: Resource, body: Json, *, manager: str = "kubectl") -> Json:
        """Create an object as somebody."""
        self.unserved.discard(resource.group)
        made = copied(body)
        metadata = made["metadata"]
        key = (resource.plural, metadata["namespace"], metadata["name"])
        if key in self.objects:
            raise AlreadyExistsError(f"{resource.plural} {key[1]}/{key[2]} already exists")
        metadata["uid"] = f"{resource.kind.lower()}-{next(self._uids)}"
        metadata["creationTimestamp"] = rfc3339(self.now)
        metadata["generation"] = 1
        self.objects[key] = made
        self._bump(made)
        if resource is DEPLOYMENTS:
            made["spec"].setdefault("replicas", 1)
            made["spec"]["template"].setdefault("metadata", {}).setdefault("labels", {})
            for container in made["spec"]["template"]["spec"]["containers"]:
                for entry in container.get("env", ()):
                    self._own(made, manager, container["name"], entry["name"])
            self._roll_if_auto(made)
        return made

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object as the API server does: finalizers hold it, what it owns goes with it."""
        found = self._find(resource, namespace, name)
        if found["metadata"].get("finalizers"):
            found["metadata"].setdefault("deletionTimestamp", rfc3339(self.now))
            self._bump(found)
            return
        del self.objects[resource.plural, namespace, name]
        uid = found["metadata"]["uid"]
        for (plural, ns, one), body in list(self.objects.items()):
            if any(ref["uid"] == uid for ref in body["metadata"].get("ownerReferences", ())):
                self.objects.pop((plural, ns, one), None)

    def set_env(self, namespace: str, name: str, values: dict[str, str | None], *, manager: str) -> None:
        """Write variables of the first container as somebody else would."""
        found = self._find(DEPLOYMENTS, namespace, name)
        container = found["spec"]["template"]["spec"]["containers"][0]["name"]
        patch = TargetPatch(found["metadata"]["uid"], found["metadata"]["resourceVersion"], None, values)
        operations = [one for one in target_patch(patch, found, container) if "annotations" not in one["path"]]
        self._json_patch(found, operations, manager)

    def touch(self, resource: Resource, namespace: str, name: str, change: Callable[[Json], None]) -> None:
        """Change an object in place as somebody else; a changed spec is a new generation."""
        found = self._find(resource, namespace, name)
        spec = copied(found.get("spec"))
        change(found)
        if found.get("spec") != spec:
            found["metadata"]["generation"] += 1
        self._bump(found)
        if resource is DEPLOYMENTS:
            self._roll_if_auto(found)

    def finish_job(self, namespace: str, name: str, *, message: str, exit_code: int = 0) -> None:
        """The Job's Pod ends with this termination message, and the Job controller notices."""
        job = self._find(JOBS, namespace, name)
        self.add(
            PODS,
            {
                "metadata": {
                    "name": f"{name}-pod",
                    "namespace": namespace,
                    "labels": dict(job["spec"]["template"]["metadata"]["labels"]),
                    "ownerReferences": [_controller("Job", job)],
                },
                "spec": copied(job["spec"]["template"]["spec"]),
                "status": {
                    "phase": "Failed" if exit_code else "Succeeded",
                    "containerStatuses": [
                        {
                            "name": "validator",
                            "state": {
                                "terminated": {
                                    "exitCode": exit_code,
                                    "reason": "Error" if exit_code else "Completed",
                                    "message": message,
                                    "finishedAt": rfc3339(self.now),
                                }
                            },
                        }
                    ],
                },
            },
        )
        kinds = ("FailureTarget", "Failed") if exit_code else ("SuccessCriteriaMet", "Complete")
        when = rfc3339(self.now)
        job["status"] = {
            "conditions": [
                {"type": kind, "status": "True", "reason": "Test", "lastTransitionTime": when} for kind in kinds
            ]
        }
        self._bump(job)

    def roll(self, namespace: str, name: str) -> None:
        """Play the Deployment controller to the end: one ReplicaSet of the template, its Pods, a full status."""
        found = self._find(DEPLOYMENTS, namespace, name)
        metadata, template = found["metadata"], found["spec"]["template"]
        mark = f"h{abs(hash(repr(template))) % 10**8:08d}"
        labels = {**template["metadata"]["labels"], "pod-template-hash": mark}
        for (plural, ns, one), body in list(self.objects.items()):
            refs = body["metadata"].get("ownerReferences", ())
            if plural == PODS.plural and ns == namespace and any(ref["kind"] == "ReplicaSet" for ref in refs):
                del self.objects[plural, ns, one]
        owner = self.objects.get((REPLICA_SETS.plural, namespace, f"{name}-{mark}"))
        if owner is None:
            owner = self.add(
                REPLICA_SETS,
                {
                    "metadata": {
                        "name": f"{name}-{mark}",
                        "namespace": namespace,
                        "labels": labels,
                        "ownerReferences": [_controller("Deployment", found)],
                    },
                    "spec": {"template": {**copied(template), "metadata": {"labels": labels}}},
                },
            )
        replicas = found["spec"]["replicas"]
        for index in range(replicas):
            self.add(
                PODS,
                {
                    "metadata": {
                        "name": f"{name}-{mark}-{index}",
                        "namespace": namespace,
                        "labels": labels,
                        "ownerReferences": [_controller("ReplicaSet", owner)],
                    },
                    "spec": {**copied(template["spec"]), "nodeName": f"node-{index}"},
                    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
                },
            )
        found["status"] = {
            "observedGeneration": metadata["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": replicas,
        }
        self._bump(found)

    def copy(self) -> FakeCluster:
        """Another one in the same state, without the calls and the hooks."""
        made = FakeCluster(
            now=self.now, auto_roll=self.auto_roll, unserved=set(self.unserved), objects=copied(self.objects)
        )
        taken = 1 + max(int(one["metadata"]["uid"].rpartition("-")[2]) for one in made.objects.values())
        newest = 1 + max(int(one["metadata"]["resourceVersion"]) for one in made.objects.values())
        made._uids, made._versions = itertools.count(taken), itertools.count(newest)
        return made

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def writes(self) -> Sequence[Call]:
        """The writes that reached the fake."""
        return [call for call in self.calls if call.writes]

    # --- how it works

    def _call(self, call: Call) -> _Around:
        return _Around(self, call)

    def _find(self, resource: Resource, namespace: str, name: str) -> Json:
        try:
            return self.objects[resource.plural, namespace, name]
        except KeyError:
            raise NotFoundError(f"{resource.plural} {namespace}/{name} not found") from None

    def _bump(self, body: Json) -> None:
        body["metadata"]["resourceVersion"] = str(next(self._versions))

    def _put(self, resource: Resource, found: Json, body: Json, subresource: str) -> Json:
        old = copied(found)
        if subresource == "status":
            found["status"] = body.get("status")
        else:
            if resource.plural in STATUS_SUBRESOURCE:
                body["status"] = found.get("status")
            for key in ("uid", "creationTimestamp", "generation", "resourceVersion"):
                body["metadata"][key] = found["metadata"].get(key)
            found.clear()
            found.update(body)
        if found == old:
            return found
        if found.get("spec") != old.get("spec"):
            found["metadata"]["generation"] += 1
        self._bump(found)
        metadata = found["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self.remove(resource, metadata["namespace"], metadata["name"])
        return found

    def _json_patch(self, found: Json, operations: Sequence[Json], manager: str) -> None:
        changed = copied(found)
        for operation in operations:
            _apply(changed, operation)
        if changed["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise ConflictError("the object has been modified")
        if changed == found:
            return
        old = copied(found)
        found.clear()
        found.update(changed)
        if found["spec"] != old["spec"] or found["metadata"].get("annotations") != old["metadata"].get("annotations"):
            self._manager(found, manager)
        for new, was in zip(
            found["spec"]["template"]["spec"]["containers"], old["spec"]["template"]["spec"]["containers"], strict=True
        ):
            before, after = _values(was), _values(new)
            for name in before.keys() | after.keys():
                if before.get(name) != after.get(name):
                    self._own(found, manager if name in after else "", new["name"], name)
        if found["spec"] != old["spec"]:
            found["metadata"]["generation"] += 1
        self._bump(found)
        if found["spec"] != old["spec"]:
            self._roll_if_auto(found)

    def _manager(self, found: Json, manager: str) -> Json:
        managed: list[Json] = found["metadata"].setdefault("managedFields", [])
        for entry in managed:
            if entry["manager"] == manager:
                return entry
        managed.append({"manager": manager, "operation": "Update", "time": rfc3339(self.now), "fieldsV1": {}})
        return managed[-1]

    def _own(self, found: Json, manager: str, container: str, name: str) -> None:
        """The value of a variable passes to one manager; to nobody when the name is empty."""
        path = ("f:spec", "f:template", "f:spec", "f:containers", f'k:{{"name":"{container}"}}', "f:env")
        key = f'k:{{"name":"{name}"}}'
        for entry in found["metadata"].get("managedFields", ()):
            node = entry["fieldsV1"]
            for step in path:
                node = node.get(step, {})
            node.pop(key, None)
        if manager:
            entry = self._manager(found, manager)
            entry["time"] = rfc3339(self.now)
            node = entry["fieldsV1"]
            for step in path:
                node = node.setdefault(step, {})
            node[key] = {".": {}, "f:name": {}, "f:value": {}}

    def _roll_if_auto(self, found: Json) -> None:
        if self.auto_roll:
            self.roll(found["metadata"]["namespace"], found["metadata"]["name"])


@dataclass
class _Around:
    """Counts a call, and gives the hooks their chance before and after it."""

    cluster: FakeCluster
    call: Call

    def __enter__(self) -> None:
        self.cluster.calls.append(self.call)
        self.cluster.before(self.call)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.cluster.after(self.call)


def _values(container: Json) -> dict[str, object]:
    return {entry["name"]: entry.get("value") for entry in container.get("env", ())}


def _apply(document: Any, operation: Json) -> None:
    """One operation of RFC 6902: add, replace or remove."""
    *path, last = [part.replace("~1", "/") for part in operation["path"].split("/")[1:]]
    try:
        for part in path:
            document = document[int(part)] if isinstance(document, list) else document[part]
        if isinstance(document, list):
            if last == "-":
                document.append(copied(operation["value"]))
            elif operation["op"] == "remove":
                del document[int(last)]
            else:
                raise AssertionError(f"not needed yet: {operation}")
        elif operation["op"] == "remove":
            del document[last]
        else:
            document[last] = copied(operation["value"])
    except (KeyError, IndexError) as error:
        raise UnprocessableError(f"the server rejected our request: {operation['path']}") from error


def _selected(body: Json, selector: str) -> bool:
    labels = body["metadata"].get("labels", {})
    pairs = (part.partition("=") for part in _parts(selector))
    return all(key in labels if not sign else labels.get(key) == value for key, sign, value in pairs)


def _parts(selector: str) -> Iterator[str]:
    return (part for part in selector.split(",") if part)


def _controller(kind: str, body: Json) -> Json:
    metadata = body["metadata"]
    return {"kind": kind, "name": metadata["name"], "uid": metadata["uid"], "controller": True}


async def hang(_: float = 3600) -> None:
    """What a server does that never answers."""
    await asyncio.sleep(_)
