"""From a first look to a finding: a difference counts only if a second look, a while later, sees the very same one.

In between the application may have finished what it was writing. With a mender the difference is repaired then, and
looked at once more; a late look at every upload takes back what the application deleted at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import NamedTuple

from certstorage.validator.compare import look
from certstorage.validator.context import Context
from certstorage.validator.facts import Look, Outcome
from certstorage.validator.found import Settled
from certstorage.validator.mender import Act, Done, Mender
from certstorage.validator.throttle import Cancelled

_BLOCK = 20_000
"""Keys that are carried to their end before the next are begun: differences wait in memory for their second look."""

_MOST_AT_ONCE = 16


class Care(NamedTuple):
    """How differences are confirmed: looks are `pause_seconds` apart, and what changed less than `min_age` ago is in
    flight; a mender gets `rounds` chances.
    """

    pause_seconds: float = 5.0
    min_age: timedelta = timedelta(0)
    rounds: int = 4


def settle(
    keys: Iterable[str],
    context: Context,
    care: Care,
    result: Settled,
    *,
    mender: Mender | None = None,
    same: Callable[[str], object] = lambda key: None,
    alike: bool = True,
) -> None:
    """Look at every key, again at every difference, and mend what is confirmed if there is a mender.

    What comes of it is added to `result`; `same` is told of each key found equal. `alike`: most keys should be.

    Raises:
        StoreError: a fault every request meets.
        Cancelled: asked to stop; what still awaited its second look counts as in flight.
    """
    source = iter(keys)
    while block := list(islice(source, _BLOCK)):
        _Block(context, care, result, mender, same).settle(block, alike=alike)


class _Case:
    """A key whose first look found no equality. `doubtful`: it could not be read, or came with changing bytes."""

    def __init__(self, found: Look) -> None:
        self.first = self.last = found
        self.doubtful = found.outcome.unknown

    def end(self) -> Look:
        """What it comes to when there is no more time to look again."""
        if not self.last.outcome.mismatch:
            return self.last
        if self.doubtful:
            return self.last._replace(outcome=Outcome.ERROR, detail="seen once; other attempts failed or disagreed")
        if self.last.local != self.first.local:
            return self.last._replace(outcome=Outcome.IN_FLIGHT, detail="written to while it was compared")
        return self.last


class _Block:
    """Keys that are carried to their end together."""

    def __init__(
        self,
        context: Context,
        care: Care,
        result: Settled,
        mender: Mender | None,
        same: Callable[[str], object],
    ) -> None:
        self._context = context
        self._care = care
        self._result = result
        self._mender = mender
        self._same = same
        self._cases: dict[str, _Case] = {}
        self._uploads: list[Done] = []

    def settle(self, keys: list[str], *, alike: bool) -> None:
        """Look, wait, look again, until every key has its end."""
        context, care = self._context, self._care
        try:
            for found in context.spread(partial(self._look, alike=alike), keys, self._batch(len(keys))):
                context.progress.step(1, int(found.outcome.mismatch))
                if not self._ended(found):
                    self._cases[found.key] = _Case(found)
            for _ in range(care.rounds):
                if not self._cases:
                    break
                context.wait(care.pause_seconds)
                self._take_back()
                for case, found, done in context.spread(self._again, list(self._cases.values())):
                    self._advance(case, found, done)
            if self._uploads:
                context.wait(care.pause_seconds)
                self._take_back()
        except Cancelled:
            for case in self._cases.values():
                stopped = "stopped before the second look"
                self._result.note(case.last._replace(outcome=Outcome.IN_FLIGHT, detail=stopped))
            raise
        for case in self._cases.values():
            self._result.note(case.end())

    def _batch(self, keys: int) -> int:
        """How many keys a thread takes at once: the more, the less it costs; at the end all threads have some."""
        return min(_MOST_AT_ONCE, max(1, keys // (4 * self._context.workers)))

    def _look(self, key: str, *, alike: bool) -> Look:
        return look(key, self._context.tree, self._context.store, alike=alike)

    def _ended(self, found: Look) -> bool:
        if found.outcome is Outcome.SAME:
            self._same(found.key)
        elif found.outcome is not Outcome.GONE:
            return False
        self._result.note(found)
        return True

    def _again(self, case: _Case) -> tuple[_Case, Look, Done | None]:
        """Look again; mend what looks the same as before and is still wrong."""
        now = self._look(case.first.key, alike=False)
        if self._mender is None or not _confirmed(case.last, now) or self._young(now):
            return case, now, None
        done = self._mender.mend(now)
        after = self._look(now.key, alike=True)
        return case, after._replace(detail=f"{done.act} {done.detail}".strip()), done

    def _advance(self, case: _Case, found: Look, done: Done | None) -> None:
        key = case.first.key
        if done is not None:
            self._result.acted(done)
            if done.act is Act.UPLOADED:
                self._uploads.append(done)
        if self._ended(found):
            del self._cases[key]
        elif self._mender is None and _confirmed(case.last, found):
            del self._cases[key]
            in_flight = found._replace(outcome=Outcome.IN_FLIGHT, detail="too young to be judged")
            self._result.note(in_flight if self._young(found) else found)
        else:
            other_bytes = case.last.identity == found.identity and case.last.digest != found.digest
            case.doubtful |= found.outcome.unknown or (done is None and other_bytes)
            case.last = found

    def _take_back(self) -> None:
        if self._mender is None:
            return
        mender = self._mender
        for before, after in self._context.spread(lambda done: (done, mender.take_back(done)), self._uploads):
            if after is not before:
                self._result.acted(after, before)
        self._uploads = []

    def _young(self, found: Look) -> bool:
        now = self._context.now()
        times = [found.remote.modified] if found.remote else []
        if found.local:
            times.append(datetime.fromtimestamp(found.local.changed_ns / 1e9, tz=now.tzinfo))
        return any(abs(now - time) < self._care.min_age for time in times)


def _confirmed(before: Look, now: Look) -> bool:
    """Whether both looks saw the very same difference."""
    return (
        before.outcome.mismatch
        and now.outcome is before.outcome
        and now.identity == before.identity
        and now.digest == before.digest
    )
