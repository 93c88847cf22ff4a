"""The integrity sweep of the runbook."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e import kill
from tests.e2e.conftest import Tell
from tests.e2e.story import asking, cluster
from tests.e2e.story import telling as scenarios
from tests.e2e.story.facts import OPERATOR_MANAGER, Facts
from tests.e2e.story.sweeping import SWEEP, Swept


@pytest.mark.runbook(
    "sweep/step-1",
    "sweep/step-2",
    "sweep/step-3",
    "sweep/step-4",
)
@pytest.mark.timeout(900)
async def test_a_sweep_is_approved_stops_writes_passes_and_gives_back(telling: Tell) -> None:
    """Replicas and hold in one write, a 10 % validation with no Pod left, replicas back, and nothing else changed."""
    story = telling(SWEEP)
    kube = story.world.kube
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    await scenarios.sweep(story)

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(SWEEP.titles)
    assert SWEEP.broken(facts) == ()
    assert [write.replicas for write in facts.writes if write.by_operator][:2] == [0, 3]
    after = await kube.get(cluster.DEPLOYMENT_PATH)
    assert after["spec"] == before["spec"]
    policy = await kube.get(cluster.POLICY_PATH)
    assert policy["status"]["lastValidation"]["verdict"] == "Pass"
    assert "finalizers" not in policy["metadata"]


LEAD_KEY = "demo0only0key0of0the0engineering"
"""Of the engineering lead at PagerDuty: deploy/demo/monitoring/alertmanager.yaml."""


@pytest.mark.runbook(
    "sweep/step-5",
)
@pytest.mark.timeout(900)
async def test_a_sweep_that_loses_s3_and_its_operator_gives_back_with_reads_local(telling: Tell) -> None:
    """S3 goes down when no Pod is left, the operator dies: replicas come back, reads local, until S3 is proven."""
    story = telling(SWEEP)
    world, kube = story.world, story.world.kube
    await story.calm()
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    name = await asking.ask(kube, "Sweep", by=asking.JANE, reason="on a day on which everything goes wrong")
    await story.through(Swept.ASKED)
    await asking.approve(kube, name, by=asking.LEAD)
    await story.through(Swept.PODS_GONE)
    await world.faults.switch("reset")
    await kill.kill_pod(kube, await kill.leader(kube))
    await story.story.wait("replicas back, with reads local", back_local, within=timedelta(minutes=6))
    await story.story.wait("the engineering lead is paged", lead_paged, within=timedelta(seconds=60))
    await world.faults.mend()
    await story.story.wait("reads back on S3, nothing held", all_given_back, within=timedelta(minutes=6))

    facts = story.observer.facts
    assert SWEEP.broken(facts) == ()
    assert [write.replicas for write in facts.writes if write.by_operator][:2] == [0, 3], "taken once, given back once"
    asked = next(paper for paper in reversed(facts.requests) if paper.kind == "Sweep")
    assert (asked.phase, asked.status["verdict"]) == ("Done", "Inconclusive")
    assert (await kube.get(cluster.DEPLOYMENT_PATH))["spec"] == before["spec"]


def back_local(facts: Facts) -> bool:
    """Whether the operator has given replicas back, and turned reads local with them."""
    last = next((write for write in reversed(facts.writes) if write.by_operator), None)
    return last is not None and last.replicas == 3 and last.reads == "false"


def lead_paged(facts: Facts) -> bool:
    """Whether the engineering lead's rotation got a page."""
    return any(one.to == LEAD_KEY and one.action == "trigger" and one.status == 202 for one in facts.told)


def all_given_back(facts: Facts) -> bool:
    """Whether reads come from S3 and the operator holds nothing any more."""
    last = facts.writes[-1]
    return last.reads == "true" and not last.hold and OPERATOR_MANAGER not in last.managers
