"""What a tally of all files says of a batch is what counting them one by one says."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from certstorage.validator.pattern import Axis, Tally, batches_of, traits

FILES = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 5_000), st.integers(0, 400)), max_size=40, unique=True
).map(sorted)


@given(FILES, st.data())
def test_a_tally_counts_every_batch(files: list[tuple[str, int, int]], data: st.DataObject) -> None:
    found = [
        (f"certificates/{folder}/{number}.pdf", size, hour * 3600 * 10**9 + 7)
        for number, (folder, size, hour) in enumerate(files)
    ]
    tally = Tally()
    for one in found:
        tally.add(*one)
    every = [traits(*one) for one in found]
    hits = data.draw(st.lists(st.sampled_from(every), max_size=5)) if every else []
    populations = tally.populations(batches_of(hits))
    assert populations.total == len(found)
    for place, axis in enumerate(Axis):
        assert populations.batches[axis] == len({one[place] for one in every})
        for hit in hits:
            assert populations.of_batch[axis, hit[place]] == sum(one[place] == hit[place] for one in every)
    for size in {one[1] for one in found} | {5_001}:
        with_it = list(tally.folders_with({size, 5_002}))
        assert len(with_it) == len(dict(with_it))
        assert dict(with_it) == {
            folder: {place for place, one in enumerate(files) if one[1] == size}
            for folder, files in _by_folder(found).items()
            if any(one[1] == size for one in files)
        }


def _by_folder(found: list[tuple[str, int, int]]) -> dict[str, list[tuple[str, int, int]]]:
    return {folder: list(files) for folder, files in groupby(found, lambda one: one[0].rpartition("/")[0])}
