"""The table of stories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e.report import Report

When = Literal["setup", "call", "teardown"]
Outcome = Literal["passed", "failed", "skipped"]


def phase(name: str, when: When, outcome: Outcome, seconds: float, said: str = "") -> pytest.TestReport:
    sections = [(f"Captured stderr {when}", said)] if said else []
    return pytest.TestReport(name, ("", 0, ""), {}, outcome, None, when, sections, seconds)


def test_a_story_is_all_its_phases(tmp_path: Path) -> None:
    report = Report(tmp_path / "artifacts" / "e2e.json")
    for one in (
        phase("tests/e2e/test_a.py::test_good", "setup", "passed", 1.04),
        phase("tests/e2e/test_a.py::test_good", "call", "passed", 2.0),
        phase("tests/e2e/test_a.py::test_good", "teardown", "passed", 0.5),
        phase("tests/e2e/test_a.py::test_bad", "setup", "passed", 0.0),
        phase("tests/e2e/test_a.py::test_bad", "call", "failed", 3.0, "the step did not come"),
        phase("tests/e2e/test_a.py::test_bad", "teardown", "passed", 0.0, "the operator's log"),
        phase("tests/e2e/test_a.py::test_unclean", "call", "passed", 1.0),
        phase("tests/e2e/test_a.py::test_unclean", "teardown", "failed", 1.0),
        phase("tests/e2e/test_a.py::test_left_out", "setup", "skipped", 0.0),
        phase("tests/e2e/test_a.py::test_left_out", "teardown", "passed", 0.0),
    ):
        report.pytest_runtest_logreport(one)
    assert json.loads(report.path.read_text()) == {
        "stories": [
            {"name": "test_a.py::test_good", "seconds": 3.5, "result": "passed"},
            {"name": "test_a.py::test_bad", "seconds": 3.0, "result": "failed"},
            {"name": "test_a.py::test_unclean", "seconds": 2.0, "result": "failed"},
            {"name": "test_a.py::test_left_out", "seconds": 0.0, "result": "skipped"},
        ]
    }
    kept = (report.path.parent / "e2e" / "test_bad.txt").read_text()
    assert kept.splitlines() == [
        "===== call failed",
        "",
        "the step did not come",
        "===== teardown passed",
        "",
        "the operator's log",
    ]
    assert not (report.path.parent / "e2e" / "test_good.txt").exists()
