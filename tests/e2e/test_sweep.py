"""The integrity sweep of the runbook."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Tell
from tests.e2e.story import cluster
from tests.e2e.story import telling as scenarios
from tests.e2e.story.sweeping import SWEEP


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
