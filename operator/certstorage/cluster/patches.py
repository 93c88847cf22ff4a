"""The bodies of our writes to someone else's Deployment. Pure.

Values are always written explicitly and never taken back by omission: an apply that leaves an entry out empties it,
and each is a rollout (measured).
"""

from __future__ import annotations

from certstorage.api.decision import TargetPatch
from certstorage.api.hold import ANNOTATION, dump
from certstorage.api.policy import FIELD_MANAGER
from certstorage.cluster.port import Json


def target_patch(patch: TargetPatch, container: str) -> Json:
    """The strategic merge patch of one pass: environment, replicas and hold together.

    `uid` and `resourceVersion` in the body are preconditions: another object or a change since gives 409.
    """
    annotation = None if patch.hold is None else dump(patch.hold)
    body: Json = {
        "metadata": {
            "uid": patch.uid,
            "resourceVersion": patch.resource_version,
            "annotations": {ANNOTATION: annotation},
        }
    }
    spec: Json = {}
    if patch.replicas is not None:
        spec["replicas"] = patch.replicas
    if patch.env:
        entries = [_entry(name, value) for name, value in sorted(patch.env.items())]
        spec["template"] = {"spec": {"containers": [{"name": container, "env": entries}]}}
    if spec:
        body["spec"] = spec
    return body


def _entry(name: str, value: str | None) -> Json:
    return {"name": name, "$patch": "delete"} if value is None else {"name": name, "value": value}


def release_patch(deployment: Json) -> list[Json]:
    """The JSON patch that drops our entries from managedFields, or nothing when there are none.

    The `test` makes it void (422) when anything was written since the read. No value changes, so neither does the
    generation; afterwards the owner's own tools meet no conflict.
    """
    metadata = deployment["metadata"]
    ours = [
        index for index, entry in enumerate(metadata.get("managedFields", ())) if entry.get("manager") == FIELD_MANAGER
    ]
    if not ours:
        return []
    test: Json = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
    # from the end, so that an index still means what it meant when it was read
    return [test, *({"op": "remove", "path": f"/metadata/managedFields/{index}"} for index in reversed(ours))]
