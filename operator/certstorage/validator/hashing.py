"""The listing tier: what the ETags of a listing say about the local files, every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from certstorage.validator.census import Row
from certstorage.validator.context import Context
from certstorage.validator.etag import Hasher, Says
from certstorage.validator.facts import Method
from certstorage.validator.localfile import LocalError
from certstorage.validator.localtree import LocalTree
from certstorage.validator.marks import Marks, mark

_BATCH = 32


class Judged(NamedTuple):
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
        whole = tree.feed(row.key, row.remote.size, hasher.update)
    except LocalError:
        whole = False
    says = hasher.verdict() if whole else Says.DIFFERENT
    if says is Says.EQUAL and marks.kept:
        marks.add(mark("etag", row))
    return Judged(row, says, hasher.method)
