"""Scenarios 2 and 4 of the runbook, and the rows of its table: seen, looked into, named, watched to their end."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e import people
from tests.e2e.story import beginning, cluster, stand
from tests.e2e.story import telling as scenarios
from tests.e2e.story.dump import dump
from tests.e2e.story.facts import DUAL_WRITE, LOG_LEVEL, Facts
from tests.e2e.story.kube import KubeError, Object
from tests.e2e.story.milder import DEGRADATION, DELETES, DISK, READ_FALLBACK, RESURRECTED
from tests.e2e.story.plot import Terms
from tests.e2e.story.scenes import OVER
from tests.e2e.story.story import StoryError
from tests.e2e.story.telling import Telling
from tests.e2e.story.timeline import news
from tests.e2e.story.view import View
from tests.e2e.story.world import Place, entered


@dataclass(slots=True)
class Storm:
    """What happened while saves and reads failed and the disk was full, and the Deployment before and after."""

    degraded: Telling
    elevated: Telling
    full: Telling
    denied: Telling
    before: Object
    after: Object
    incidents: Mapping[str, Any]
    """The status of each incident at the end, by its name."""
    failure: BaseException | None = None

    @property
    def facts(self) -> Facts:
        """All that was seen."""
        return self.degraded.observer.facts

    def told(self, telling: Telling) -> None:
        """Fail unless this story was told to its end, and well."""
        plot, steps = telling.story.plot, [step.step for step in telling.story.steps]
        assert steps == list(plot.titles), f"{self.failure}"
        assert plot.broken(self.facts) == ()

    def incident(self, scenario: str) -> Mapping[str, Any]:
        """The status of the scenario's incident at the end."""
        name = next(paper.name for paper in self.facts.incidents if paper.kind == scenario)
        status: Mapping[str, Any] = self.incidents[name]
        return status


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def storm(place: Place) -> AsyncIterator[Storm]:
    """Told once for all its tests: the scenarios are independent of each other, and must go on as if alone."""
    async with entered(place) as world:
        await beginning.cleared(world)
        lines: list[View] = []

        def show(view: View) -> None:
            for line in news(lines[-1] if lines else None, view):
                print(line)
            lines[:] = [view]

        plots = [replace(plot, tolerated=RESURRECTED) for plot in (DEGRADATION, READ_FALLBACK, DISK, DELETES)]
        degraded = Telling.of(world, plots[0], stand.SCALED.evaluation, Terms(replicas=3), show)
        elevated, full, denied = (degraded.beside(plot) for plot in plots[1:])
        before = await world.kube.get(cluster.DEPLOYMENT_PATH)
        await world.kube.patch(cluster.POLICY_PATH, {"spec": {"degradation": {"longTimeouts": "WhenLatencySuspected"}}})
        failure: AssertionError | StoryError | KubeError | None = None
        try:
            await scenarios.storm(degraded, elevated, full, denied, meanwhile=lambda: silence(denied))
            await denied.story.wait(
                "the webhook hears of begin and end", heard_by_webhook, within=timedelta(seconds=60)
            )
        except (AssertionError, StoryError, KubeError) as error:
            failure = error
            async for text in dump(world.kube):
                print(text, file=sys.stderr)
        after = await world.kube.get(cluster.DEPLOYMENT_PATH)
        papers = await world.kube.items(cluster.INCIDENTS_PATH)
        incidents = {one["metadata"]["name"]: one.get("status", {}) for one in papers}
        yield Storm(degraded, elevated, full, denied, before, after, incidents, failure)


@pytest.mark.runbook(
    "metrics/save-fail",
    "scenario-2/symptoms",
    "scenario-2/step-1",
    "scenario-2/step-2",
    "scenario-2/step-4",
    "scenario-2/cause-1",
    "scenario-2/cause-2",
    "scenario-2/cause-3",
    "scenario-2/post-1",
    "scenario-2/post-2",
    "contacts/platform",
)
@pytest.mark.timeout(900)
def test_degradation_is_logged_looked_into_and_proven_over(storm: Storm) -> None:
    """Saves fail at 12 %: DEBUG on and given back, dual-write and reads untouched, 5 % validation."""
    storm.told(storm.degraded)
    writes = [write for write in storm.facts.writes if write.by_operator]
    assert [write.env[LOG_LEVEL] for write in writes] == ["DEBUG", "DEBUG", "INFO", "INFO"]
    assert {write.reads for write in writes} == {"true"}
    assert storm.after["spec"] == storm.before["spec"]
    incident = storm.incident("Degradation")
    named = {finding["name"] for finding in incident["findings"]}
    assert {"RetryBound", "PutObject", "GetObject", "DeleteObject", "Lifecycle", "AccessLog"} <= named
    assert {item["item"]: item["done"] for item in incident["checklist"]}["Validator"]


@pytest.mark.runbook(
    "scenario-2/step-3",
)
def test_slow_gets_lengthen_the_timeouts_that_fit_for_a_while(storm: Storm) -> None:
    """p95 of GETs over 500 ms suspects the network: 10 and 30 s join the loan, and both go back with it."""
    assert storm.facts.alarms.get("CertS3GetSlow"), f"{storm.failure}"
    writes = [write for write in storm.facts.writes if write.by_operator]
    before, long = ("2", "5"), scenarios.LONG_TIMEOUTS
    assert [scenarios.timeouts(write) for write in writes] == [before, long, before, before]
    assert {write.env[DUAL_WRITE] for write in writes} == {"true"}


@pytest.mark.runbook(
    "metrics/write-success",
)
def test_writes_below_95_percent_page_with_the_log_query(storm: Storm) -> None:
    """The table's row, which the same failing saves meet: SRE is paged, dual-write stays, watched to its end."""
    phases = [paper.phase for paper in storm.facts.incidents if paper.kind == "WriteSuccessLow"]
    assert phases[-1] in OVER
    pages = [one for one in storm.facts.told if one.service == "pagerduty" and one.action == "trigger"]
    assert any("dual-write stays on" in one.text and "kubectl -n production logs" in one.text for one in pages)


@pytest.mark.runbook(
    "metrics/read-fallback",
    "scenario-4/symptoms",
    "scenario-4/cause-1",
    "scenario-4/cause-2",
    "scenario-4/cause-3",
    "scenario-4/diagnose-1",
    "scenario-4/diagnose-2",
    "scenario-4/diagnose-3",
    "scenario-4/mitigate-3",
)
def test_read_fallback_is_looked_into_and_the_mitigation_named(storm: Storm) -> None:
    """Reads fall back at 20 %: flag, region, path and latency are looked at; reads stay on S3."""
    storm.told(storm.elevated)
    named = {finding["name"]: finding["verdict"] for finding in storm.incident("ReadFallback")["findings"]}
    assert named["ReadFlag"] == "Good"
    assert {"BucketRegion", "NetworkPath", "GetLatency"} <= named.keys()


@pytest.mark.runbook(
    "scenario-1/step-4",
)
def test_a_full_disk_pages_with_the_command_that_shows_it(storm: Storm) -> None:
    """Less than 10 % of the certificates' disk is free: SRE is paged, and it is over when there is room."""
    storm.told(storm.full)
    pages = [one for one in storm.facts.told if one.service == "pagerduty" and one.action == "trigger"]
    assert any("df -h -i /mnt/media/certificates" in one.text for one in pages)


@pytest.mark.runbook(
    "metrics/delete-fail",
)
def test_failing_deletes_are_told_through_an_outage_of_slack_and_of_alertmanager(storm: Storm) -> None:
    """S3 denies every delete; Slack is down when platform engineering should hear which permission is missing.

    Who has no Alertmanager hears of it by the operator's own webhook, the end included.
    """
    storm.told(storm.denied)
    found = {finding["name"]: finding for finding in storm.incident("DeleteFailing")["findings"]}
    assert found["DeleteObject"]["verdict"] == "Bad"
    assert "s3:DeleteObject" in found["DeleteObject"]["mend"]
    assert found["PutObject"]["verdict"] == "Good"
    refused = [one for one in storm.facts.told if one.status == 503]
    assert refused, "Slack was never down"
    assert heard_by_webhook(storm.facts)


async def silence(story: Telling) -> None:
    """Slack is down, and Alertmanager starts anew while it holds what Slack has not taken."""
    kube, receivers = story.world.kube, story.world.receivers

    async def refused() -> bool:
        await story.observer.look()
        return any(one.status == 503 and "deletes" in one.text for one in story.observer.facts.told)

    try:
        await receivers.fail(slack=503)
        await people.eventually("Slack refuses", refused, seconds=120)
        await kube.kubectl("rollout", "restart", "--namespace=monitoring", "deployment/alertmanager")
        await kube.kubectl("rollout", "status", "--namespace=monitoring", "deployment/alertmanager", seconds=120)
    finally:
        await receivers.fail()


OPERATORS_OWN = "certstorage-operator"
"""The receiver that the operator's own webhook names."""


def heard_by_webhook(facts: Facts) -> bool:
    """Whether the operator's own webhook was told that a permission is missing, and that it is over."""
    taken = [one.text for one in facts.told if one.to == OPERATORS_OWN and one.status == 200]
    asked = [line.partition(" ")[0] for text in taken for line in text.splitlines() if "may not delete" in line]
    return asked[:1] == ["firing"] and asked[-1:] == ["resolved"]
