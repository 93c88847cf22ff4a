"""Scenarios 2 and 4 of the runbook, and the rows of its table: seen, looked into, named, watched to their end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e import people
from tests.e2e.conftest import Tell
from tests.e2e.story import cluster
from tests.e2e.story import telling as scenarios
from tests.e2e.story.facts import LOG_LEVEL, Facts, Told
from tests.e2e.story.milder import DEGRADATION, DELETES, DISK, READ_FALLBACK


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


@pytest.mark.timeout(600)
async def test_failing_deletes_are_looked_into_and_the_missing_permission_named(telling: Tell) -> None:
    """S3 denies every delete: the Job tries each permission, and platform engineering hears which one is missing."""
    story = telling(DELETES)
    await scenarios.deletes(story)

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(DELETES.titles)
    assert DELETES.broken(facts) == ()
    assert [write for write in facts.writes if write.by_operator] == []
    found = {finding["name"]: finding for finding in latest(facts, "DeleteFailing")["findings"]}
    assert found["DeleteObject"]["verdict"] == "Bad"
    assert "s3:DeleteObject" in found["DeleteObject"]["mend"]
    assert found["PutObject"]["verdict"] == "Good"


@pytest.mark.timeout(600)
async def test_a_full_disk_pages_through_an_outage_of_the_receivers_and_of_alertmanager(telling: Tell) -> None:
    """Slack and PagerDuty are down when the page is due, and Alertmanager starts anew: nothing is lost."""
    story = telling(DISK)
    kube, receivers = story.world.kube, story.world.receivers
    refused: list[Told] = []

    async def they_refuse() -> bool:
        await story.observer.look()
        told = story.observer.facts.told
        refused[:] = [one for one in told if one.status == 503 and "CertStorageActionRequired" in one.text]
        return {one.service for one in refused} == {"slack", "pagerduty"}

    async def trouble() -> None:
        await receivers.fail(slack=503, pagerduty=503)
        await people.eventually("Slack and PagerDuty refuse", they_refuse, seconds=120)
        await kube.kubectl("rollout", "restart", "--namespace=monitoring", "deployment/alertmanager")
        await kube.kubectl("rollout", "status", "--namespace=monitoring", "deployment/alertmanager", seconds=120)
        await receivers.fail()

    try:
        await scenarios.disk(story, meanwhile=trouble)
    finally:
        await receivers.fail()

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(DISK.titles)
    assert DISK.broken(facts) == ()
    assert {one.service for one in refused} == {"slack", "pagerduty"}
    pages = [one for one in facts.told if one.service == "pagerduty" and one.status == 202 and one.action == "trigger"]
    assert any("make room" in one.text for one in pages)
    assert any("df -h -i /mnt/media/certificates" in one.text for one in pages)


def latest(facts: Facts, scenario: str) -> Mapping[str, Any]:
    """The status of the last incident of a scenario, as it was when it was seen in its last phase."""
    return next(paper.status for paper in reversed(facts.incidents) if paper.kind == scenario)
