"""A Job and its Pods as JSON → what the decision may know of them. Pure.

A Job that says Complete proves nothing by itself; the verdict is in the receipt, the termination message of a Pod that
this Job owns by UID.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from certstorage.api.observed import JobPhase, JobSeen
from certstorage.api.policy import Policy
from certstorage.api.reading import Fields
from certstorage.api.receipt import InvalidReceiptError, Receipt, ReceiptVerdict, load
from certstorage.cluster.jobs import CONTAINER, LABEL_ATTEMPT, LABEL_INCIDENT, LABEL_KIND, LABEL_POLICY, NONCE
from certstorage.cluster.port import POLICIES, Json
from certstorage.cluster.target import owned_by

UNSCHEDULABLE_PATIENCE = timedelta(seconds=60)
NO_POD_PATIENCE = timedelta(seconds=60)
CREATING_PATIENCE = timedelta(minutes=5)
"""A large image takes this long; a volume that cannot be mounted takes for ever and shows no other sign."""

CANNOT_START = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons of a waiting container that do not go away by themselves soon."""

EXIT_CODES = {ReceiptVerdict.PASSED: 0, ReceiptVerdict.FAILED: 1, ReceiptVerdict.INCONCLUSIVE: 2}
"""What a validator exits with, by its verdict (docs/validator.md)."""


def is_ours(job: Json, policy: Policy) -> bool:
    """Whether the policy, by UID, controls this Job."""
    return bool(owned_by(policy.uid, (job,)))


def is_validator(job: Json) -> bool:
    """Whether some policy controls this Job."""
    references = job["metadata"].get("ownerReferences", ())
    return any(one.get("controller") and one.get("kind") == POLICIES.kind for one in references)


def of_policy(jobs: Iterable[Json], name: str) -> list[Json]:
    """The Jobs that carry the label of this policy, whoever made them."""
    return [job for job in jobs if job["metadata"].get("labels", {}).get(LABEL_POLICY) == name]


def nonce_of(job: Json) -> str:
    """The nonce in the Job's Pod template, which nobody can change after it was made."""
    containers = job["spec"]["template"]["spec"].get("containers", ())
    values = [e.get("value", "") for one in containers for e in one.get("env", ()) if e["name"] == NONCE]
    return str(values[0]) if len(values) == 1 else ""


def parse_job(job: Json, pods: Iterable[Json], policy: Policy, now: datetime) -> JobSeen:
    """Read one Job with the Pods it owns, as of now (UTC)."""
    metadata, labels = job["metadata"], job["metadata"].get("labels", {})
    mine = owned_by(metadata["uid"], pods)
    phase, reason, finished = _phase(job)
    receipt, problem = _receipt(job, mine) if phase is not JobPhase.RUNNING else (None, "")
    created = _time(metadata, "creationTimestamp") or now
    stuck = False
    if phase is JobPhase.RUNNING:
        problem = _why_not_started(job, mine, created, now)
        stuck = bool(problem)
    elif receipt is None:
        problem = "; ".join(part for part in (reason, problem) if part)
    attempt = labels.get(LABEL_ATTEMPT, "")
    return JobSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        kind=labels.get(LABEL_KIND, ""),
        incident=labels.get(LABEL_INCIDENT, ""),
        attempt=int(attempt) if attempt.isdecimal() else 0,
        phase=phase,
        created_at=created,
        ours=is_ours(job, policy),
        finished_at=finished,
        receipt=receipt,
        problem=problem,
        stuck=stuck,
        nonce=nonce_of(job),
    )


def _time(raw: Json, key: str) -> datetime | None:
    return Fields(raw, "job").time(key)


def _phase(job: Json) -> tuple[JobPhase, str, datetime | None]:
    """Complete or Failed by the condition's type AND status; SuccessCriteriaMet and FailureTarget come before them."""
    for kind in (JobPhase.COMPLETE, JobPhase.FAILED):
        for one in job.get("status", {}).get("conditions", ()):
            if one.get("type") == kind.value and one.get("status") == "True":
                text = ": ".join(part for part in (one.get("reason", ""), one.get("message", "")) if part)
                return kind, text, _time(one, "lastTransitionTime")
    return JobPhase.RUNNING, "", None


def _receipt(job: Json, pods: Iterable[Json]) -> tuple[Receipt | None, str]:
    """The receipt of the Pod that ended last, or why there is none.

    Where Pods share the keys, that of the last one that spoke for all; if none does, of a part that could not know.
    """
    ended = [
        (state.get("finishedAt", ""), pod["metadata"]["name"], state)
        for pod in pods
        for status in pod.get("status", {}).get("containerStatuses", ())
        if status.get("name") == CONTAINER and (state := status.get("state", {}).get("terminated"))
    ]
    if not ended:
        return None, "no Pod of the Job has ended that is still there"
    said = [_said(name, state) for _, name, state in sorted(ended, key=lambda one: one[:2])]
    parts = job["spec"].get("completions", 1)
    if parts == 1:
        said = said[-1:]
    whole = [one for one in said if one[0] is not None and not one[0].shard]
    unknowing = [one for one in said if one[0] is not None and one[0].verdict is ReceiptVerdict.INCONCLUSIVE]
    if whole or unknowing:
        return (whole or unknowing)[-1]
    last = said[-1][1]
    return (
        None,
        last if parts == 1 else f"of {parts} parts {len(said)} Pods ended and none merged them; the last: {last}",
    )


def _said(name: str, state: Json) -> tuple[Receipt | None, str]:
    """The receipt that one Pod left, if it is one and its exit code says the same."""
    message, code = state.get("message", ""), state.get("exitCode")
    how = f"Pod {name} ended with exit {code} ({state.get('reason', 'no reason')})"
    if not message:
        return None, f"{how} and no termination message"
    try:
        receipt = load(message)
    except InvalidReceiptError as error:
        return None, f"{how}: {error}: {message[:160]}"
    handed_over = bool(receipt.shard) and code == 0
    if code != EXIT_CODES[receipt.verdict] and not handed_over:
        return None, f"{how}, but its receipt says {receipt.verdict}: {receipt.message[:160]}"
    return receipt, f"{how} and speaks for part {receipt.shard} only" if receipt.shard else ""


def _why_not_started(job: Json, pods: list[Json], created: datetime, now: datetime) -> str:
    """Why the Job does no work: one line, or nothing when it does."""
    status = job.get("status", {})
    if job["spec"].get("suspend"):
        return "somebody suspended the Job: set spec.suspend to false"
    if not pods and not any(status.get(key) for key in ("active", "succeeded", "failed")):
        if now - created < NO_POD_PATIENCE:
            return ""
        return "no Pod is made for it: a quota or an admission rule refuses; `kubectl describe job` shows which"
    for pod in pods:
        problem = _pod_problem(pod, now)
        if problem:
            return f"Pod {pod['metadata']['name']}: {problem}"
    return ""


def _pod_problem(pod: Json, now: datetime) -> str:
    status = pod.get("status", {})
    if status.get("phase", "Pending") != "Pending":
        return ""
    scheduled: Json = next((one for one in status.get("conditions", ()) if one.get("type") == "PodScheduled"), {})
    since = _time(scheduled, "lastTransitionTime") or _time(pod["metadata"], "creationTimestamp") or now
    if scheduled.get("status") != "True":
        late = now - since >= UNSCHEDULABLE_PATIENCE
        return f"no node takes it: {scheduled.get('message', 'not scheduled')}" if late else ""
    for one in status.get("containerStatuses", ()):
        waiting = one.get("state", {}).get("waiting", {})
        if waiting.get("reason") in CANNOT_START:
            return f"{waiting['reason']}: {waiting.get('message', one.get('image', ''))}"
    if now - since >= CREATING_PATIENCE:
        return "its container is not created: `kubectl describe pod` shows why (a volume that cannot be mounted?)"
    return ""
