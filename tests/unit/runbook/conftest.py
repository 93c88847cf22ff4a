"""Keeps what became of each test that is marked with rows of the runbook, for the map's test, which comes last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator

import pytest

TOLD, MAP = "test_told.py", "test_map.py"
OUTCOMES = pytest.StashKey[dict[str, dict[str, bool]]]()
"""By row and by test (`file::function`), whether every one of its cases ran and passed."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The told stories come first, as they fail first; the map is judged after everything that it names."""
    items.sort(key=lambda item: (item.path.name != TOLD, item.path.name == MAP))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the outcome of a marked test."""
    report = yield
    empty: dict[str, dict[str, bool]] = defaultdict(dict)
    outcomes = item.config.stash.setdefault(OUTCOMES, empty)
    name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
    for mark in item.iter_markers("runbook"):
        for row in mark.args:
            if report.when == "call" or not report.passed:
                outcomes[row][name] = outcomes[row].get(name, True) and report.passed
    return report
