"""Repair what a report names: each key looked at twice again first, so an old report does no harm."""

from __future__ import annotations

import json
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from certstorage.validator.context import Context
from certstorage.validator.facts import Outcome
from certstorage.validator.found import Found, Settled
from certstorage.validator.localtree import WalkTrouble
from certstorage.validator.mender import Mender
from certstorage.validator.probe import probe
from certstorage.validator.report import SCHEMA
from certstorage.validator.settings import Settings, UsageError
from certstorage.validator.settle import Care, settle
from certstorage.validator.store import Store, StoreError, whole
from certstorage.validator.verdict import Status, Verdict, unknown

_SHRUNKEN = 0.5
"""A local tree of less than this share of the files it had when the report was written is not trusted."""


class Named(NamedTuple):
    """What a report names: the keys to repair and how many files the local tree had."""

    keys: list[str]
    local: int


class Mending(NamedTuple):
    """Which mismatches are mended, how many in one run at most, and where."""

    outcomes: frozenset[Outcome]
    most: int
    care: Care
    own_prefix: str
    quarantine: str


class Plan(NamedTuple):
    """What a repair is asked to do. Without `apply` nothing is written: the report says what would be."""

    named: Named
    apply: bool
    mending: Mending


def fetched(place: str, settings: Settings, store: Store) -> bytes:
    """A report from where it was kept: a path, or `s3://<our bucket>/<key>`.

    Raises:
        UsageError: it is not there, or in another bucket.
    """
    ours = f"s3://{settings.bucket}/"
    try:
        if not place.startswith("s3://"):
            return Path(place).read_bytes()
        data = whole(store, place.removeprefix(ours)) if place.startswith(ours) else None
    except (OSError, StoreError) as error:
        raise UsageError(f"{place} cannot be read: {error}") from error
    if data is None:
        raise UsageError(f"{place} is not in the bucket {settings.bucket}")
    return data


def named_in(
    text: bytes,
    place: str,
    settings: Settings,
    *,
    outcomes: frozenset[Outcome],
    prefix: str = "",
    only: Collection[str] = (),
) -> Named:
    """The mismatches of a report, those of the outcomes asked for, under `prefix`, and of the keys `only` if any.

    `place` is for messages.

    Raises:
        UsageError: it is no report of ours, or of another bucket, prefix or tree.
    """
    try:
        document = json.loads(text)
        if document.get("schema") != SCHEMA:
            raise UsageError(f"{place} is no {SCHEMA}")
        for field, ours in (("bucket", settings.bucket), ("prefix", settings.prefix), ("root", str(settings.root))):
            if document[field] != ours:
                raise UsageError(f"{place} is about {field} {document[field]!r}, not {ours!r}")
        details = document["mismatch_details"]
        keys = [
            one["key"]
            for one in details
            if one["outcome"] in outcomes and one["key"].startswith(prefix) and (not only or one["key"] in only)
        ]
        return Named(keys, int(document["population"]["local"]))
    except UsageError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{place} cannot be read as a report: {error}") from error


def repair(context: Context, plan: Plan, found: Found) -> Verdict:
    """Run it: PASS when nothing that was named differs any more.

    Raises:
        StoreError, LocalError: a side cannot be read at all; nothing is known.
        Cancelled: asked to stop; what was done is done, and a repetition goes on where this one ended.
    """
    found.counts.local = sum(1 for _ in context.tree.files(WalkTrouble()))
    if found.counts.local < _SHRUNKEN * plan.named.local:
        files = f"{found.counts.local} files, {plan.named.local} when the report was written"
        return unknown("LocalTreeShrunken", f"the local tree holds {files}: wrong mount?")
    mender = _mender(context, plan.mending, found) if plan.apply else None
    if isinstance(mender, Verdict):
        return mender
    keys = list(islice(plan.named.keys, plan.mending.most))
    found.at_risk.keys = len(keys)
    context.progress.phase("repair", len(keys))
    settle(keys, context, plan.mending.care, found.at_risk, mender=mender, alike=False)
    return _judge(plan, found, len(plan.named.keys) - len(keys))


def mend_found(context: Context, mending: Mending, found: Found) -> None:
    """Mend what a check has just found; its verdict stands, the report tells what was done.

    Raises:
        StoreError: a fault every request meets.
        Cancelled: asked to stop.
    """
    keys = [look.key for look in found.mismatches() if look.outcome in mending.outcomes][: mending.most]
    if not keys:
        return
    mender = _mender(context, mending, found)
    if isinstance(mender, Verdict):
        context.progress.say(f"nothing is repaired: {mender.message}")
        return
    context.progress.phase("repair", len(keys))
    result = Settled(keys=len(keys))
    settle(keys, context, mending.care, result, mender=mender, alike=False)
    found.at_risk.acts, found.at_risk.done = result.acts, result.done


def _mender(context: Context, mending: Mending, found: Found) -> Mender | Verdict:
    found.probe = probe(context.store, mending.own_prefix, rounds=1, interval_seconds=0, wait=context.wait)
    if not found.probe.ok:
        return unknown("ProbeFailed", f"the canary failed: {found.probe.failures[-1]}")
    if not found.probe.conditional_put:
        return unknown("NoConditionalWrites", "the endpoint ignores If-Match: an upload could undo a newer write")
    return Mender(context.tree, context.store, mending.quarantine, found.probe.conditional_delete)


def _judge(plan: Plan, found: Found, left: int) -> Verdict:
    differ, unclear = len(found.at_risk.mismatches), len(found.at_risk.unknown)
    rate = differ / found.at_risk.checked if found.at_risk.checked else 0.0
    upper = (differ + unclear) / found.at_risk.checked if found.at_risk.checked else 0.0

    def say(status: Status, detail: str, message: str) -> Verdict:
        return Verdict(status, detail, message, rate, upper)

    if not plan.apply and differ:
        return say(Status.FAIL, "DryRun", f"{differ} would be repaired; give --apply to do it")
    if differ:
        return say(Status.FAIL, "StillDiffers", f"{differ} still differ")
    if left:
        return say(Status.FAIL, "MoreToRepair", f"{left} were left for the next run by --max-repairs")
    if unclear:
        return say(Status.INCONCLUSIVE, "Errors", f"{unclear} could not be verified")
    return say(Status.PASS, "Clean", f"all {found.at_risk.same} keys that are still there are the same")
