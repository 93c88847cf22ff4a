"""Every key of both copies, from one walk and one listing: what is missing, extra, of another size, changed lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from certstorage.validator.context import Context
from certstorage.validator.digesters import File, hashed
from certstorage.validator.facts import RemoteFacts
from certstorage.validator.index import LocalIndex
from certstorage.validator.localtree import LocalTree, WalkTrouble
from certstorage.validator.pattern import Tally
from certstorage.validator.sampling import WHOLE, Shard

CLOCK_MARGIN = timedelta(minutes=15)
"""How far the clocks of nodes, file server and bucket may be apart (S3 refuses more): "since" begins this early."""

_PAGES_AHEAD = 128
"""Pages of a thousand objects that are listed while the files are still hashed: 50 MiB at most."""


class Row(NamedTuple):
    """One key: size, time of the last change (ns) and MD5 of its file, facts of its object; None on the side it lacks.

    The MD5 is empty where it is not known.
    """

    key: str
    local_size: int | None
    local_changed_ns: int
    remote: RemoteFacts | None
    local_md5: bytes = b""

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
    context: Context,
    counts: Counts,
    trouble: WalkTrouble,
    shard: Shard = WHOLE,
    tally: Tally | None = None,
    *,
    hashing: bool = False,
) -> Iterator[Row]:
    """Walk and list. A key the application writes or deletes meanwhile shows as a difference; a second look settles it.

    Only the keys of the shard are counted and yielded; `tally` counts every file. With `hashing` the files are read
    while the bucket is listed. Memory: 45 bytes a file.

    Raises:
        StoreError, LocalError: a side cannot be read.
    """
    tree, store = context.tree, context.store
    pages = context.ahead(store.list(tree.keys.prefix), _PAGES_AHEAD)
    index = LocalIndex()
    files = _files(tree, trouble, shard, tally)
    if hashing:
        for batch in context.ahead(hashed(files, tree.path)):
            for key, facts, md5 in batch:
                index.add(key, facts, md5)
    else:
        for key, facts in files:
            index.add(key, facts)
    counts.local = index.files
    for page in pages:
        for listed in page:
            if not (tree.keys.is_data(listed.key) and shard.has(listed.key)):
                continue
            local = index.match(listed.key)
            if local is None and not listed.facts.size and tree.is_directory(listed.key):
                continue
            counts.s3 += 1
            size, changed, md5 = local or (None, 0, b"")
            row = Row(listed.key, size, changed, listed.facts, md5)
            counts.extra += local is None
            counts.sizes += local is not None and row.differs
            yield row
        context.progress.step(len(page))
    counts.missing = index.files - index.seen
    if counts.missing:
        for folder in index.unseen_folders():
            for key in tree.folder(folder, trouble):
                if (found := index.unseen(key)) is not None:
                    yield Row(key, found[0], found[1], None)


def _files(tree: LocalTree, trouble: WalkTrouble, shard: Shard, tally: Tally | None) -> Iterator[File]:
    """The files of the shard; all of them are counted."""
    for key, facts in tree.walk(trouble):
        if tally is not None:
            tally.add(key, facts.size, facts.mtime_ns)
        if shard.has(key):
            yield key, facts
