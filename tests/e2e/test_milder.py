"""Scenarios 2 and 4 of the runbook, and the rows of its table: seen, looked into, named, watched to their end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e import people
from tests.e2e.conftest import Tell
from tests.e2e.story import cluster
from tests.e2e.story import telling as scenarios
from tests.e2e.story.facts import LOG_LEVEL, Facts
from tests.e2e.story.milder import DEGRADATION, READ_FALLBACK


@pytest.mark.timeout(900)
async def test_degradation_is_logged_looked_into_and_proven_over(telling: Tell) -> None:
    """Saves fail at 12 %: DEBUG on and given back, dual-write and reads untouched, 5 % validation, two rollouts."""
    story = telling(DEGRADATION)
    kube = story.world.kube
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    await scenarios.degradation(story)

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(DEGRADATION.titles)
    assert DEGRADATION.broken(facts) == ()
    assert [write.env[LOG_LEVEL] for write in facts.writes if write.by_operator] == ["DEBUG", "INFO", "INFO"]
    assert {write.reads for write in facts.writes} == {"true"}
    after = await kube.get(cluster.DEPLOYMENT_PATH)
    assert after["spec"] == before["spec"]
    incident = latest(facts, "Degradation")
    named = {finding["name"]: finding["verdict"] for finding in incident["findings"]}
    assert {"PutObject", "GetObject", "DeleteObject", "Lifecycle", "AccessLog"} <= named.keys(), named
    assert {item["item"]: item["done"] for item in incident["checklist"]}["Validator"]


@pytest.mark.timeout(600)
async def test_read_fallback_is_looked_into_and_the_mitigation_named(telling: Tell) -> None:
    """Reads fall back at 20 %: flag, region, path and latency are looked at, and nothing is written to the target."""
    story = telling(READ_FALLBACK)
    await scenarios.fallback(story)

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(READ_FALLBACK.titles)
    assert READ_FALLBACK.broken(facts) == ()
    assert [write for write in facts.writes if write.by_operator] == []
    named = {finding["name"]: finding["verdict"] for finding in latest(facts, "ReadFallback")["findings"]}
    assert named["ReadFlag"] == "Good"
    assert {"BucketRegion", "NetworkPath", "GetLatency"} <= named.keys(), named
    assert await people.has_event(story.world.kube, "ReadFallbackHigh")


def latest(facts: Facts, scenario: str) -> Mapping[str, Any]:
    """The status of the last incident of a scenario, as it was when it was seen in its last phase."""
    return next(paper.status for paper in reversed(facts.incidents) if paper.kind == scenario)
