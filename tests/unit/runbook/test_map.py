"""Every row of the runbook has a module that is there, and a test that ran and passed; the pages are as the code is."""

from __future__ import annotations

import pytest

from certstorage.runbook.rows import ROWS
from tests.unit.runbook.conftest import OUTCOMES
from tests.unit.runbook.defaults import SOURCES, constants
from tests.unit.runbook.pages import MODULES, PAGES, PEOPLE, ROOT, RUNBOOK, STORIES, marked_tests


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_as_the_code_is(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == PAGES[name](), "run `make core-docs`"


def test_every_default_has_a_source() -> None:
    assert {name for name, _ in constants()} == SOURCES.keys()


def test_every_row_is_mapped_and_nothing_else_is() -> None:
    assert MODULES.keys() == ROWS.keys()
    assert PEOPLE.keys() <= ROWS.keys()
    assert marked_tests().keys() <= ROWS.keys(), "a marker names a row that is none"
    assert marked_tests(STORIES).keys() <= ROWS.keys(), "a marker of a story names a row that is none"


@pytest.mark.parametrize("module", sorted(set(MODULES.values())))
def test_a_mapped_module_exists(module: str) -> None:
    assert (ROOT / RUNBOOK / f"{module}.py").is_file()


@pytest.mark.parametrize("row", ROWS)
def test_a_test_of_the_row_ran_and_passed(row: str, request: pytest.FixtureRequest) -> None:
    marked = marked_tests().get(row, [])
    assert marked, f"{row}: no test is marked with it"
    selected = {f"{item.path.name}::{getattr(item, 'originalname', item.name)}" for item in request.session.items}
    if not selected.issuperset(marked):
        pytest.skip("only a part of the core's tests was selected")
    outcomes = request.config.stash.get(OUTCOMES, {}).get(row, {})
    assert outcomes.keys() >= set(marked), f"{row}: did not run: {sorted(set(marked) - outcomes.keys())}"
    assert all(outcomes.values()), f"{row}: failed: {sorted(name for name, passed in outcomes.items() if not passed)}"
