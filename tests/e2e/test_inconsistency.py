"""Scenario 3 of the runbook: copies differ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.e2e.conftest import Tell
from tests.e2e.story import telling as scenarios
from tests.e2e.story.differing import INCONSISTENCY, RANDOM, Differs
from tests.e2e.story.facts import Job
from tests.e2e.story.telling import Telling


@pytest.mark.runbook(
    "metrics/mismatch",
    "scenario-3/symptoms",
    "scenario-3/step-1",
    "scenario-3/step-2-single",
    "scenario-3/step-2-batch",
    "scenario-3/step-3",
    "scenario-3/step-4",
    "checklist/validator",
)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("pattern", "tell"),
    [("single", scenarios.inconsistency), ("batch", scenarios.batch_inconsistency)],
    ids=["single", "batch"],
)
async def test_what_differs_is_named_repaired_and_proven(
    telling: Tell, pattern: str, tell: Callable[[Telling], Awaitable[None]]
) -> None:
    """One of 160, or most of a folder: named, uploaded again from local disk, and the 10 % validation passes."""
    story = telling(INCONSISTENCY)
    await tell(story)

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(INCONSISTENCY.titles)
    assert INCONSISTENCY.broken(facts) == ()
    found = next(job for job in facts.jobs if job.receipt.get("verdict") == "FAIL")
    assert said(found)["pattern"]["kind"] == pattern
    (repair,) = [job for job in facts.jobs if job.kind == "Repair"]
    assert repair.receipt["uploaded"] == len(facts.deeds[0].keys)
    assert [write for write in facts.writes if write.by_operator] == []


@pytest.mark.runbook(
    "scenario-3/step-2-random",
    "scenario-3/provide",
    "contacts/aws",
)
@pytest.mark.timeout(900)
async def test_random_differences_are_a_case_for_aws_support_and_repaired_when_a_person_says_so(telling: Tell) -> None:
    """Five objects with nothing in common: nothing is uploaded before a person asks; the case's text is ready."""
    story = telling(RANDOM)
    await scenarios.random_inconsistency(story)

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(RANDOM.titles)
    assert RANDOM.broken(facts) == ()
    steps = {step.step: step for step in story.story.steps}
    (repair,) = [made for made in facts.jobs_made if made.kind == "Repair"]
    assert repair.at > steps[Differs.AWS_CASE].at
    case = next(paper.status for paper in reversed(facts.incidents) if paper.kind == "Inconsistency")
    assert "AWS Premium Support" in str(case["ticketText"]) or "Service: Simple Storage Service" in str(
        case["ticketText"]
    )
    pages = [one for one in facts.told if one.service == "pagerduty" and one.action == "trigger"]
    assert any("nothing in common" in one.text for one in pages)


def said(job: Job) -> Any:
    """A Job's receipt."""
    return job.receipt
