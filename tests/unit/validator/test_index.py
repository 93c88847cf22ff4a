"""The index knows every file, by hash alone; the key list every key, in order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from certstorage.validator.facts import LocalFacts
from certstorage.validator.index import LocalIndex
from certstorage.validator.keylist import KeyList

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
files = st.dictionaries(texts, st.tuples(st.integers(0, 2**40), st.integers(0, 2**62), st.integers(0, 2**62)))


@settings(max_examples=30)
@given(files, st.sets(texts))
def test_index_remembers_what_was_added(known: dict[str, tuple[int, int, int]], others: set[str]) -> None:
    index = LocalIndex()
    for key, (size, mtime, ctime) in known.items():
        index.add(key, LocalFacts(size, mtime, ctime, 1))
    half = list(known)[::2]
    for key in half:
        size, mtime, ctime = known[key]
        assert index.match(key) == (size, max(mtime, ctime))
        assert index.match(key) == (size, max(mtime, ctime))
    assert (index.files, index.seen) == (len(known), len(half))
    unseen = known.keys() - set(half)
    assert {key for key in known if index.unseen(key)} == unseen
    assert set(index.unseen_folders()) == {key.rpartition("/")[0] for key in unseen}
    for key in unseen:
        size, mtime, ctime = known[key]
        assert index.unseen(key) == (size, max(mtime, ctime))
    for key in others - known.keys():
        assert index.match(key) is None
        assert not index.unseen(key)


def test_a_crowded_drawer_is_searched_to_its_end() -> None:
    index = LocalIndex()
    for number in range(80_000):
        index.add(f"k{number}", LocalFacts(number, number, 0, 0))
    assert all(index.match(f"k{number}") == (number, number) for number in range(0, 80_000, 997))


@given(st.lists(texts))
def test_key_list_gives_back_what_it_got(keys: list[str]) -> None:
    found = KeyList()
    for key in keys:
        found.append(key)
    assert (list(found), len(found)) == (keys, len(keys))
