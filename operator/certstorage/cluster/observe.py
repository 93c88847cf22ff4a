"""Gathering what one pass may know from the API server: several reads at once, each failure a value.

What the API server refuses (403) is a finding. When it does not answer at all, the pass has no ground to stand on and
ends with UnavailableError: nothing could be written either.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from certstorage.api.observed import (
    Neighbours,
    Observation,
    Pods,
    Problem,
    Target,
)
from certstorage.api.policy import FINALIZER, Policy
from certstorage.api.reading import Fields, InvalidFieldError
from certstorage.api.reasons import Reason
from certstorage.api.requests import RequestSeen, read_request
from certstorage.cluster.jobs import LABEL_POLICY, Disk, disk_of
from certstorage.cluster.jobseen import parse_job
from certstorage.cluster.port import (
    CLAIMS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    REQUESTS,
    Cluster,
    ForbiddenError,
    Json,
    NotFoundError,
    Resource,
)
from certstorage.cluster.preflight import local_claim
from certstorage.cluster.target import find_container, owned_by, parse_pods, parse_target, selector_text
from certstorage.cluster.together import Together


@dataclass(frozen=True, slots=True)
class Given:
    """What the shell knows besides the API server. `token` is a fresh random word."""

    now: datetime
    token: str
    image: str
    neighbours: Neighbours = field(default_factory=Neighbours)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One observation with the objects it was made of, which acting needs as they were read."""

    policy: Policy
    body: Json
    seen: Observation
    now: datetime
    deployment: Json | None = None
    disk: Disk = field(default_factory=Disk)


@dataclass(slots=True)
class _Refusals:
    """Collects what the API server refuses during one pass."""

    found: list[Problem] = field(default_factory=list)

    async def or_nothing(self, read: Awaitable[Sequence[Json]]) -> Sequence[Json]:
        try:
            return await read
        except ForbiddenError as error:
            self.found.append(denied(error))
            return ()


def denied(error: ForbiddenError) -> Problem:
    """The finding for what the API server refuses."""
    return Problem(Reason.PERMISSION_DENIED, f"{error}: is the namespace enrolled?")


async def observe(cluster: Cluster, together: Together, policy: Policy, body: Json, given: Given) -> Snapshot:
    """Read everything about one policy; what a namespace has few of is listed together with other passes.

    Raises:
        UnavailableError: the API server does not answer.
    """
    blind = _Refusals()
    namespace = policy.namespace
    deployment, (jobs, job_pods), requests = await asyncio.gather(
        _deployment(cluster, policy),
        _jobs_and_pods(cluster, together, policy, blind),
        blind.or_nothing(_list_if_served(together, REQUESTS, namespace)),
    )
    target: Target | Problem
    pods, disk, inputs = Pods(), Disk(), ""
    if isinstance(deployment, Problem):
        target, found = deployment, None
    else:
        found = deployment
        container = find_container(policy, found)
        claim_name = local_claim(policy, found, container)
        selector = selector_text(found)
        replica_sets, all_pods, (claim, missing) = await asyncio.gather(
            blind.or_nothing(cluster.list(REPLICA_SETS, namespace, labels=selector)),
            blind.or_nothing(cluster.list(PODS, namespace, labels=selector)),
            _claim(cluster, namespace, claim_name, blind),
        )
        own_sets = owned_by(found["metadata"]["uid"], replica_sets)
        target = parse_target(policy, found, own_sets, claim_missing=missing)
        pods = parse_pods(policy, target.container, own_sets, all_pods)
        disk = disk_of(claim, all_pods)
        inputs = inputs_hash(policy, target.uid, given.image)
    seen = replace(
        _base(body, given, target),
        pods=pods,
        jobs=tuple(parse_job(job, job_pods, policy, given.now) for job in jobs),
        requests=open_requests(requests, policy.name, given.now),
        blind=tuple(blind.found),
        inputs_hash=inputs,
    )
    return Snapshot(policy, body, seen, given.now, found, disk)


def glance(policy: Policy, body: Json, deployment: Json, given: Given) -> Snapshot:
    """What the policy and its Deployment alone can tell; Pods, Jobs and requests are not known."""
    seen = _base(body, given, parse_target(policy, deployment, ()))
    return Snapshot(policy, body, seen, given.now, deployment)


def _base(body: Json, given: Given, target: Target | Problem) -> Observation:
    return Observation(
        target=target,
        neighbours=given.neighbours,
        problems=given.problems,
        deleting=bool(body["metadata"].get("deletionTimestamp")),
        has_finalizer=FINALIZER in body["metadata"].get("finalizers", ()),
        token=given.token,
    )


async def _deployment(cluster: Cluster, policy: Policy) -> Json | Problem:
    name = policy.spec.target.name
    try:
        return await cluster.get(DEPLOYMENTS, policy.namespace, name)
    except NotFoundError:
        text = f"Deployment {policy.namespace}/{name} does not exist: create it, or name another one in a new policy"
        return Problem(Reason.TARGET_MISSING, text)
    except ForbiddenError as error:
        return denied(error)


async def _claim(cluster: Cluster, namespace: str, name: str, blind: _Refusals) -> tuple[Json | None, bool]:
    """The claim, and whether it is known not to exist."""
    if not name:
        return None, False
    try:
        return await cluster.get(CLAIMS, namespace, name), False
    except NotFoundError:
        return None, True
    except ForbiddenError as error:
        blind.found.append(denied(error))
        return None, False


async def _jobs_and_pods(
    cluster: Cluster, together: Together, policy: Policy, blind: _Refusals
) -> tuple[Sequence[Json], Sequence[Json]]:
    """The policy's Jobs, and their Pods if there are any."""
    every = await blind.or_nothing(together.list(JOBS, policy.namespace, labels=LABEL_POLICY))
    jobs = [job for job in every if job["metadata"]["labels"][LABEL_POLICY] == policy.name]
    if not jobs:
        return (), ()
    mine = f"{LABEL_POLICY}={policy.name}"
    return jobs, await blind.or_nothing(cluster.list(PODS, policy.namespace, labels=mine))


async def _list_if_served(together: Together, resource: Resource, namespace: str) -> Sequence[Json]:
    try:
        return await together.list(resource, namespace)
    except NotFoundError:
        return ()


def open_requests(requests: Sequence[Json], policy_name: str, now: datetime) -> tuple[RequestSeen, ...]:
    """The requests that name this policy and still ask for something; what cannot be read asks for nothing."""
    found = []
    for request in requests:
        try:
            seen = _request(request, policy_name, now)
        except InvalidFieldError:
            continue
        if seen is not None:
            found.append(seen)
    return tuple(found)


def _request(request: Json, policy_name: str, now: datetime) -> RequestSeen | None:
    if Fields(request, "request").table("spec").text("policyName") != policy_name:
        return None
    seen = read_request(request)
    return seen if seen is not None and seen.open and seen.expires_at > now else None


def inputs_hash(policy: Policy, target_uid: str, image: str) -> str:
    """What a receipt must have been made with: the same Deployment, storage, validator and thresholds."""
    spec, recovery = policy.spec, policy.spec.recovery
    inputs = {
        "target": target_uid,
        "storage": asdict(spec.storage),
        "image": spec.validation.image or image,
        "command": spec.validation.command,
        "thresholds": [recovery.sample_rate, recovery.min_sample, recovery.max_mismatch],
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
