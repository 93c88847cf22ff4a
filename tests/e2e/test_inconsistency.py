"""Scenario 3 of the runbook: copies differ."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Tell
from tests.e2e.story import telling as scenarios
from tests.e2e.story.differing import INCONSISTENCY


@pytest.mark.timeout(900)
async def test_a_single_object_is_found_by_night_repaired_and_proven(telling: Tell) -> None:
    """One of 160 differs: pattern single, one upload from local disk, and the 10 % validation passes."""
    story = telling(INCONSISTENCY)
    await scenarios.inconsistency(story)

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(INCONSISTENCY.titles)
    assert INCONSISTENCY.broken(facts) == ()
    (repair,) = [job for job in facts.jobs if job.kind == "Repair"]
    assert repair.receipt["uploaded"] == 1
    incident = next(paper for paper in reversed(facts.incidents) if paper.kind == "Inconsistency")
    (mismatch,) = incident.status["mismatches"]  # type: ignore[misc]  # JSON
    assert mismatch["key"] == facts.damages[0].keys[0]
    assert [write for write in facts.writes if write.by_operator] == []
