"""The local tree: what a walk met is found again."""

from __future__ import annotations

import pytest

from certstorage.validator.localtree import WalkTrouble
from tests.unit.validator.fakes import PREFIX, Copies

SIZES = {3, 7}


@pytest.mark.parametrize("later", [0, 1, 20], ids=["nothing new", "one file more", "many more"])
def test_files_of_a_size_are_found_whatever_was_added_since_the_walk(copies: Copies, later: int) -> None:
    for number in range(60):
        copies.save_locally(f"a/{number}.pdf", b"." * (number % 10))
    (copies.root / "a" / ".hidden").write_bytes(b"...")
    (copies.root / "a" / "below").mkdir()
    tree = copies.context.tree
    walked = list(tree.files(WalkTrouble()))
    places = {place for place, (_, facts) in enumerate(walked) if facts.size in SIZES}
    for number in range(later):
        copies.save_locally(f"a/later-{number}.pdf", b"")
    found = tree.of_sizes(f"{PREFIX}a", SIZES, places)
    assert sorted(found) == sorted(key for key, facts in walked if facts.size in SIZES)


def test_files_of_a_size_in_a_folder_that_is_gone(copies: Copies) -> None:
    assert copies.context.tree.of_sizes(f"{PREFIX}a", SIZES, {0}) == []
