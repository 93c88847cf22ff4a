"""The one place where wants become a write: all of a pass's changes to the Deployment in one PATCH.

What scenarios want is joined first (`runbook/will.py`), then `write` compares it with what is there. Release is never
by omission. The read flag goes back only with a permit; dual-write has no off; what was there before is captured once,
in the write that first changes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

from certstorage.api.decision import TargetPatch
from certstorage.api.env import UNWRITABLE, EnvVar, FlagState
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.receipt import ReceiptVerdict
from certstorage.runbook.wants import Context, Wants
from certstorage.runbook.will import BOTTOM, Keep, Permit, Replicas, Will, join

ON, OFF = "true", "false"
ABSENT = EnvVar(FlagState.ABSENT)


def merge(context: Context, wants: Iterable[Wants]) -> TargetPatch | None:
    """The write that brings the Deployment to what all scenarios want; None when it is there already."""
    return write(context, reduce(join, (one.will for one in wants if one.will is not BOTTOM), BOTTOM))


def write(context: Context, will: Will) -> TargetPatch | None:
    """The difference between what is wanted and what is there, as one write."""
    old, target = context.hold, context.target
    if will is BOTTOM:
        return None  # most passes
    before = {} if old is None else dict(old.before)
    env: dict[str, str | None] = {}
    outage = _outage(context, will)
    if will.local and outage is not None:
        names = context.policy.spec.env
        _claim(context, names.read_primary, OFF, before, env)
        _claim(context, names.dual_write, ON, before, env)
    elif old is not None and any(_opens(permit, old) for permit in will.permits):
        env.update(_give_back(context, before))
    _others(context, will, env)
    hold = _hold(context, will, outage, before)
    replicas = _replicas(context, will, hold)
    if replicas == 0 and hold is not None:
        hold = replace(hold, replicas=target.replicas, restore_by=will.restore_by)
    if hold is not None:
        hold = old if hold == old else replace(hold, epoch=1 if old is None else old.epoch + 1)
    if not env and hold == old and replicas is None:
        return None
    return TargetPatch(uid=target.uid, resource_version=target.resource_version, hold=hold, env=env, replicas=replicas)


def _claim(context: Context, name: str, value: str, before: dict[str, str | None], env: dict[str, str | None]) -> None:
    """Write `value` where it is not in force yet, and capture what was there the first time."""
    found = context.target.env.get(name, ABSENT)
    wanted = EnvVar.literal(value).state
    if not name or found.state is wanted or found.state in UNWRITABLE:
        return
    before.setdefault(name, found.value)
    env[name] = value


def _others(context: Context, will: Will, env: dict[str, str | None]) -> None:
    """Log level and timeouts: giving back beats claiming. The two flags are never touched from here."""
    flags = {context.policy.spec.env.read_primary, context.policy.spec.env.dual_write, ""}
    wanted: dict[str, str | None] = dict(sorted(will.claims, reverse=True))
    wanted.update(sorted(will.backs, key=lambda one: (one[0], one[1] is not None, one[1] or ""), reverse=True))
    for name, value in sorted(wanted.items()):
        found = context.target.env.get(name, ABSENT)
        if name not in flags and found.state not in UNWRITABLE and found.value != value:
            env[name] = value


def _opens(permit: Permit, hold: Hold) -> bool:
    """The second lock of invariant 2, whatever a scenario says: a pass, with the nonce of the open attempt."""
    return permit.verdict is ReceiptVerdict.PASSED and bool(hold.nonce) and permit.nonce == hold.nonce


def _give_back(context: Context, before: dict[str, str | None]) -> dict[str, str | None]:
    """The read flag as it was; dual-write only where there was none, since it is never turned off (invariant 1).

    A variable that the policy named when reads went local, and names no longer, is given back if it still says off:
    nothing but the read flag is ever turned off.
    """
    names = context.policy.spec.env
    back: dict[str, str | None] = {}
    for name, value in before.items():
        found = context.target.env.get(name, ABSENT)
        if name == names.read_primary or (name != names.dual_write and found.value == OFF):
            back[name] = value
        elif value is None and found.state is not FlagState.ABSENT:
            back[name] = None
    return back


def _outage(context: Context, will: Will) -> Hold | None:
    """The outage's share after the write. Without one reads are not touched: the flip and its memory are one write."""
    outage = context.hold if isinstance(will.hold, Keep) else will.hold
    return None if outage is None or outage.reads is ReadsPhase.NONE else outage


def _hold(context: Context, will: Will, outage: Hold | None, before: dict[str, str | None]) -> Hold | None:
    """The whole hold after the write: each share as wanted, or as it was."""
    old, policy = context.hold, context.policy
    degradation = (None if old is None else old.degradation) if isinstance(will.degradation, Keep) else will.degradation
    sweep = (None if old is None else old.sweep) if isinstance(will.sweep, Keep) else will.sweep
    replicas, restore_by = (None, None) if old is None or sweep is None else (old.replicas, old.restore_by)
    if will.replicas is Replicas.BACK:
        replicas = restore_by = None
    if outage is not None:
        return replace(
            outage,
            before=before,
            degradation=degradation,
            sweep=sweep,
            replicas=replicas,
            restore_by=restore_by,
            epoch=1 if old is None else old.epoch,
        )
    shares = [share for share in (sweep, degradation) if share is not None]
    if not shares:
        return None
    first = min(shares, key=lambda share: share.since)
    return Hold(
        policy_uid=policy.uid,
        policy_name=policy.name,
        target_uid=context.target.uid,
        incident=first.incident,
        since=first.since,
        epoch=1 if old is None else old.epoch,
        degradation=degradation,
        sweep=sweep,
        replicas=replicas,
        restore_by=restore_by,
    )


def _replicas(context: Context, will: Will, hold: Hold | None) -> int | None:
    """Zero only for a sweep that has just begun; back only what the hold remembers, and only from zero."""
    old, target = context.hold, context.target
    if will.replicas is Replicas.BACK:
        return old.replicas if old is not None and old.replicas is not None and target.replicas == 0 else None
    begins = will.replicas is Replicas.DOWN and hold is not None and hold.sweep is not None and hold.replicas is None
    return 0 if begins and target.replicas > 0 and will.restore_by is not None else None


def let_go(context: Context) -> TargetPatch | None:
    """The write at the end of a policy: replicas, log level and timeouts go back; reads stay as they are."""
    hold, env = context.hold, dict[str, str | None]()
    if hold is None:
        return None
    if hold.degradation is not None:
        for name, value in hold.degradation.before.items():
            found = context.target.env.get(name, ABSENT)
            if found.value == hold.degradation.written.get(name) and found.state not in UNWRITABLE:
                env[name] = value
    replicas = hold.replicas if hold.replicas is not None and context.target.replicas == 0 else None
    return TargetPatch(
        uid=context.target.uid,
        resource_version=context.target.resource_version,
        hold=None,
        env=env,
        replicas=replicas,
    )
