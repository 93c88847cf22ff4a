"""What refuses a sweep now, the most telling check first.

A sweep stops the application, so every doubt refuses it: an outage or unknown signals, other Pods that mount the claim,
KEDA (it would scale up again), a shared bucket, a rollout under way, a cap. A HorizontalPodAutoscaler with one replica
or more at least refuses nothing: Kubernetes switches it off while replicas are 0, and on again when they come back.
"""

from __future__ import annotations

from collections.abc import Callable

from certstorage.api.policy import Mode
from certstorage.api.reasons import Reason
from certstorage.api.signals import Verdict
from certstorage.runbook import caps, preflight
from certstorage.runbook.recovery import FAILING, outage_fires
from certstorage.runbook.wants import Context, Finding


def refusal(context: Context) -> Finding | None:
    """Why no sweep may begin now; the first of the checks that says no."""
    return next((found for check in _CHECKS if (found := check(context)) is not None), None)


def _mode(context: Context) -> Finding | None:
    mode = context.policy.spec.mode
    if mode is Mode.ENFORCE:
        return None
    return Finding(
        preflight.REFUSED_BY[mode], f"spec.mode is {mode}: no sweep stops the application; set it to Enforce"
    )


def _outage(context: Context) -> Finding | None:
    if context.reads_held or outage_fires(context.seen.signals):
        return Finding(Reason.OUTAGE_IN_FORCE, "an outage is in force: the sweep waits until reads are back on S3")
    signals = context.seen.signals
    if not signals.trusted:
        return Finding(Reason.SIGNALS_UNKNOWN, f"no sweep begins while signals are unknown: {signals.message}")
    unknown = [name for name in FAILING if signals.verdict(name) is Verdict.UNKNOWN]
    if unknown:
        text = f"no sweep begins while it is unknown whether S3 is down: {', '.join(unknown)}"
        return Finding(Reason.SIGNALS_UNKNOWN, text)
    return None


def _blind(context: Context) -> Finding | None:
    blind = context.seen.blind
    return None if not blind else Finding(blind[0].reason, f"no sweep begins unseen: {blind[0].message}")


def _others(context: Context) -> Finding | None:
    neighbours, users = context.seen.neighbours, context.seen.claim_users
    if neighbours.same_storage:
        text = f"policy {neighbours.same_storage} covers the same bucket and prefix: delete one of the two"
        return Finding(Reason.STORAGE_SHARED, text)
    if users:
        names = ", ".join(sorted(f"{one.pod} ({one.owner or 'no controller'})" for one in users)[:5])
        return Finding(Reason.OTHER_WRITERS, f"other Pods mount the certificates' claim: {names}; stop them first")
    keda = next((one for one in context.seen.scalers if one.kind != "HorizontalPodAutoscaler"), None)
    if keda is not None:
        text = f"{keda.kind} {keda.name} sets the replicas and would scale up again: pause it first"
        return Finding(Reason.SCALED_BY_OTHER, text)
    return None


def _deployment(context: Context) -> Finding | None:
    target = context.target
    problem = next(preflight.problems(context.policy, context.seen, target), None)
    if problem is not None:
        return Finding(problem.reason, problem.message)
    if target.replicas == 0:
        return Finding(
            Reason.SCALED_TO_ZERO, "the Deployment is at 0 replicas, and not by this operator: scale it up first"
        )
    if not target.rolled_out:
        return Finding(Reason.ROLLOUT_UNDER_WAY, "a rollout is under way: the sweep waits for its end")
    if context.hold is not None and context.hold.degradation is not None:
        return Finding(Reason.DEGRADED, "S3 is degraded: the sweep waits until log level and timeouts are given back")
    return None


_CHECKS: tuple[Callable[[Context], Finding | None], ...] = (_mode, _outage, _blind, _others, _deployment, caps.sweep)
