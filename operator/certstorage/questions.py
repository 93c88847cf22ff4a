"""Questions that a pass asks about what it saw and what was decided. Pure."""

from __future__ import annotations

from dataclasses import replace

from certstorage.api.decision import Decision
from certstorage.api.hold import ReadsPhase
from certstorage.api.observed import Observation, Problem, Target
from certstorage.api.policy import Policy
from certstorage.api.signals import SignalName, SignalSet, Verdict
from certstorage.cluster.act import Lesson
from certstorage.cluster.observe import Snapshot

OFF = "false"


def fires(signals: SignalSet) -> bool:
    """Whether an outage is in force."""
    return any(signals.verdict(name) is Verdict.FIRING for name in (SignalName.OUTAGE, SignalName.BLACK_HOLE))


def goes_local(decision: Decision, policy: Policy) -> bool:
    """Whether the decision turns reads to local disk."""
    return decision.patch is not None and decision.patch.env.get(policy.spec.env.read_primary) == OFF


def attempt_unseen(snapshot: Snapshot) -> bool:
    """Whether a recovery Job may be at work that the API server does not let us see: it must not be taken for gone."""
    target = snapshot.seen.target
    open_attempt = not isinstance(target, Problem) and target.hold is not None and bool(target.hold.nonce)
    return open_attempt and bool(snapshot.seen.blind)


def judged_template(target: Target | Problem) -> str:
    """The template whose Pods are judged by their own counters, after the way back; empty at all other times."""
    if isinstance(target, Problem) or target.hold is None or target.hold.reads is not ReadsPhase.RETURNING:
        return ""
    return target.template_hash


def taught(seen: Observation, lesson: Lesson) -> Observation:
    """The observation with what acting taught; a Job that is really there speaks for itself."""
    problems = seen.problems if lesson.problem is None else (*seen.problems, lesson.problem)
    job = lesson.job
    if job is None or (job.ours and any(one.name == job.name for one in seen.jobs)):
        return replace(seen, problems=problems)
    jobs = tuple(one for one in seen.jobs if one.name != job.name)
    return replace(seen, problems=problems, jobs=(*jobs, job))
