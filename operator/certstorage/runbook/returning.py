"""Reads are going back to S3: the rollout, then post-recovery 4, the check of the new Pods (scenario 1).

"Fallback should drop to < 1 % within 5 minutes" is read from the raw counters of the new ReplicaSet's Pods: they are
new, so the counters are everything since the flip, and no window of before it disturbs them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from certstorage.api.decision import EventType, EventWanted
from certstorage.api.env import FlagState
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.reading import percent
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Step
from certstorage.api.signals import FallbackSample
from certstorage.api.status import ReadsFrom
from certstorage.runbook import gates, recovery
from certstorage.runbook.held import LOOK_AGAIN, operation, read_flag, waiting
from certstorage.runbook.wants import Ask, Context, Finding, Wants
from certstorage.runbook.will import Will

MIN_READS = 50
"""Reads that the new Pods must have served before their fallback rate says anything."""


def returning(context: Context, hold: Hold) -> Wants:
    """Follow the way back until the new Pods are proven, or reads go local again."""
    if recovery.outage_fires(context.seen.signals):
        return _local_again(context, hold, Finding(Reason.OUTAGE_AGAIN, "S3 failed again while reads went back"))
    if read_flag(context) is FlagState.FALSE:
        return _yield(context, hold)
    target = context.target
    if target.stuck:
        text = "the way back does not roll out: old Pods go on reading local disk; mend the Deployment"
        ask = Ask(Reason.ROLLOUT_STUCK, text)
        return _on_the_way(context, hold, Step.RETURNING, Finding(Reason.ROLLOUT_STUCK, text), (ask,))
    if not target.rolled_out or context.seen.pods.local:
        # a flag that was absent is absent again: such Pods read as the application does by itself
        pods = context.seen.pods
        text = f"reads are from S3 on {pods.total - pods.local}/{pods.total} Pods"
        return _on_the_way(context, hold, Step.RETURNING, Finding(Reason.RETURNING, text))
    return _check(context, hold)


def _check(context: Context, hold: Hold) -> Wants:
    """Post-recovery 4: judge the new Pods once all of them were scraped twice."""
    spec, now = context.policy.spec.recovery, context.now
    old = context.operation
    begun = old.since if old is not None and old.step is Step.CHECKING else now
    deadline = begun + timedelta(seconds=spec.fallback_check_seconds)
    sample = _sample(context)
    if sample is not None and sample.reads >= MIN_READS:
        rate = sample.fallbacks / sample.reads
        if rate < spec.max_fallback:
            text = f"fallback of the new Pods is {percent(rate)} of {sample.reads:.0f} reads: the incident is over"
            return _done(context, Finding(Reason.RETURNED, text))
        if now >= deadline:
            text = f"fallback of the new Pods is {percent(rate)}, not below {percent(spec.max_fallback)}"
            return _local_again(context, hold, Finding(Reason.FALLBACK_STILL_HIGH, text))
        text = f"fallback of the new Pods is {percent(rate)} and must drop below {percent(spec.max_fallback)}"
        return _on_the_way(context, hold, Step.CHECKING, Finding(Reason.RETURNING, text, until=deadline))
    if now < deadline:
        text = "the new Pods are scraped twice and must serve some reads before they are judged"
        return _on_the_way(context, hold, Step.CHECKING, Finding(Reason.RETURNING, text, until=deadline))
    if sample is None:
        text = f"the new Pods cannot be judged: {context.seen.signals.message or 'their counters are missing'}"
        ask = Ask(Reason.SIGNALS_UNKNOWN, text)
        return _on_the_way(context, hold, Step.CHECKING, Finding(Reason.SIGNALS_UNKNOWN, text), (ask,))
    text = f"only {sample.reads:.0f} reads came in {spec.fallback_check_seconds} s: reads stay on S3, unverified"
    return _done(context, Finding(Reason.RETURN_UNVERIFIED, text))


def _sample(context: Context) -> FallbackSample | None:
    """The counters of the current ReplicaSet's Pods, if the source is trusted and has all of them twice."""
    sample, target = context.seen.signals.fallback, context.target
    if sample is None or not context.seen.signals.trusted or sample.template_hash != target.template_hash:
        return None
    return sample if sample.pods >= target.replicas else None


def _on_the_way(context: Context, hold: Hold, step: Step, finding: Finding, asks: tuple[Ask, ...] = ()) -> Wants:
    return waiting(context, hold, step, finding, asks=asks, desired=ReadsFrom.S3)


def _local_again(context: Context, hold: Hold, failure: Finding) -> Wants:
    """The way back failed: local at once, and the next attempt waits longer."""
    local = replace(
        hold,
        reads=ReadsPhase.LOCAL,
        returned_at=None,
        asserted_at=context.now,
        retries=hold.retries + 1,
        failed_returns=hold.failed_returns + 1,
        last_failure=failure.reason.value,
        failed_at=context.now,
    )
    text = f"return {hold.attempt} failed: {failure.message}; reads are local again"
    return Wants(
        finding=Finding(Reason.OUTAGE_GOING_LOCAL, text),
        will=Will(local=True, hold=local),
        desired=ReadsFrom.LOCAL,
        look_again_at=context.now + LOOK_AGAIN,
        operation=operation(context, local, Step.GOING_LOCAL),
        events=(EventWanted(EventType.WARNING, failure.reason.value, text),),
    )


def _yield(context: Context, hold: Hold) -> Wants:
    """Somebody turned reads off on our way back: theirs is the safe side, so the operator lets go of it."""
    flag = context.policy.spec.env.read_primary
    found = context.target.env.get(flag)
    writer = (found.manager if found is not None else "") or "somebody"
    text = f"{writer} turned {flag} off while reads went back: it stays off, and {writer} turns it on"
    ask = Ask(Reason.RETURN_YIELDED, text, gates.set_env_command(context, hold.before.get(flag) or "true"))
    return replace(_done(context, Finding(Reason.RETURN_YIELDED, text)), desired=ReadsFrom.LOCAL, asks=(ask,))


def _done(context: Context, finding: Finding) -> Wants:
    return Wants(
        finding=finding,
        will=Will(hold=None),
        desired=ReadsFrom.S3,
        look_again_at=context.now + timedelta(seconds=1),
    )
