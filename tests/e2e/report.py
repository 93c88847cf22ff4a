"""`artifacts/e2e.json`: each story with its seconds and its result, written as the run goes on.

Beside it, in `artifacts/e2e/`, all that a failed story said: a run that is cut off leaves it, too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

ARTIFACT = Path("artifacts/e2e.json")
STORIES = "tests/e2e/"
"""Where stories are; a run may have other tests, too."""


@dataclass(slots=True)
class Told:
    """One story: passed, failed (in the story itself or in what surrounds it) or skipped."""

    name: str
    seconds: float = 0.0
    result: str = "passed"


@dataclass(slots=True, eq=False)
class Report:
    """All stories of a run in their order; a cut-off run leaves those that were told. pytest hashes its plugins."""

    path: Path
    stories: dict[str, Told] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one phase of a test: given, when and then belong to the same story."""
        if not report.nodeid.startswith(STORIES):
            return
        told = self.stories.setdefault(report.nodeid, Told(report.nodeid.rpartition("/")[2]))
        told.seconds = round(told.seconds + report.duration, 1)
        if report.failed:
            told.result = "failed"
        if told.result == "failed":
            self.keep(report)
        elif report.skipped and told.result == "passed":
            told.result = "skipped"
        if report.when == "teardown":
            self.write()

    def keep(self, report: pytest.TestReport) -> None:
        """Keep what one phase of a failed story said."""
        folder = self.path.with_suffix("")
        folder.mkdir(parents=True, exist_ok=True)
        said = [f"===== {report.when} {report.outcome}", report.longreprtext]
        said += [text for title, text in report.sections if report.when in title]
        with (folder / f"{report.nodeid.rpartition('::')[2]}.txt").open("a", encoding="utf-8") as file:
            file.write("\n".join(said) + "\n")

    def write(self) -> None:
        """Write what is known."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        stories = [asdict(one) for one in self.stories.values()]
        self.path.write_text(json.dumps({"stories": stories}, indent=2) + "\n", encoding="utf-8")
