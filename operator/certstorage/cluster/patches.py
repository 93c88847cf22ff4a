"""The bodies of our writes to someone else's Deployment: JSON patches on the object as it was read. Pure.

Each operation names the exact place it changes, so that everything else keeps its bytes and its order. (A strategic
merge moves entries: new ones to the front, several changed ones into the patch's order, duplicates of others together;
measured.) Values are always written explicitly and never taken back by omission: an apply that leaves an entry out
empties it.

Putting the resourceVersion that was read into the object is the precondition: any write since, and any other object of
this name, gives 409.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from certstorage.api.decision import TargetPatch
from certstorage.api.hold import ANNOTATION, dump
from certstorage.api.policy import FIELD_MANAGER
from certstorage.cluster.port import Json


def target_patch(patch: TargetPatch, deployment: Json, container: str) -> list[Json]:
    """One pass's write: environment, replicas and hold together, on the Deployment as it was read."""
    operations = [_unchanged_since(patch.resource_version)]
    operations += _annotation(deployment["metadata"], None if patch.hold is None else dump(patch.hold))
    if patch.replicas is not None:
        operations.append(_set("/spec/replicas", patch.replicas))
    containers: Sequence[Json] = deployment["spec"]["template"]["spec"]["containers"]
    for index, one in enumerate(containers):
        if one["name"] == container:
            operations += _env(f"/spec/template/spec/containers/{index}/env", one.get("env", ()), patch.env)
    return operations


def _unchanged_since(resource_version: str) -> Json:
    return {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version}


def _set(path: str, value: object) -> Json:
    return {"op": "add", "path": path, "value": value}


def _annotation(metadata: Json, value: str | None) -> list[Json]:
    path = f"/metadata/annotations/{ANNOTATION.replace('/', '~1')}"
    present = metadata.get("annotations")
    if value is None:
        return [{"op": "remove", "path": path}] if present and ANNOTATION in present else []
    if not present:
        return [_set("/metadata/annotations", {ANNOTATION: value})]
    return [_set(path, value)]


def _env(path: str, entries: Sequence[Json], wanted: Mapping[str, str | None]) -> list[Json]:
    """Values in place, new entries at the end, removals last and from the end: no index moves before its use."""
    places = {entry["name"]: index for index, entry in enumerate(entries)}
    operations: list[Json] = []
    added: list[Json] = []
    removed: list[int] = []
    for name, value in wanted.items():
        if value is None:
            removed += [places[name]] if name in places else []
        elif name in places:
            operations.append(_set(f"{path}/{places[name]}/value", value))
        else:
            added.append({"name": name, "value": value})
    if added and not entries:
        operations.append(_set(path, added))
    else:
        operations += [_set(f"{path}/-", entry) for entry in added]
    if removed and len(removed) == len(entries) and not added:
        return [*operations, {"op": "remove", "path": path}]
    return operations + [{"op": "remove", "path": f"{path}/{index}"} for index in sorted(removed, reverse=True)]


def release_patch(deployment: Json) -> list[Json]:
    """The patch that drops our entries from managedFields, or nothing when there are none.

    No value changes, so neither does the generation; afterwards the owner's own tools meet no conflict.
    """
    metadata = deployment["metadata"]
    ours = [
        index for index, entry in enumerate(metadata.get("managedFields", ())) if entry.get("manager") == FIELD_MANAGER
    ]
    if not ours:
        return []
    removals: list[Json] = [{"op": "remove", "path": f"/metadata/managedFields/{index}"} for index in reversed(ours)]
    return [_unchanged_since(metadata["resourceVersion"]), *removals]
