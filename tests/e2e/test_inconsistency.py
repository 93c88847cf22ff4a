"""Scenario 3 of the runbook: copies differ."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e import misfits
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
    "scenario-3/step-3",
    "scenario-3/step-4",
    "checklist/validator",
)
@pytest.mark.timeout(600)
async def test_a_single_object_that_differs_is_found_at_night_repaired_and_proven(telling: Tell) -> None:
    """One of 160: named, uploaded again from local disk, and the 10 % validation passes; a sweep is asked for."""
    story = telling(INCONSISTENCY)
    await scenarios.inconsistency(story)

    repaired(story, "single")
    sweep = next(paper for paper in story.observer.facts.requests if paper.kind == "Sweep")
    assert sweep.spec["trigger"] == "Mismatch"


@pytest.mark.runbook(
    "scenario-3/step-2-batch",
)
@pytest.mark.timeout(600)
async def test_a_batch_is_repaired_and_proven_after_prometheus_was_away(telling: Tell) -> None:
    """Most of a folder. Before it is looked for Prometheus cannot be reached: said, nothing changed, found again."""
    story = telling(INCONSISTENCY)
    await scenarios.batch_inconsistency(story, meanwhile=lambda: misfits.prometheus_away(story.world.kube))

    repaired(story, "batch")


def repaired(story: Telling, pattern: str) -> None:
    """Fail unless this pattern was named, and all of it uploaded again by one Job of the operator's own."""
    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(INCONSISTENCY.titles)
    assert INCONSISTENCY.broken(facts) == ()
    ours = {made.uid for made in facts.jobs_made}
    found = next(job for job in facts.jobs if job.uid in ours and job.receipt.get("verdict") == "FAIL")
    assert said(found)["pattern"]["kind"] == pattern
    (repair,) = [job for job in facts.jobs if job.uid in ours and job.kind == "Repair"]
    assert repair.receipt["uploaded"] == len(facts.deeds[0].keys)
    assert [write for write in facts.writes if write.by_operator] == []


@pytest.mark.runbook(
    "scenario-3/step-2-random",
    "scenario-3/escalation",
    "scenario-3/provide",
    "contacts/aws",
)
@pytest.mark.timeout(900)
async def test_random_differences_are_a_case_for_aws_support_and_paged_until_they_are_repaired(telling: Tell) -> None:
    """Five objects with nothing in common: nothing is uploaded before a person asks; the case's text is ready.

    The first repair comes to nothing, so SRE is paged with report, log query and where the access log is. Meanwhile
    another policy misses its Deployment, and finds it.
    """
    story = telling(RANDOM)
    await scenarios.random_inconsistency(story, meanwhile=lambda: misfits.missing_deployment(story.world.kube))

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(RANDOM.titles)
    assert RANDOM.broken(facts) == ()
    steps = {step.step: step for step in story.story.steps}
    repairs = [made for made in facts.jobs_made if made.kind == "Repair"]
    assert len(repairs) == 2
    assert repairs[0].at > steps[Differs.AWS_CASE].at, "nothing was repaired before a person asked for it"
    case: Any = next(paper.status for paper in reversed(facts.incidents) if paper.kind == "Inconsistency")
    assert "AWS Premium Support" in str(case["ticketText"]) or "Service: Simple Storage Service" in str(
        case["ticketText"]
    )
    pages = [one for one in facts.told if one.service == "pagerduty" and one.action == "trigger"]
    assert any("nothing in common" in one.text for one in pages)
    assert any("still not below 0.5 % after the repair" in one.text for one in pages)
    assert {"Receipt", "LogQuery"} <= {one["kind"] for one in case["evidence"]}
    assert "AccessLog" in {finding["name"] for finding in case["findings"]}


def said(job: Job) -> Any:
    """A Job's receipt."""
    return job.receipt
