"""A Deployment, its ReplicaSets and its Pods as JSON → what the decision may know of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import ANNOTATION, Hold, InvalidHoldError, load
from certstorage.api.observed import Client, Pods, Problem, Target
from certstorage.api.policy import FIELD_MANAGER, Policy
from certstorage.api.reasons import Reason
from certstorage.cluster.client_facts import client_of
from certstorage.cluster.port import Json
from certstorage.cluster.preflight import local_disk_problems

TEMPLATE_HASH = "pod-template-hash"


def parse_target(
    policy: Policy, deployment: Json, replica_sets: Iterable[Json], *, claim_missing: bool = False
) -> Target:
    """Read the Deployment of a policy, with what stands against local reads on it.

    `claim_missing` says that the claim which `local_claim` names was looked for and is not there.
    """
    metadata, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status", {})
    container = find_container(policy, deployment)
    where = f"Deployment {policy.namespace}/{policy.spec.target.name}"
    hold, hold_problem = _hold(metadata, where)
    env: dict[str, EnvVar] = {}
    if container is None:
        problems: tuple[Problem, ...] = (_container_problem(policy, spec, where),)
    else:
        names = dict.fromkeys((*policy.spec.env.all(), *_remembered(hold)))
        env = {name: env_state(deployment, container, name) for name in names}
        problems = local_disk_problems(policy, where, spec, container, claim_missing=claim_missing)
    current = newest_replica_set(deployment, replica_sets)
    generation, seen = metadata.get("generation", 0), status.get("observedGeneration", 0)
    return Target(
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=generation,
        observed_generation=seen,
        container="" if container is None else container["name"],
        replicas=spec.get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        total=status.get("replicas", 0),
        template_hash="" if current is None else template_hash(current),
        recreate=spec.get("strategy", {}).get("type") == "Recreate",
        paused=bool(spec.get("paused", False)),
        stuck=seen >= generation and _deadline_passed(status),
        env=env,
        hold=hold,
        hold_problem=hold_problem,
        owns_fields=any(entry.get("manager") == FIELD_MANAGER for entry in metadata.get("managedFields", ())),
        problems=problems,
        client=Client() if container is None else client_of(container),
    )


def _remembered(hold: Hold | None) -> Iterable[str]:
    """The variables that a hold will give back, whatever the policy says by now."""
    if hold is None:
        return ()
    return (*hold.before, *(() if hold.degradation is None else hold.degradation.before))


def find_container(policy: Policy, deployment: Json) -> Json | None:
    """The container that the policy means: the one it names, or the only one. Init containers are never meant."""
    containers: list[Json] = deployment["spec"]["template"]["spec"].get("containers", [])
    wanted = policy.spec.target.container
    found = [one for one in containers if not wanted or one["name"] == wanted]
    return found[0] if len(found) == 1 else None


def _container_problem(policy: Policy, spec: Json, where: str) -> Problem:
    names = ", ".join(one["name"] for one in spec["template"]["spec"].get("containers", []))
    wanted = policy.spec.target.container
    if wanted:
        text = f"{where} has no container {wanted!r}; it has {names}: name one of them in spec.targetRef.container"
    else:
        text = f"{where} has several containers ({names}): name the application's in spec.targetRef.container"
    return Problem(Reason.CONTAINER_MISSING, f"{text} (it cannot be changed: make a new policy)")


def _hold(metadata: Json, where: str) -> tuple[Hold | None, Problem | None]:
    text = metadata.get("annotations", {}).get(ANNOTATION)
    if text is None:
        return None, None
    try:
        return load(text), None
    except InvalidHoldError as error:
        mend = "restore the annotation, or remove it after setting the flags by hand"
        return None, Problem(Reason.HOLD_INVALID, f"{where}: {error}: {mend}")


def _deadline_passed(status: Json) -> bool:
    return any(
        one.get("type") == "Progressing"
        and one.get("status") == "False"
        and one.get("reason") == "ProgressDeadlineExceeded"
        for one in status.get("conditions", ())
    )


def env_state(deployment: Json, container: Json, name: str) -> EnvVar:
    """The state of one variable of one container, and the field manager that wrote its value last."""
    entries = [entry for entry in container.get("env", ()) if entry["name"] == name]
    manager = _value_manager(deployment["metadata"].get("managedFields", ()), container["name"], name)
    if len(entries) > 1:
        return EnvVar(FlagState.DUPLICATED, None, manager)
    if not entries:
        return EnvVar.literal(None)
    if "valueFrom" in entries[0]:
        return EnvVar(FlagState.VALUE_FROM, None, manager)
    return EnvVar.literal(entries[0].get("value", ""), manager)


def _value_manager(managed: Iterable[Json], container: str, name: str) -> str:
    """Who wrote the variable's value last: of the managers that own the field, the one with the latest write.

    Of several in the same second another than ours is named, since a value of ours that stands needs no name.
    """
    owners = [
        (entry.get("time", ""), entry.get("manager", "") != FIELD_MANAGER, entry.get("manager", ""))
        for entry in managed
        if not entry.get("subresource") and _owns_value(entry.get("fieldsV1", {}), container, name)
    ]
    return max(owners)[2] if owners else ""


def _owns_value(fields: Mapping[str, Json], container: str, name: str) -> bool:
    node: Mapping[str, Json] = fields
    path = (
        "f:spec",
        "f:template",
        "f:spec",
        "f:containers",
        f'k:{{"name":"{container}"}}',
        "f:env",
        f'k:{{"name":"{name}"}}',
    )
    for key in path:
        node = node.get(key, {})
    return "f:value" in node or "f:valueFrom" in node


def owned_by(owner_uid: str, objects: Iterable[Json]) -> list[Json]:
    """The objects whose controller is the owner of this UID."""
    return [
        one
        for one in objects
        if any(
            ref.get("controller") and ref.get("uid") == owner_uid for ref in one["metadata"].get("ownerReferences", ())
        )
    ]


def newest_replica_set(deployment: Json, replica_sets: Iterable[Json]) -> Json | None:
    """The ReplicaSet of the current template; None until the controller has made it.

    Compared as the Deployment controller compares: the whole template but its hash label. A revision number would
    still name the old ReplicaSet right after a write.
    """
    template = _without_hash(deployment["spec"]["template"])
    same = [
        one
        for one in owned_by(deployment["metadata"]["uid"], replica_sets)
        if _without_hash(one["spec"].get("template", {})) == template
    ]
    return min(same, key=lambda one: one["metadata"].get("creationTimestamp", ""), default=None)


def _without_hash(template: Json) -> Json:
    metadata = dict(template.get("metadata", {}))
    metadata["labels"] = {key: value for key, value in metadata.get("labels", {}).items() if key != TEMPLATE_HASH}
    metadata.pop("creationTimestamp", None)
    return {**template, "metadata": metadata}


def template_hash(replica_set: Json) -> str:
    """The hash by which the Pods of a ReplicaSet are known."""
    value = replica_set["metadata"].get("labels", {}).get(TEMPLATE_HASH, "")
    return str(value)


def selector_text(deployment: Json) -> str:
    """The Deployment's selector as a query parameter."""
    selector = deployment["spec"].get("selector", {})
    parts = [f"{key}={value}" for key, value in sorted(selector.get("matchLabels", {}).items())]
    for one in selector.get("matchExpressions", ()):
        key, operator = one["key"], one["operator"]
        values = ",".join(one.get("values", ()))
        match operator:
            case "In" | "NotIn":
                parts.append(f"{key} {operator.lower()} ({values})")
            case "Exists":
                parts.append(key)
            case _:
                parts.append(f"!{key}")
    return ",".join(parts)


def parse_pods(policy: Policy, container: str, replica_sets: Sequence[Json], pods: Iterable[Json]) -> Pods:
    """Count the Pods of a Deployment's own ReplicaSets by the read flag that they run with.

    Pods that have ended are not counted; those that are going are counted apart.
    """
    owners = {one["metadata"]["uid"] for one in replica_sets}
    counts = {FlagState.FALSE: 0, FlagState.TRUE: 0}
    other = terminating = 0
    ready: dict[str, int] = {}
    for pod in pods:
        refs = pod["metadata"].get("ownerReferences", ())
        if _ended(pod) or not any(ref.get("controller") and ref.get("uid") in owners for ref in refs):
            continue
        if pod["metadata"].get("deletionTimestamp"):
            terminating += 1
            continue
        state = _pod_flag(pod, container, policy.spec.env.read_primary)
        if state in counts:
            counts[state] += 1
        else:
            other += 1
        if _is_ready(pod):
            label = pod["metadata"].get("labels", {}).get(TEMPLATE_HASH, "")
            ready[label] = ready.get(label, 0) + 1
    return Pods(
        local=counts[FlagState.FALSE], s3=counts[FlagState.TRUE], other=other, ready=ready, terminating=terminating
    )


def live_pods(pods: Iterable[Json]) -> list[Json]:
    """The Pods that neither are going nor have ended."""
    return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and not _ended(pod)]


def _ended(pod: Json) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _pod_flag(pod: Json, container: str, name: str) -> FlagState:
    for one in pod["spec"].get("containers", ()):
        if one["name"] == container:
            values = [entry for entry in one.get("env", ()) if entry["name"] == name]
            if len(values) == 1 and "valueFrom" not in values[0]:
                return EnvVar.literal(values[0].get("value", "")).state
    return FlagState.OTHER


def _is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
