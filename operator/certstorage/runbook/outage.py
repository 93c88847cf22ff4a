"""Scenario 1 of the runbook: S3 outage (complete unavailability).

    S3 ──outage fires──► Local ──S3 answers, held──► attempt n ──receipt passes──► Returning ──► S3
                         ▲  ▲                             │ no pass: back-off            │
                         │  └─────────────────────────────┘                              │
                         └─────────── fallback not below 1 %, or outage again ───────────┘

The hold on the Deployment latches the outage: the mitigation itself makes the alert resolve, so neither "resolved" nor
a lingering alert decides anything here (design section 3). Each step looks at facts only; a crash repeats the pass.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from certstorage.api.decision import EventType, EventWanted
from certstorage.api.env import FlagState
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.policy import Mode
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Step
from certstorage.api.signals import Verdict
from certstorage.api.status import ReadsFrom
from certstorage.runbook import attempt, gates, preflight, recovery, returning
from certstorage.runbook.aftermath import same_incident
from certstorage.runbook.held import LOOK_AGAIN, operation, read_flag, recovered_since, unproven, waiting
from certstorage.runbook.threads import incident_name
from certstorage.runbook.wants import Ask, Context, Finding, Wants
from certstorage.runbook.will import Will

IDLE_LOOK_AGAIN = timedelta(minutes=10)
"""While nothing is held; the poller wakes the policy as soon as a signal changes."""

REASSERT_INTERVAL = timedelta(minutes=10)
"""At most one rollout in this time is spent on undoing a foreign writer; the first revert is undone at once."""


def outage(context: Context) -> Wants:
    """What the outage procedure wants now."""
    hold = context.hold
    if hold is None or hold.reads is ReadsPhase.NONE:
        return _not_held(context)
    hold = attempt.noted(context, hold)
    if context.policy.spec.mode is Mode.OBSERVE:
        return _observed_only(context, hold)
    if hold.reads is ReadsPhase.RETURNING:
        return returning.returning(context, hold)
    return _local(context, hold)


# --- nothing is held


def _not_held(context: Context) -> Wants:
    policy, signals, now = context.policy, context.seen.signals, context.now
    fires = recovery.outage_fires(signals)
    problem = next(preflight.problems(policy, context.seen, context.target), None)
    off = read_flag(context) is FlagState.FALSE
    idle = Wants(
        finding=Finding(Reason.READS_FROM_S3, "reads come from S3"),
        desired=ReadsFrom.LOCAL if off else ReadsFrom.S3,
        look_again_at=now + IDLE_LOOK_AGAIN,
    )
    if problem is not None:
        # in an outage this refusal is what people must hear of; before it, a condition is enough
        ask = Ask(problem.reason, f"S3 is down and reads cannot be made local: {problem.message}")
        return replace(idle, finding=Finding(problem.reason, problem.message), asks=(ask,) if fires and not off else ())
    if off:
        text = f"{policy.spec.env.read_primary} is off, and not by this operator; it will not be turned on"
        return replace(idle, finding=Finding(Reason.READS_OFF_BY_OTHER, text))
    found = context.hold_problem
    if found is not None and not fires:
        return replace(idle, finding=Finding(found.reason, found.message), asks=(Ask(found.reason, found.message),))
    if fires:
        return _begin(context, idle)
    if not signals.trusted:
        return replace(idle, finding=Finding(Reason.SIGNALS_UNKNOWN, signals.message))
    return idle


def _begin(context: Context, idle: Wants) -> Wants:
    """Immediate actions 2 and 3: flip the read flag off, keep dual-write on; the hold is written with them."""
    policy, now = context.policy, context.now
    why = _evidence(context)
    if policy.spec.mode is Mode.OBSERVE:
        text = f"would set {policy.spec.env.read_primary}=false: {why}"
        return replace(idle, finding=Finding(Reason.MODE_OBSERVE, text), asks=(Ask(Reason.MODE_OBSERVE, text),))
    hold = Hold(
        policy_uid=policy.uid,
        policy_name=policy.name,
        target_uid=context.target.uid,
        incident=incident_name(policy.name, now),
        since=now,
        reads=ReadsPhase.LOCAL,
        asserted_at=now,
    )
    hold = same_incident(context, hold)
    text = f"S3 outage: {why}; {policy.spec.env.read_primary}=false is written, dual-write stays on"
    return Wants(
        finding=Finding(Reason.OUTAGE_GOING_LOCAL, text),
        will=Will(local=True, hold=hold),
        desired=ReadsFrom.LOCAL,
        look_again_at=now + LOOK_AGAIN,
        operation=operation(context, hold, Step.GOING_LOCAL),
    )


def _evidence(context: Context) -> str:
    firing = [context.seen.signals[name] for name in recovery.FAILING]
    return "; ".join(s.message or s.name.value for s in firing if s.verdict is Verdict.FIRING) or "S3 fails"


def _planned(wants: Wants, plan: tuple[str, ...], digest: str) -> Wants:
    """The wants with the plan that a person is asked to approve."""
    operation = wants.operation
    if operation is None:
        return wants
    return replace(wants, plan=plan, operation=replace(operation, plan=" ".join(plan), plan_hash=digest))


# --- reads are held local


def _observed_only(context: Context, hold: Hold) -> Wants:
    text = "spec.mode is Observe while reads are held: nothing is changed until it is Enforce again"
    ask = Ask(Reason.MODE_OBSERVE, text)
    return waiting(context, hold, Step.WAITING_FOR_S3, Finding(Reason.MODE_OBSERVE, text), asks=(ask,))


def _local(context: Context, hold: Hold) -> Wants:
    state = read_flag(context)
    if state is not FlagState.FALSE:
        return _reverted(context, hold)
    named = (_named(context, hold),) if hold.reverts else ()
    wants = attempt.attempt(context, hold) if hold.nonce else _wait_for_s3(context, hold)
    return replace(wants, asks=(*wants.asks, *named)) if named else wants


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _named(context: Context, hold: Hold) -> Ask:
    env = context.policy.spec.env.read_primary
    text = (
        f"{hold.reverted_by} wrote {env} back during the outage ({_times(hold.reverts)}); it is off again."
        f" Let {hold.reverted_by} leave {env} alone, or override the operator with mode: Observe"
    )
    return Ask(Reason.FOREIGN_WRITER, text, f"kubectl -n {context.policy.namespace} get deployment "
               f"{context.policy.spec.target.name} -o yaml --show-managed-fields")  # fmt: skip


def _reverted(context: Context, hold: Hold) -> Wants:
    """Somebody wrote the flag back in the outage: named and undone, at once the first time, then with patience."""
    now, env = context.now, context.policy.spec.env.read_primary
    problem = next(preflight.problems(context.policy, context.seen, context.target), None)
    if problem is not None:
        finding = Finding(problem.reason, f"reads are no longer local and cannot be made so: {problem.message}")
        return waiting(context, hold, Step.GOING_LOCAL, finding, asks=(Ask(problem.reason, finding.message),))
    due = None if not hold.reverts or hold.asserted_at is None else hold.asserted_at + REASSERT_INTERVAL
    found = context.target.env.get(env)
    writer = (found.manager if found is not None else "") or "an unknown writer"
    if due is not None and now < due:
        text = f"{writer} wrote {env} back again; it is turned off again at the time in blockedUntil"
        finding = Finding(Reason.FOREIGN_WRITER, text, until=due)
        return waiting(context, hold, Step.GOING_LOCAL, finding, asks=(_named(context, hold),))
    held = replace(hold, reverts=hold.reverts + 1, reverted_by=writer, asserted_at=now)
    text = f"{writer} wrote {env} back during the outage; it is turned off again"
    wants = waiting(context, held, Step.GOING_LOCAL, Finding(Reason.FOREIGN_WRITER, text),
                     asks=(_named(context, held),))  # fmt: skip
    event = EventWanted(EventType.WARNING, Reason.FOREIGN_WRITER.value, text)
    return replace(wants, will=Will(local=True, hold=held), events=(event,))


def _wait_for_s3(context: Context, hold: Hold) -> Wants:
    """Post-recovery 1: wait for S3 to be back and to stay so, then for everything that must agree to the way back."""
    target, pods, now = context.target, context.seen.pods, context.now
    confirmed = target.rolled_out and pods.local == pods.total
    if not confirmed and not target.stuck:
        text = f"reads are local on {pods.local}/{pods.total} Pods"
        return waiting(context, hold, Step.GOING_LOCAL, Finding(Reason.OUTAGE_GOING_LOCAL, text))
    stuck: tuple[Ask, ...] = ()
    if target.stuck and not confirmed:
        text = f"the flip does not roll out (reads are local on {pods.local}/{pods.total} Pods): mend the Deployment"
        stuck = (Ask(Reason.ROLLOUT_STUCK, text),)
    if not recovery.s3_answers(context.seen.signals):
        text = f"reads are local on {pods.local}/{pods.total} Pods; {unproven(context)}"
        reason = Reason.ROLLOUT_STUCK if stuck else Reason.OUTAGE_READS_LOCAL
        return waiting(context, hold, Step.WAITING_FOR_S3, Finding(reason, text), asks=stuck)
    since = recovered_since(context) or now
    ready_at = since + timedelta(seconds=context.policy.spec.recovery.hold_seconds)
    if now < ready_at:
        text = f"S3 answers since {since:%H:%M:%S} UTC and must go on to {ready_at:%H:%M:%S} UTC"
        finding = Finding(Reason.RECOVERY_HOLDING, text, until=ready_at)
        return waiting(context, hold, Step.HOLDING, finding, recovered=since, asks=stuck)
    retry_at = recovery.retry_at(context.policy, hold)
    if retry_at is not None and now < retry_at:
        text = f"attempt {hold.attempt} ended with {hold.last_failure}; the next one waits for {retry_at:%H:%M:%S} UTC"
        finding = Finding(Reason.BACKING_OFF, text, until=retry_at)
        return waiting(context, hold, Step.BACKING_OFF, finding, recovered=since, asks=stuck)
    refusal = gates.refusal(context)
    if refusal is not None:
        finding = Finding(refusal.reason, refusal.message)
        return waiting(context, hold, Step.AWAITING_APPROVAL, finding, recovered=since, asks=(*stuck, refusal))
    asked = gates.approval(context, hold)
    if asked is not None:
        finding = Finding(asked.reason, asked.message)
        wants = waiting(context, hold, Step.AWAITING_APPROVAL, finding, recovered=since, asks=(*stuck, asked))
        return _planned(wants, *gates.return_plan(context, hold))
    return attempt.open_attempt(context, hold, since)
