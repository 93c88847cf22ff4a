"""The listing tier: what the ETags of a listing say about the local files, every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from certstorage.validator.census import Row
from certstorage.validator.context import Context
from certstorage.validator.etag import Hasher, Says, is_md5
from certstorage.validator.facts import Method
from certstorage.validator.localfile import LocalError
from certstorage.validator.localtree import LocalTree
from certstorage.validator.marks import Marks, mark

_TOGETHER = 4096
_BATCH = 32


class Judged(NamedTuple):
    """A row of a census and what its ETag says."""

    row: Row
    says: Says
    method: Method = Method.NONE


def judged(rows: Iterator[Row], context: Context, marks: Marks) -> Iterator[Judged]:
    """Every row: by the MD5 of its file, which is hashed now where it was not, or the ETag is made of parts."""
    waiting: list[Row] = []
    for row in rows:
        if row.differs or row.remote is None:
            yield Judged(row, Says.DIFFERENT, Method.LISTING)
        elif row.local_md5 and is_md5(row.remote.etag):
            same = row.local_md5.hex() == row.remote.etag
            yield _noted(Judged(row, Says.EQUAL if same else Says.DIFFERENT, Method.ETAG_MD5), marks)
        else:
            waiting.append(row)
        if len(waiting) == _TOGETHER:
            yield from _hashed(waiting, context, marks)
            waiting = []
    yield from _hashed(waiting, context, marks)


def _hashed(rows: list[Row], context: Context, marks: Marks) -> Iterator[Judged]:
    return context.spread(lambda row: _judge(row, context.tree, marks), rows, _BATCH)


def _judge(row: Row, tree: LocalTree, marks: Marks) -> Judged:
    assert row.remote is not None
    hasher = Hasher(row.remote.etag, row.remote.size)
    if not hasher.useful:
        return Judged(row, Says.NOTHING)
    if marks.kept and mark("etag", row) in marks:
        return Judged(row, Says.EQUAL, hasher.method)
    try:
        whole = tree.feed(row.key, row.remote.size, hasher.update)
    except LocalError:
        whole = False
    return _noted(Judged(row, hasher.verdict() if whole else Says.DIFFERENT, hasher.method), marks)


def _noted(one: Judged, marks: Marks) -> Judged:
    if one.says is Says.EQUAL and marks.kept:
        marks.add(mark("etag", one.row))
    return one
