"""From a first look to a finding: a difference counts only if a second look, a while later, sees the very same one.

In between the application may have finished what it was writing. With a mender the difference is repaired then, and
looked at once more; a late look at every upload takes back what the application deleted at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from certstorage.validator.compare import look
from certstorage.validator.context import Context
from certstorage.validator.facts import Look, Outcome
from certstorage.validator.repair import Act, Done, Mender


@dataclass(frozen=True, slots=True)
class Care:
    """How differences are confirmed: looks are `pause_seconds` apart, and what changed less than `min_age` ago is in
    flight; a mender gets `rounds` chances.
    """

    pause_seconds: float = 5.0
    min_age: timedelta = timedelta(0)
    rounds: int = 4


@dataclass(slots=True)
class Settled:
    """What many keys came to, in objects, with every look that is not a plain "same"."""

    same: int = 0
    gone: int = 0
    in_flight: list[Look] = field(default_factory=list)
    mismatches: list[Look] = field(default_factory=list)
    unknown: list[Look] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)

    @property
    def checked(self) -> int:
        """Keys with a result: equal, different, or not to be known."""
        return self.same + len(self.mismatches) + len(self.unknown)

    def acts(self, act: Act) -> int:
        """Keys with this act as their last."""
        return sum(done.act is act for done in {done.key: done for done in self.done}.values())


def settle(keys: Iterable[str], context: Context, care: Care, mender: Mender | None = None) -> Settled:
    """Look at every key, again at every difference, and mend what is confirmed if there is a mender."""
    result = Settled()
    pending = _first_looks(keys, context, result)
    uploads: list[Done] = []
    for _ in range(care.rounds if mender else 1):
        if not pending and not uploads:
            break
        context.wait(care.pause_seconds)
        if mender:
            result.done += context.spread(mender.take_back, uploads)
        uploads = []
        still: list[Look] = []
        for found, done in list(context.spread(lambda before: _again(before, context, care, mender), pending)):
            if done is not None:
                result.done.append(done)
                if done.act is Act.UPLOADED:
                    uploads.append(done)
            if not _counted(found, result):
                still.append(found)
        pending = still
    if mender and uploads:
        context.wait(care.pause_seconds)
        result.done += context.spread(mender.take_back, uploads)
    for found in pending:
        if found.outcome.mismatch:
            result.mismatches.append(found)
        elif found.outcome.unknown:
            result.unknown.append(found)
        else:
            result.in_flight.append(found)
    return result


def _first_looks(keys: Iterable[str], context: Context, result: Settled) -> list[Look]:
    pending: list[Look] = []
    for found in _looks(keys, context):
        if not _counted(found, result):
            pending.append(found)
        context.progress.step(1, int(found.outcome.mismatch))
    return pending


def _looks(keys: Iterable[str], context: Context) -> Iterator[Look]:
    return context.spread(lambda key: look(key, context.tree, context.store), keys)


def _counted(found: Look, result: Settled) -> bool:
    if found.outcome is Outcome.SAME:
        result.same += 1
    elif found.outcome is Outcome.GONE:
        result.gone += 1
    else:
        return False
    return True


def _again(before: Look, context: Context, care: Care, mender: Mender | None) -> tuple[Look, Done | None]:
    now = look(before.key, context.tree, context.store)
    if not now.outcome.mismatch:
        return now, None
    if now.identity != before.identity or _young(now, context.now(), care.min_age):
        return replace(now, outcome=Outcome.IN_FLIGHT, detail="written to while it was compared"), None
    if mender is None:
        return now, None
    done = mender.mend(now)
    after = look(before.key, context.tree, context.store)
    if after.outcome.mismatch and done.act is not Act.LOCAL_SUSPECT and done.act is not Act.FAILED:
        after = replace(after, outcome=Outcome.IN_FLIGHT, detail=f"{done.act}: {done.detail}")
    elif after.outcome.mismatch:
        after = replace(after, detail=f"{done.act}: {done.detail}")
    return after, done


def _young(found: Look, now: datetime, min_age: timedelta) -> bool:
    times = []
    if found.local:
        times.append(datetime.fromtimestamp(found.local.changed_ns / 1e9, tz=now.tzinfo))
    if found.remote:
        times.append(found.remote.modified)
    return any(now - time < min_age for time in times)
