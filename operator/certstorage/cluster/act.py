"""Carrying out a decision, in an order that a crash at any line only repeats: the flip first, then everything else.

Each step is idempotent or has a precondition. What the API server refuses is learned: the next pass is given it as a
fact and decides again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from certstorage.api.decision import Decision, JobWanted, TargetPatch
from certstorage.api.observed import JobPhase, JobSeen, Problem
from certstorage.api.policy import FINALIZER
from certstorage.api.reasons import Reason
from certstorage.cluster.jobs import JobRefusedError, build_job
from certstorage.cluster.jobseen import is_ours, nonce_of, parse_job
from certstorage.cluster.observe import Snapshot
from certstorage.cluster.patches import release_patch, target_patch
from certstorage.cluster.port import (
    DEPLOYMENTS,
    JOBS,
    POLICIES,
    AlreadyExistsError,
    Cluster,
    ConflictError,
    ForbiddenError,
    Json,
    NotFoundError,
    UnprocessableError,
)
from certstorage.cluster.reads import denied


@dataclass(frozen=True, slots=True)
class Lesson:
    """What acting taught that reading cannot show, given once to the next pass over the same Deployment."""

    target_uid: str
    problem: Problem | None = None
    job: JobSeen | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    """How far acting came. With a `lesson` nothing may be recorded: it is to be decided again."""

    body: Json
    lesson: Lesson | None = None
    patched: bool = False
    released: bool = False
    jobs: int = 0


async def act(cluster: Cluster, snapshot: Snapshot, decision: Decision, image: str) -> Acted:
    """Make the world as decided, the removal of the finalizer left for `let_policy_go`.

    Raises:
        ConflictError, NotFoundError: something changed since it was read: read and decide again.
        UnavailableError: nothing is known of what became of the last write.
    """
    policy, deployment = snapshot.policy, snapshot.deployment
    body, jobs = snapshot.body, 0
    guard = decision.finalizer and not snapshot.seen.has_finalizer and not snapshot.seen.deleting
    if guard and decision.patch is not None and decision.patch.replicas is not None:
        # replicas are given back by whoever deletes the policy, so they are never taken without the finalizer
        body, guard = await _guard(cluster, snapshot), False
    if decision.patch is not None:
        lesson = await _patch(cluster, snapshot, decision.patch)
        if lesson is not None:
            return Acted(body, lesson)
    released = False
    if decision.release and deployment is not None:
        released = await _release(cluster, snapshot, deployment)
    for stop in decision.stop_jobs:
        try:
            await cluster.delete(JOBS, policy.namespace, stop.name, stop.uid)
        except NotFoundError:
            continue
    for wanted in decision.jobs:
        lesson = await _job(cluster, snapshot, wanted, image)
        if lesson is not None:
            return Acted(body, lesson, decision.patch is not None, released, jobs)
        jobs += 1
    if guard:
        body = await _guard(cluster, snapshot)
    return Acted(body, None, decision.patch is not None, released, jobs)


async def let_policy_go(cluster: Cluster, snapshot: Snapshot, body: Json) -> None:
    """Remove our finalizer from the policy as last written: the last step of a pass, after everything is recorded."""
    finalizers = [one for one in body["metadata"].get("finalizers", ()) if one != FINALIZER]
    changed = {**body, "metadata": {**body["metadata"], "finalizers": finalizers}}
    try:
        await cluster.replace(POLICIES, snapshot.policy.namespace, snapshot.policy.name, changed)
    except NotFoundError:
        return


async def _guard(cluster: Cluster, snapshot: Snapshot) -> Json:
    """Set our finalizer on the policy, which is returned as stored."""
    policy, body = snapshot.policy, snapshot.body
    metadata = {**body["metadata"], "finalizers": [*body["metadata"].get("finalizers", ()), FINALIZER]}
    return await cluster.replace(POLICIES, policy.namespace, policy.name, {**body, "metadata": metadata})


async def _patch(cluster: Cluster, snapshot: Snapshot, patch: TargetPatch) -> Lesson | None:
    """The flip, or any other write of hold, environment and replicas."""
    deployment, target = snapshot.deployment, snapshot.seen.target
    if deployment is None or isinstance(target, Problem):
        raise TypeError("a decision without a Deployment asks to write to it")
    try:
        await _write(cluster, snapshot, target_patch(patch, deployment, target.container))
    except ForbiddenError as error:
        return Lesson(target.uid, denied(error))
    except UnprocessableError as error:
        return Lesson(target.uid, Problem(Reason.PERMISSION_DENIED, f"the API server refuses the write: {error}"))
    return None


async def _release(cluster: Cluster, snapshot: Snapshot, deployment: Json) -> bool:
    """Drop our entries from managedFields."""
    operations = release_patch(deployment)
    if operations:
        await _write(cluster, snapshot, operations)
    return bool(operations)


async def _write(cluster: Cluster, snapshot: Snapshot, operations: list[Json]) -> None:
    """Patch the Deployment as it was read. On a newer one a place may be missing (422) before the conflict shows."""
    policy, name = snapshot.policy, snapshot.policy.spec.target.name
    try:
        await cluster.patch(DEPLOYMENTS, policy.namespace, name, operations)
    except UnprocessableError as error:
        newest = await cluster.get(DEPLOYMENTS, policy.namespace, name)
        if (
            snapshot.deployment is None
            or newest["metadata"]["resourceVersion"] == snapshot.deployment["metadata"]["resourceVersion"]
        ):
            raise
        raise ConflictError(str(error)) from error


async def _job(cluster: Cluster, snapshot: Snapshot, wanted: JobWanted, image: str) -> Lesson | None:
    """Create the Job, or adopt the one of this name if it is ours and of this attempt."""
    policy, deployment, target = snapshot.policy, snapshot.deployment, snapshot.seen.target
    if deployment is None or isinstance(target, Problem):
        raise TypeError("a decision without a Deployment asks for a Job")
    try:
        manifest = build_job(wanted, policy, deployment, image, snapshot.disk, nodes=snapshot.nodes)
        await cluster.create(JOBS, policy.namespace, manifest)
    except (JobRefusedError, ForbiddenError, UnprocessableError) as error:
        return Lesson(target.uid, job=_refused(wanted, snapshot, str(error)))
    except AlreadyExistsError:
        found = await cluster.get(JOBS, policy.namespace, wanted.name)
        if not is_ours(found, policy) or nonce_of(found) != wanted.nonce:
            return Lesson(target.uid, job=_foreign(found, snapshot))
    return None


def _foreign(found: Json, snapshot: Snapshot) -> JobSeen:
    seen = parse_job(found, (), snapshot.policy, snapshot.now)
    return replace(seen, ours=False, problem="it has another owner or another nonce: delete or rename it")


def _refused(wanted: JobWanted, snapshot: Snapshot, why: str) -> JobSeen:
    return JobSeen(
        name=wanted.name,
        uid="",
        kind=wanted.kind.value,
        incident=wanted.incident,
        attempt=wanted.attempt,
        phase=JobPhase.RUNNING,
        created_at=snapshot.now,
        problem=why,
        stuck=True,
    )
