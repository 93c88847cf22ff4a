"""The listing tier: what the ETags of a listing say about the local files, every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from certstorage.validator.census import Row
from certstorage.validator.context import Context
from certstorage.validator.digester import Question
from certstorage.validator.etag import Hasher, Says, is_md5
from certstorage.validator.facts import Method
from certstorage.validator.localfile import LocalError
from certstorage.validator.localtree import LocalTree
from certstorage.validator.marks import Marks, mark

_BATCH = 32
_TOGETHER = 4096


class Judged(NamedTuple):
    """A row of a census and what its ETag says."""

    row: Row
    says: Says
    method: Method = Method.NONE


def judged(rows: Iterator[Row], context: Context, marks: Marks) -> Iterator[Judged]:
    """Every row, with the local file hashed where size and presence agree.

    Plain MD5s are taken by processes; the rare ETags that are made of parts by threads, some thousands at a time.

    Raises:
        LocalError: a process that hashes ended.
    """
    aside: list[Row] = []
    asked = ((row, _question(row, context.tree, marks)) for row in rows)
    for batch in context.ahead(context.crew.hashed(asked)):
        for row, md5 in batch:
            if md5 is not None and row.remote is not None:
                says = Says.EQUAL if md5.hex() == row.remote.etag else Says.DIFFERENT
                yield _noted(Judged(row, says, Method.ETAG_MD5), marks)
            elif row.differs:
                yield Judged(row, Says.DIFFERENT, Method.LISTING)
            else:
                aside.append(row)
        if len(aside) >= _TOGETHER:
            yield from _by_threads(aside, context, marks)
            aside = []
    yield from _by_threads(aside, context, marks)


def _question(row: Row, tree: LocalTree, marks: Marks) -> Question | None:
    """What a process is asked about a row, if it can answer and is needed."""
    if row.differs or row.remote is None or not is_md5(row.remote.etag) or _marked(row, marks):
        return None
    return tree.path(row.key) or "", row.remote.size


def _by_threads(rows: list[Row], context: Context, marks: Marks) -> Iterator[Judged]:
    return context.spread(lambda row: _judge(row, context.tree, marks), rows, _BATCH)


def _judge(row: Row, tree: LocalTree, marks: Marks) -> Judged:
    assert row.remote is not None
    hasher = Hasher(row.remote.etag, row.remote.size)
    if not hasher.useful:
        return Judged(row, Says.NOTHING)
    if _marked(row, marks):
        return Judged(row, Says.EQUAL, hasher.method)
    try:
        whole = tree.feed(row.key, row.remote.size, hasher.update)
    except LocalError:
        whole = False
    return _noted(Judged(row, hasher.verdict() if whole else Says.DIFFERENT, hasher.method), marks)


def _marked(row: Row, marks: Marks) -> bool:
    return marks.kept and mark("etag", row) in marks


def _noted(one: Judged, marks: Marks) -> Judged:
    if one.says is Says.EQUAL and marks.kept:
        marks.add(mark("etag", one.row))
    return one
