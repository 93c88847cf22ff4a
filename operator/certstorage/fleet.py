"""What each policy is busy with, so that not too many applications roll or stand still at the same time.

A decision is written down here before it is carried out, with nothing awaited in between: of two passes that decide at
the same time the second already sees the first. Memory of the process alone; a fresh operator finds what is under way
by the holds of its first passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from certstorage.api.decision import Decision
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.observed import Busy, BusyWith, Fleet, Problem, Target
from certstorage.cluster.observe import Snapshot
from certstorage.registry import Key

OFF = "false"
PROGRESS_SECONDS = 600
"""Kubernetes' own default of a Deployment's progressDeadlineSeconds."""


class Roster:
    """Who is busy with what, at most `rollouts` and `sweeps` at once."""

    def __init__(self, rollouts: int, sweeps: int) -> None:
        self._rollouts, self._sweeps = rollouts, sweeps
        self._busy: dict[Key, tuple[Busy, ...]] = {}

    def others(self, key: Key) -> Fleet:
        """What all policies but this one are busy with."""
        busy = tuple(one for other, all_of in self._busy.items() if other != key for one in all_of)
        return Fleet(busy, self._rollouts, self._sweeps)

    def note(self, snapshot: Snapshot, decision: Decision) -> None:
        """What this policy will be busy with once the decision is carried out."""
        key = snapshot.policy.key
        before = {one.what: one.deadline for one in self._busy.get(key, ())}
        found = dict(_deadlines(snapshot, decision, before.get(BusyWith.ROLLOUT)))
        if found:
            self._busy[key] = tuple(Busy("/".join(key), what, deadline) for what, deadline in found.items())
        else:
            self.forget(key)

    def forget(self, key: Key) -> None:
        """The policy is gone, or busy with nothing."""
        self._busy.pop(key, None)


def _deadlines(
    snapshot: Snapshot, decision: Decision, rolling_until: datetime | None
) -> Iterator[tuple[BusyWith, datetime]]:
    target = snapshot.seen.target
    if isinstance(target, Problem):
        return
    hold = target.hold if decision.patch is None else decision.patch.hold
    if hold is not None and hold.policy_uid != snapshot.policy.uid:
        hold = None
    if hold is not None and hold.sweep is not None and hold.replicas is not None and hold.restore_by is not None:
        yield BusyWith.SWEEP, hold.restore_by
    deadline = _rollout(snapshot, decision, target, hold, rolling_until)
    if deadline is not None:
        yield BusyWith.ROLLOUT, deadline


def _rollout(
    snapshot: Snapshot, decision: Decision, target: Target, hold: Hold | None, rolling_until: datetime | None
) -> datetime | None:
    """By when a rollout of ours must be through; None when there is none, or reads go local by it."""
    spec = {} if snapshot.deployment is None else snapshot.deployment["spec"]
    patience = timedelta(seconds=spec.get("progressDeadlineSeconds", PROGRESS_SECONDS))
    env = {} if decision.patch is None else decision.patch.env
    if env.get(snapshot.policy.spec.env.read_primary) == OFF:
        return None
    if env:
        return snapshot.now + patience
    if target.rolled_out:
        return None
    if rolling_until is not None:
        return rolling_until
    if hold is not None and hold.reads is ReadsPhase.RETURNING and hold.returned_at is not None:
        return hold.returned_at + patience
    share = None if hold is None else hold.degradation
    young = share is not None and snapshot.now < share.since + patience
    return share.since + patience if share is not None and young else None
