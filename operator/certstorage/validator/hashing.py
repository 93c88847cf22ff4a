"""The listing tier: what the ETags of a listing say about the local files, every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from certstorage.validator.census import Row
from certstorage.validator.context import Context
from certstorage.validator.etag import Hasher, Says
from certstorage.validator.facts import Method
from certstorage.validator.localtree import FileChangedError, LocalError, LocalTree
from certstorage.validator.marks import Marks, mark

_CHUNK = 1 << 20
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Judged:
    """A row of a census and what its ETag says; `mark` is empty where none is kept."""

    row: Row
    says: Says
    method: Method = Method.NONE


def judged(rows: Iterator[Row], context: Context, marks: Marks) -> Iterator[Judged]:
    """Every row, with the local file hashed where size and presence agree."""
    return context.spread(lambda row: _judge(row, context.tree, marks), rows, _BATCH)


def _judge(row: Row, tree: LocalTree, marks: Marks) -> Judged:
    if row.differs or row.remote is None:
        return Judged(row, Says.DIFFERENT, Method.LISTING)
    hasher = Hasher(row.remote.etag, row.remote.size)
    if not hasher.useful:
        return Judged(row, Says.NOTHING)
    if marks.kept and mark("etag", row) in marks:
        return Judged(row, Says.EQUAL, hasher.method)
    try:
        with tree.opened(row.key) as file:
            if file is None:
                return Judged(row, Says.DIFFERENT, Method.LISTING)
            while data := file.read(_CHUNK):
                hasher.update(data)
            if file.facts.size != row.remote.size:
                return Judged(row, Says.DIFFERENT, Method.LISTING)
    except (FileChangedError, LocalError):
        return Judged(row, Says.DIFFERENT, Method.LISTING)
    says = hasher.verdict()
    if says is Says.EQUAL and marks.kept:
        marks.add(mark("etag", row))
    return Judged(row, says, hasher.method)
