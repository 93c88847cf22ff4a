"""A census has every key of both sides once, in whatever order they come."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certstorage.validator.census import Counts, Row, census
from certstorage.validator.facts import RemoteFacts
from certstorage.validator.localtree import WalkTrouble
from certstorage.validator.store import Listed
from tests.unit.validator.fakes import PREFIX, Copies, FakeStore

NAMES = st.builds(
    lambda folder, number: f"{folder}{number}.pdf", st.sampled_from(["", "a/", "a/b/", "c/"]), st.integers(0, 9)
)


class Paged(FakeStore):
    """Lists the pages it was given."""

    def __init__(self, pages: Iterator[Sequence[Listed]]) -> None:
        super().__init__()
        self._pages = pages

    def list(self, prefix: str) -> Iterator[Sequence[Listed]]:
        return self._pages


def listed(name: str, size: int) -> Listed:
    return Listed(PREFIX + name, RemoteFacts(size, "0" * 32, datetime(2026, 11, 1, tzinfo=UTC)))


def taken(copies: Copies, pages: Iterator[Sequence[Listed]]) -> tuple[Iterator[Row], Counts]:
    counts = Counts()
    return census(copies.context._replace(store=Paged(pages)), counts, WalkTrouble()), counts


@settings(max_examples=60)
@given(st.dictionaries(NAMES, st.integers(0, 2)), st.dictionaries(NAMES, st.integers(0, 2)), st.data())
def test_rows_are_the_same_in_whatever_order_a_bucket_lists(
    local: dict[str, int], remote: dict[str, int], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(sorted(remote)) | st.just(sorted(remote)))
    page = data.draw(st.integers(1, 4))
    with tempfile.TemporaryDirectory() as folder:
        copies = Copies(Path(folder))
        for name, size in local.items():
            copies.save_locally(name, b"." * size)
        pages = ([listed(name, remote[name]) for name in order[at : at + page]] for at in range(0, len(order), page))
        rows, counts = taken(copies, pages)
        found = sorted((row.key, row.local_size, row.remote.size if row.remote else None) for row in rows)
    assert found == sorted((PREFIX + name, local.get(name), remote.get(name)) for name in local.keys() | remote.keys())
    assert (counts.local, counts.s3) == (len(local), len(remote))
    assert (counts.missing, counts.extra) == (len(local.keys() - remote.keys()), len(remote.keys() - local.keys()))
    assert counts.sizes == sum(local[name] != remote[name] for name in local.keys() & remote.keys())


def first_to_last(copies: Copies, order: str) -> tuple[set[str], int]:
    """A census of the folders a, b and c, listed in this order, while a file comes to c between both pages.

    Returns what is missing in the bucket, and the number of files.
    """
    names = [f"{folder}/{number}.pdf" for folder in order for number in range(4)]
    for name in names:
        copies.save_locally(name, b".")

    def pages() -> Iterator[Sequence[Listed]]:
        yield [listed(name, 1) for name in names[:4]]
        copies.save_locally("c/late.pdf", b".")
        yield [listed(name, 1) for name in names[4:]]

    rows, counts = taken(copies, pages())
    return {row.key for row in rows if row.remote is None}, counts.local


def test_the_first_pages_are_held_against_the_files_while_the_others_are_walked(copies: Copies) -> None:
    assert first_to_last(copies, "abc") == ({f"{PREFIX}c/late.pdf"}, 13)


def test_what_comes_too_early_waits_only_so_much(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("certstorage.validator.census._MOST_WAIT", 4)
    assert first_to_last(copies, "cba") == (set(), 12)
