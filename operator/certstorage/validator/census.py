"""Every key of both copies, from one walk and one listing: what is missing, extra, of another size, changed lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from certstorage.validator.context import Context
from certstorage.validator.facts import RemoteFacts
from certstorage.validator.index import LocalIndex
from certstorage.validator.localtree import WalkTrouble
from certstorage.validator.pattern import Tally
from certstorage.validator.sampling import WHOLE, Shard

CLOCK_MARGIN = timedelta(minutes=15)
"""How far the clocks of nodes, file server and bucket may be apart (S3 refuses more): "since" begins this early."""


class Row(NamedTuple):
    """One key: size and time of the last change (ns) of its file, facts of its object; None on the side it lacks."""

    key: str
    local_size: int | None
    local_changed_ns: int
    remote: RemoteFacts | None

    @property
    def differs(self) -> bool:
        """Whether the listing alone shows a difference."""
        return self.remote is None or self.local_size is None or self.local_size != self.remote.size

    def changed_since(self, since: datetime) -> bool:
        """Whether either side was written since then, as far as clocks agree."""
        remote_ns = int(self.remote.modified.timestamp() * 1e9) if self.remote else 0
        return max(self.local_changed_ns, remote_ns) >= int((since - CLOCK_MARGIN).timestamp() * 1e9)


@dataclass(slots=True)
class Counts:
    """What a census saw, in objects. `local` and `s3` are the populations of the two sides."""

    local: int = 0
    s3: int = 0
    missing: int = 0
    extra: int = 0
    sizes: int = 0

    @property
    def union(self) -> int:
        """Keys on either side."""
        return self.local + self.extra


def census(
    context: Context, counts: Counts, trouble: WalkTrouble, shard: Shard = WHOLE, tally: Tally | None = None
) -> Iterator[Row]:
    """Walk and list. A key the application writes or deletes meanwhile shows as a difference; a second look settles it.

    Only the keys of the shard are counted and yielded; `tally` counts every file. Memory: 29 bytes a file.
    """
    tree, store = context.tree, context.store
    pages = store.list(tree.keys.prefix)
    index = LocalIndex()
    for key, facts in tree.walk(trouble):
        if shard.has(key):
            index.add(key, facts)
        if tally is not None:
            tally.add(key, facts.size, facts.mtime_ns)
    counts.local = index.files
    for page in pages:
        for listed in page:
            if not (tree.keys.is_data(listed.key) and shard.has(listed.key)):
                continue
            local = index.match(listed.key)
            if local is None and not listed.facts.size and tree.is_directory(listed.key):
                continue
            counts.s3 += 1
            row = Row(listed.key, local[0] if local else None, local[1] if local else 0, listed.facts)
            counts.extra += local is None
            counts.sizes += local is not None and row.differs
            yield row
        context.progress.step(len(page))
    counts.missing = index.files - index.seen
    if counts.missing:
        for folder in index.unseen_folders():
            for key in tree.folder(folder, trouble):
                if (local := index.unseen(key)) is not None:
                    yield Row(key, local[0], local[1], None)
