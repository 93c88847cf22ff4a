"""The one place where wants become a write: all of a pass's changes to the Deployment in one PATCH.

Release is never by omission. The read flag goes back only with a permit; dual-write has no off; what was there before
is captured once, in the write that first changes it.
"""

from __future__ import annotations

from dataclasses import replace

from certstorage.api.decision import TargetPatch
from certstorage.api.env import UNWRITABLE, EnvVar, FlagState
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.receipt import ReceiptVerdict
from certstorage.runbook.wants import Context, Permit, Wants

ON, OFF = "true", "false"
ABSENT = EnvVar(FlagState.ABSENT)


def merge(context: Context, wants: Wants) -> TargetPatch | None:
    """The write that brings the Deployment to what is wanted; None when it is there already."""
    old, target = context.hold, context.target
    before = {} if old is None else dict(old.before)
    env: dict[str, str | None] = {}
    if wants.assert_reads_local:
        names = context.policy.spec.env
        _claim(context, names.read_primary, OFF, before, env)
        _claim(context, names.dual_write, ON, before, env)
    elif wants.permit is not None and old is not None and _opens(wants.permit, old):
        env.update(_give_back(context, before))
    hold = None if wants.hold is None else _numbered(old, replace(wants.hold, before=before))
    if not env and hold == old:
        return None
    return TargetPatch(uid=target.uid, resource_version=target.resource_version, hold=hold, env=env)


def _claim(context: Context, name: str, value: str, before: dict[str, str | None], env: dict[str, str | None]) -> None:
    """Write `value` where it is not in force yet, and capture what was there the first time."""
    found = context.target.env.get(name, ABSENT)
    wanted = EnvVar.literal(value).state
    if not name or found.state is wanted or found.state in UNWRITABLE:
        return
    before.setdefault(name, found.value)
    env[name] = value


def _opens(permit: Permit, hold: Hold) -> bool:
    """The second lock of invariant 2, whatever a scenario says: a pass, with the nonce of the open attempt."""
    return permit.receipt.verdict is ReceiptVerdict.PASSED and bool(hold.nonce) and permit.receipt.nonce == hold.nonce


def _give_back(context: Context, before: dict[str, str | None]) -> dict[str, str | None]:
    """The read flag as it was; dual-write only where there was none, since it is never turned off (invariant 1)."""
    names = context.policy.spec.env
    back: dict[str, str | None] = {}
    if names.read_primary in before:
        back[names.read_primary] = before[names.read_primary]
    if names.dual_write in before and before[names.dual_write] is None:
        back[names.dual_write] = None
    return back


def _numbered(old: Hold | None, new: Hold) -> Hold:
    """The new hold with its epoch: one on from the old one's where anything else differs."""
    if old is None:
        return replace(new, epoch=1)
    same = replace(new, epoch=old.epoch)
    return old if same == old else replace(new, epoch=old.epoch + 1)


def let_go(context: Context) -> TargetPatch | None:
    """The write that drops the hold and leaves every value as it is: no receipt, no return."""
    if context.hold is None or context.hold.reads is ReadsPhase.NONE:
        return None
    return TargetPatch(uid=context.target.uid, resource_version=context.target.resource_version, hold=None)
