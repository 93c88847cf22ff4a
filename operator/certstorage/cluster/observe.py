"""Gathering what one pass may know from the API server: several reads at once, each failure a value.

What the API server refuses (403) is a finding. When it does not answer at all, the pass has no ground to stand on and
ends with UnavailableError: nothing could be written either.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from certstorage.api.observed import ClaimUser, Neighbours, Observation, Problem, Scaler, Target
from certstorage.api.patience import Patience
from certstorage.api.policy import FINALIZER, Policy
from certstorage.api.requests import RequestSeen, RequestType
from certstorage.cluster.jobs import Disk, disk_of, nodes_of
from certstorage.cluster.jobseen import is_validator, of_policy, parse_job
from certstorage.cluster.others import claim_users, scalers_of
from certstorage.cluster.papers import Papers, papers_of
from certstorage.cluster.port import Cluster, Json
from certstorage.cluster.preflight import local_claim
from certstorage.cluster.reads import Reads
from certstorage.cluster.schedules import schedules_of
from certstorage.cluster.target import find_container, owned_by, parse_pods, parse_target, selector_text
from certstorage.cluster.together import Together


@dataclass(frozen=True, slots=True)
class Given:
    """What the shell knows besides the API server. `token` is a fresh random word."""

    now: datetime
    token: str
    image: str
    neighbours: Neighbours = field(default_factory=Neighbours)
    patience: Patience = field(default_factory=Patience)
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
    nodes: tuple[str, ...] = ()
    """Where the application runs."""
    papers: Papers = field(default_factory=Papers)


async def observe(cluster: Cluster, together: Together, policy: Policy, body: Json, given: Given) -> Snapshot:
    """Read everything about one policy.

    Raises:
        UnavailableError: the API server does not answer.
    """
    reads = Reads(cluster, together, policy)
    deployment, (jobs, job_pods), requests, incidents = await asyncio.gather(
        reads.deployment(), reads.jobs(), reads.requests(), reads.incidents()
    )
    papers = papers_of(policy, requests, incidents, given.now)
    parsed_jobs = tuple(parse_job(job, job_pods, policy, given.now) for job in of_policy(jobs, policy.name))
    if isinstance(deployment, Problem):
        seen = replace(_told(_base(body, given, deployment), policy, papers, given.now), jobs=parsed_jobs)
        return Snapshot(policy, body, replace(seen, blind=tuple(reads.blind)), given.now, papers=papers)
    claim_name = local_claim(policy, deployment, find_container(policy, deployment))
    (replica_sets, all_pods), (claim, missing) = await asyncio.gather(
        reads.selected(selector_text(deployment)), reads.claim(claim_name)
    )
    own_sets = owned_by(deployment["metadata"]["uid"], replica_sets)
    target = parse_target(policy, deployment, own_sets, claim_missing=missing)
    seen = replace(
        _told(_base(body, given, target), policy, papers, given.now),
        jobs=parsed_jobs,
        pods=parse_pods(policy, target.container, own_sets, all_pods),
        inputs_hash=inputs_hash(policy, target.uid, given.image),
    )
    if _concerns_a_sweep(target, papers.requests):
        scalers, users = await _others(reads, claim_name, own_sets, jobs)
        seen = replace(seen, scalers=scalers, claim_users=users)
    seen = replace(seen, blind=tuple(reads.blind))
    disk, nodes = disk_of(claim, all_pods), nodes_of(all_pods)
    return Snapshot(policy, body, seen, given.now, deployment, disk, nodes, papers)


def glance(policy: Policy, body: Json, deployment: Json, given: Given) -> Snapshot:
    """What the policy and its Deployment alone can tell; Pods, Jobs, requests and incidents are not known."""
    seen = replace(_base(body, given, parse_target(policy, deployment, ())), glance=True)
    return Snapshot(policy, body, seen, given.now, deployment)


def _base(body: Json, given: Given, target: Target | Problem) -> Observation:
    return Observation(
        target=target,
        patience=given.patience,
        neighbours=given.neighbours,
        problems=given.problems,
        deleting=bool(body["metadata"].get("deletionTimestamp")),
        has_finalizer=FINALIZER in body["metadata"].get("finalizers", ()),
        token=given.token,
    )


def _told(seen: Observation, policy: Policy, papers: Papers, now: datetime) -> Observation:
    """With what people and schedules say."""
    return replace(seen, requests=papers.requests, incidents=papers.incidents, schedules=schedules_of(policy, now))


def _concerns_a_sweep(target: Target, requests: Sequence[RequestSeen]) -> bool:
    """Whether one is asked for or under way: only then is it looked who else scales or writes, in three more lists."""
    asked = any(request.kind is RequestType.SWEEP and request.open for request in requests)
    return asked or (target.hold is not None and target.hold.sweep is not None)


async def _others(
    reads: Reads, claim: str, own_sets: Sequence[Json], jobs: Sequence[Json]
) -> tuple[tuple[Scaler, ...], tuple[ClaimUser, ...]]:
    """Who else scales the Deployment or may write to its disk."""
    autoscalers, scaled_objects, pods = await asyncio.gather(reads.autoscalers(), reads.scaled_objects(), reads.pods())
    scalers = scalers_of(reads.policy.spec.target.name, autoscalers, scaled_objects)
    validators = [job for job in jobs if is_validator(job)]
    return scalers, claim_users(claim, pods, target_sets=own_sets, validator_jobs=validators)


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
