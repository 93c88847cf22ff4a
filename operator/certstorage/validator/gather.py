"""Shards that run as Pods of one Job: each leaves its report in the bucket, and the one that ends last merges them.

No shard waits for another. The listing of the bucket is consistent, so whoever writes last sees all; two that end
together both merge, and say the same. The report in the bucket is what counts: a shard that has left it there has done
its part, whatever it found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from certstorage.validator.context import Context
from certstorage.validator.found import Found
from certstorage.validator.merge import Merged, merge, parse
from certstorage.validator.naming import name
from certstorage.validator.reading import Reading, grown
from certstorage.validator.recover import summed_up
from certstorage.validator.report import Json
from certstorage.validator.sampling import Shard, Window
from certstorage.validator.settings import UsageError
from certstorage.validator.store import Fault, Store, StoreError, whole


class Gathering(NamedTuple):
    """How shards become one run. `rest`: every key of the sampled part of both copies, for a sample that grows."""

    reading: Reading
    rest: Callable[[Context, Found], Iterator[str]]

    def merged(self, context: Context, reports: list[dict[str, object]]) -> Merged:
        """All shards as one; where one run would have read more before it judged, that is read now."""
        together = merge(reports, self.reading.rule.most_mismatch)
        if not (together.verdict.grow and self.reading.grows):
            return together
        found, asked = together.found, together.sampling
        window = Window(asked["rate"], asked["epoch"], asked["salt"])
        verdict = grown(
            context, self.reading, window, found, reach=together.reach, rest=lambda: self.rest(context, found)
        )
        name(context, self.reading.care, found)
        return together.judged(summed_up(verdict, found) if together.command == "recover" else verdict)


def deliver(store: Store, folder: str, shard: Shard, document: Json) -> None:
    """Leave the report of a shard where the others look for it; a shard that is run again replaces its own.

    Raises:
        StoreError: it cannot be left there.
    """
    key = _key(folder, shard.part, shard.parts)
    there = store.head(key)
    store.put(key, json.dumps(document).encode(), replacing=there.etag if there else None)


def collected(store: Store, folder: str, shard: Shard) -> list[dict[str, object]] | None:
    """The reports of all shards of a run; None while one is missing.

    Raises:
        StoreError: one cannot be read, or is not of this run.
    """
    keys = {_key(folder, index, shard.parts) for index in range(shard.parts)}
    there = {listed.key for page in store.list(folder) for listed in page}
    if not keys <= there:
        return None
    try:
        return parse({key: _text(store, key) for key in sorted(keys)})
    except UsageError as error:
        raise StoreError(Fault.REFUSED, str(error)) from error


def _key(folder: str, index: int, count: int) -> str:
    return f"{folder}{index}-of-{count}.json"


def _text(store: Store, key: str) -> str:
    data = whole(store, key)
    if data is None:
        raise StoreError(Fault.REFUSED, f"{key} is gone")
    return data.decode(errors="replace")
