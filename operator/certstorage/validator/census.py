"""Every key of both copies, from one walk and one listing: what is missing, extra, of another size, changed lately."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from certstorage.validator.context import Context, Progress
from certstorage.validator.facts import RemoteFacts
from certstorage.validator.index import LocalIndex
from certstorage.validator.localtree import LocalTree, WalkTrouble
from certstorage.validator.pattern import Tally
from certstorage.validator.sampling import WHOLE, Shard
from certstorage.validator.store import Listed

CLOCK_MARGIN = timedelta(minutes=15)
"""How far the clocks of nodes, file server and bucket may be apart (S3 refuses more): "since" begins this early."""

_MOST_WAIT = 16_000
"""Objects that are held against the files before all files are known, and are found too early: 10 MiB."""


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


class Counts:
    """What a census saw, in objects. `local` and `s3` are the populations of the two sides."""

    def __init__(self) -> None:
        self.local = 0
        self.s3 = 0
        self.missing = 0
        self.extra = 0
        self.sizes = 0

    @property
    def union(self) -> int:
        """Keys on either side."""
        return self.local + self.extra


def census(
    context: Context, counts: Counts, trouble: WalkTrouble, shard: Shard = WHOLE, tally: Tally | None = None
) -> Iterator[Row]:
    """Walk and list. A key the application writes or deletes meanwhile shows as a difference; a second look settles it.

    A page of the listing is held against the files as soon as so many are known, for as long as both come in about the
    same order; what is not among them yet waits for the end of the walk.

    Only the keys of the shard are counted and yielded; `tally` counts every file. Memory: 29 bytes a file.
    """
    tree = context.tree
    pages = _told(context.store.list(tree.keys.prefix), context.progress)
    index = LocalIndex()
    matching = _Matching(tree, index, counts, shard)
    for files in tree.walk(trouble):
        for key, facts in files:
            if shard.has(key):
                index.add(key, facts)
            if tally is not None:
                tally.add(key, facts.size, facts.mtime_ns)
        while matching.held < index.files and len(matching.alone) < _MOST_WAIT and (page := next(pages, None)):
            yield from matching.both(page)
    counts.local = index.files
    for page in chain((matching.waiting(),), pages):
        yield from matching.both(page)
        yield from matching.extra()
    counts.missing = index.files - index.seen
    if counts.missing:
        for folder in index.unseen_folders():
            for key in tree.folder(folder, trouble):
                if (local := index.unseen(key)) is not None:
                    yield Row(key, local[0], local[1], None)


def _told(pages: Iterator[Sequence[Listed]], progress: Progress) -> Iterator[Sequence[Listed]]:
    for page in pages:
        progress.step(len(page))
        yield page


class _Matching:
    """A listing held against the files; `alone` are the objects that no file was found for."""

    def __init__(self, tree: LocalTree, index: LocalIndex, counts: Counts, shard: Shard) -> None:
        self._tree = tree
        self._index = index
        self._counts = counts
        self._shard = shard
        self.alone: list[Listed] = []

    @property
    def held(self) -> int:
        """The objects of this shard that came so far."""
        return self._counts.s3 + len(self.alone)

    def waiting(self) -> list[Listed]:
        """Those that are to be tried again, now that every file is known."""
        waiting, self.alone = self.alone, []
        return waiting

    def both(self, page: Sequence[Listed]) -> Iterator[Row]:
        """The rows that have a file."""
        is_data, has, match, counts = self._tree.keys.is_data, self._shard.has, self._index.match, self._counts
        for one in page:
            key, remote = one
            if is_data(key) and has(key):
                local = match(key)
                if local is None:
                    self.alone.append(one)
                else:
                    counts.s3 += 1
                    counts.sizes += local[0] != remote.size
                    yield Row(key, local[0], local[1], remote)

    def extra(self) -> Iterator[Row]:
        """The rows that have none. Some tools leave markers of directories in a bucket: they are none."""
        for key, remote in self.waiting():
            if remote.size or not self._tree.is_directory(key):
                self._counts.s3 += 1
                self._counts.extra += 1
                yield Row(key, None, 0, remote)
