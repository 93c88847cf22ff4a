"""What a deleted policy has left is taken away by its age, once a day, and nothing stops that for long."""

from __future__ import annotations

import pytest

from certstorage.api.reading import rfc3339
from certstorage.cluster.papers import INCIDENTS_KEPT
from certstorage.cluster.port import INCIDENTS, ForbiddenError, Json
from certstorage.retention import AGAIN_SECONDS, FIRST_SECONDS, Keeper
from tests.fakes.cluster import Call
from tests.fakes.scene import NAMESPACE, POLICY, Scene


class EnoughError(Exception):
    """Raised by the sleeper to end the loop."""


def left(scene: Scene, name: str, policy: str) -> Json:
    status = {"policyName": policy, "scenario": "Outage", "severity": "critical", "phase": "Resolved"}
    status["detectedAt"] = rfc3339(scene.cluster.now)
    body = {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {}, "status": status}
    return scene.cluster.add(INCIDENTS, body)


def names(scene: Scene) -> list[str]:
    return sorted(name for plural, _, name in scene.cluster.objects if plural == INCIDENTS.plural)


async def test_every_day_what_is_too_old_goes_and_a_refusal_costs_a_day() -> None:
    scene = Scene()
    left(scene, "of-this", POLICY)
    left(scene, "of-one-that-is-gone", "gone")
    scene.cluster.advance(INCIDENTS_KEPT.total_seconds() - AGAIN_SECONDS / 2)
    slept: list[float] = []
    seen: list[list[str]] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        seen.append(names(scene))
        scene.cluster.advance(seconds)
        refused = len(slept) == 2
        scene.cluster.before = refuse if refused else lambda _: None
        if len(slept) == 4:
            raise EnoughError

    def refuse(call: Call) -> None:
        if (call.verb, call.plural) == ("list", INCIDENTS.plural):
            raise ForbiddenError("may not list incidents")

    keeper = Keeper(scene.cluster, lambda: (NAMESPACE,), lambda: scene.cluster.now, sleep=sleep)
    with pytest.raises(EnoughError):
        await keeper.run()
    assert slept == [FIRST_SECONDS, *[AGAIN_SECONDS] * 3]
    both = ["of-one-that-is-gone", "of-this"]
    assert seen == [both, both, both, ["of-this"]]
