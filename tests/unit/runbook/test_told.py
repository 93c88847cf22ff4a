"""The procedures as they are written, said and asked, pass by pass: each story's page is in `told/`, read like a log.

Each story is a history of what the operator sees; `telling` writes what it makes of it. A rule that changes changes a
page, and whoever reviews it reads what people would have read. `make core-docs` writes the pages.
"""

from __future__ import annotations

import pytest

from tests.unit.runbook import (
    told_degradation,
    told_deletion,
    told_inconsistency,
    told_milder,
    told_outage,
    told_requests,
    told_sweep,
)
from tests.unit.runbook.tellers import HERE, STORIES
from tests.unit.runbook.telling import telling

TOLD = (told_degradation, told_deletion, told_inconsistency, told_milder, told_outage, told_requests, told_sweep)


def page(name: str) -> str:
    """The page of one story, headed by its name in words."""
    return f"{name.replace('_', ' ').capitalize()}.\n\n{telling(STORIES[name]())}"


@pytest.mark.parametrize("name", STORIES)
def test_the_story_is_told_as_its_page_says(name: str) -> None:
    assert page(name) == (HERE / f"{name}.txt").read_text("utf-8"), "read what changed, then `make core-docs`"


def test_every_page_has_its_story() -> None:
    assert {told.__module__ for told in STORIES.values()} == {module.__name__ for module in TOLD}
    assert {path.stem for path in HERE.glob("*.txt")} == STORIES.keys()


def main() -> None:
    """Write all pages."""
    for path in HERE.glob("*.txt"):
        path.unlink()
    for name in STORIES:
        (HERE / f"{name}.txt").write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main()
