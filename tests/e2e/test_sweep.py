"""The integrity sweep of the runbook."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import groupby

import pytest

from tests.e2e import dead, hurdles, kill, people
from tests.e2e.conftest import Tell
from tests.e2e.story import asking, cluster
from tests.e2e.story.facts import OPERATOR_MANAGER, Facts
from tests.e2e.story.kube import Kube
from tests.e2e.story.steps import all_read
from tests.e2e.story.sweeping import SWEEP, Swept


@pytest.mark.runbook(
    "sweep/step-1",
    "sweep/step-2",
    "sweep/step-3",
    "sweep/step-4",
)
@pytest.mark.timeout(900)
async def test_a_sweep_is_refused_approved_stops_writes_passes_and_gives_back(telling: Tell) -> None:
    """Each hurdle is named; then replicas and hold in one write, a 10 % validation with no Pod left, replicas back."""
    story = telling(SWEEP)
    kube = story.world.kube
    await story.calm()
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    async with hurdles.made(kube, hurdles.AUTOSCALERS, hurdles.autoscaler()):
        name = await hindered(kube)
        await story.through(Swept.ASKED)
        await asking.approve(kube, name, by=asking.LEAD)
        await story.through(Swept.STOPPED)

        async def switched_off() -> bool:
            return await hurdles.scaling(kube) == "ScalingDisabled"

        async def switched_on() -> bool:
            return await hurdles.scaling(kube) not in ("", "ScalingDisabled")

        await people.eventually("Kubernetes switches the autoscaler off at 0 replicas", switched_off, seconds=40)
        await story.through(Swept.GIVEN_BACK)
        await people.eventually("and on again", switched_on, seconds=40)

    facts = story.observer.facts
    assert [step.step for step in story.story.steps] == list(SWEEP.titles)
    assert SWEEP.broken(facts) == ()
    stopped = next(step.at for step in story.story.steps if step.step is Swept.STOPPED)
    assert [write.replicas for write in facts.writes if write.by_operator and write.at >= stopped][:2] == [0, 3]
    after = await kube.get(cluster.DEPLOYMENT_PATH)
    assert after["spec"] == before["spec"]
    policy = await kube.get(cluster.POLICY_PATH)
    assert policy["status"]["lastValidation"]["verdict"] == "Pass"
    assert "finalizers" not in policy["metadata"]


async def hindered(kube: Kube) -> str:
    """Ask for a sweep while everything stands against it, and take that away one by one. Gives the request's name."""

    async def refused(reason: str) -> None:
        async def said() -> str:
            status = (await kube.get(f"{cluster.REQUESTS_PATH}/{name}")).get("status", {})
            return reason if (status.get("phase"), status.get("reason")) == ("Refused", reason) else ""

        await people.eventually(reason, said, seconds=20)

    async with AsyncExitStack() as keda:
        await keda.enter_async_context(hurdles.scaled_object(kube))
        async with hurdles.made(kube, cluster.PODS_PATH, hurdles.writer(), gracePeriodSeconds="0"):
            async with hurdles.made(kube, cluster.POLICIES_PATH, hurdles.neighbour()):
                name = await asking.ask(kube, "Sweep", by=asking.JANE, reason="brought forward for the audit")
                await refused("StorageShared")
            await people.poke(kube)
            await refused("OtherWriters")
        await people.poke(kube)
        await refused("ScaledByOther")
    await people.poke(kube)
    return name


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
    async with hurdles.cordoned(kube):  # the validator's Job would be over before S3 is cut
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


def sweep_over(facts: Facts) -> bool:
    """Whether the sweep's request is done, the operator holds nothing any more, and every Pod is ready."""
    asked = next(paper for paper in reversed(facts.requests) if paper.kind == "Sweep")
    return asked.phase == "Done" and all_given_back(facts) and all_read(facts.pods[-1], "true", 3)


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


@pytest.mark.timeout(600)
async def test_with_the_operator_dead_the_cronjob_gives_back_and_a_revived_one_does_not_take_again(
    telling: Tell,
) -> None:
    """The promise of the hold is kept by a Pod of its own; the operator that comes back finds the sweep over."""
    story = telling(SWEEP)
    kube = story.world.kube
    await story.calm()
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    name = await asking.ask(kube, "Sweep", by=asking.JANE, reason="on the day on which the operator dies")
    await story.through(Swept.ASKED)
    await asking.approve(kube, name, by=asking.LEAD)
    await story.through(Swept.STOPPED)
    async with dead.operator(kube):
        await dead.let_time_pass(kube)
        await dead.give_back(kube)
        assert (await kube.get(cluster.DEPLOYMENT_PATH))["spec"]["replicas"] == 3
    await story.story.wait("the request is done, nothing held, Pods serve", sweep_over, within=timedelta(minutes=3))

    facts = story.observer.facts
    assert SWEEP.broken(facts) == ()
    assert [replicas for replicas, _ in groupby(write.replicas for write in facts.writes)] == [0, 3], "taken once"
    asked = next(paper for paper in reversed(facts.requests) if paper.kind == "Sweep")
    assert (asked.phase, asked.status["reason"]) == ("Done", "SweepGivenBack")
    assert (await kube.get(cluster.DEPLOYMENT_PATH))["spec"] == before["spec"]
