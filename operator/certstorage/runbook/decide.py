"""The decision: what was seen and remembered, and the time, give what is to be done and said. No I/O, no clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from certstorage.api.decision import Decision, TargetPatch
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import Hold
from certstorage.api.observed import Observation, Problem, Target
from certstorage.api.policy import Mode, Policy
from certstorage.api.reasons import Reason
from certstorage.api.status import ReadsFrom, Status
from certstorage.runbook import gates
from certstorage.runbook.held import read_flag
from certstorage.runbook.merge import let_go, merge
from certstorage.runbook.outage import outage
from certstorage.runbook.report import Report
from certstorage.runbook.wants import Ask, Context, Finding, Wants

LOOK_AGAIN = timedelta(seconds=30)
"""How soon a Deployment that is not there, or cannot be read, is looked for again."""


def decide(policy: Policy, seen: Observation, before: Status, now: datetime) -> Decision:
    """What to do about one policy now.

    `seen` is the world as this pass read it, `before` the status that was stored, `now` the time in UTC. Deciding
    again on the result of acting asks for nothing more. Nothing is raised for whatever was seen.
    """
    if isinstance(seen.target, Problem):
        return _without_target(policy, seen, before, now, seen.target)
    hold, problem = _own_hold(policy, seen.target)
    context = Context(policy, seen, seen.target, hold, problem, before, now)
    if seen.deleting:
        return _deleting(context)
    wants = outage(context)
    patch = merge(context, wants)
    after = hold if patch is None else patch.hold
    return _decision(context, wants, patch, after, keep=after is not None)


def _own_hold(policy: Policy, target: Target) -> tuple[Hold | None, Problem | None]:
    """The hold if it is ours and about this Deployment, or why the one that is there is not."""
    hold = target.hold
    if hold is None:
        return None, target.hold_problem
    if hold.policy_uid != policy.uid:
        text = f"the hold on the Deployment belongs to policy {hold.policy_name} of another UID"
        return None, Problem(Reason.HOLD_FOREIGN, f"{text}: remove the annotation if that policy is gone")
    if hold.target_uid != target.uid:
        text = "the hold on the Deployment was copied from another Deployment: remove the annotation"
        return None, Problem(Reason.HOLD_FOREIGN, text)
    return hold, None


def _without_target(policy: Policy, seen: Observation, before: Status, now: datetime, problem: Problem) -> Decision:
    """No Deployment to care for: what was held is gone with it, or cannot be seen now."""
    gone = problem.reason is Reason.TARGET_MISSING
    wants = Wants(
        finding=Finding(problem.reason, problem.message),
        hold=None,
        desired=before.reads.desired if before.reads is not None else ReadsFrom.UNKNOWN,
        look_again_at=now + LOOK_AGAIN,
        operation=None if gone else before.operation,
        asks=(Ask(problem.reason, problem.message),),
    )
    report = Report(policy, seen, before, now, wants, None, ReadsFrom.UNKNOWN)
    return Decision(
        status=report.status(),
        look_again_at=wants.look_again_at,
        finalizer=seen.has_finalizer and not gone,
        events=report.events(),
        alerts=report.alerts(),
    )


def _deleting(context: Context) -> Decision:
    """The policy goes: the hold is let go, reads stay as they are, and a person is told."""
    patch = let_go(context)
    text = "the policy was deleted while reads were held local: they stay local until a person brings them back"
    asks = (Ask(Reason.POLICY_DELETED, text, gates.set_env_command(context, "true")),) if patch is not None else ()
    wants = Wants(
        finding=Finding(Reason.POLICY_DELETED, text if asks else "the policy is being deleted; nothing is held"),
        hold=None,
        desired=ReadsFrom.LOCAL if read_flag(context) is FlagState.FALSE else ReadsFrom.S3,
        look_again_at=context.now + timedelta(seconds=1),
        asks=asks,
    )
    return _decision(context, wants, patch, None, keep=patch is not None)


def _decision(context: Context, wants: Wants, patch: TargetPatch | None, hold: Hold | None, *, keep: bool) -> Decision:
    """The decision as data. The finalizer stays until both halves of giving back are done."""
    observing = context.policy.spec.mode is Mode.OBSERVE and not context.seen.deleting
    release = patch is None and hold is None and context.target.owns_fields and not observing
    report = Report(context.policy, context.seen, context.before, context.now, wants, hold, _template(context, patch))
    return Decision(
        status=report.status(),
        look_again_at=min(wants.look_again_at, context.now + timedelta(seconds=1)) if release else wants.look_again_at,
        patch=patch,
        release=release,
        stop_jobs=wants.stop_jobs,
        jobs=wants.jobs,
        finalizer=keep or (context.target.owns_fields and context.seen.has_finalizer),
        events=report.events(),
        alerts=report.alerts(),
    )


def _template(context: Context, patch: TargetPatch | None) -> ReadsFrom:
    """Where the template reads from once the pass's write is in."""
    name = context.policy.spec.env.read_primary
    written = {} if patch is None else patch.env
    state = EnvVar.literal(written[name]).state if name in written else read_flag(context)
    if state is FlagState.FALSE:
        return ReadsFrom.LOCAL
    return ReadsFrom.S3 if state is FlagState.TRUE else ReadsFrom.UNKNOWN
