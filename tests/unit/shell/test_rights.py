"""What the shipped role allows is what whole stories ask for: no more, and no less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from certstorage.api.signals import SignalName
from certstorage.cluster.papers import INCIDENTS_KEPT
from certstorage.cluster.port import INCIDENTS, JOBS
from tests.fakes.cluster import Call
from tests.fakes.scene import NAMESPACE, Scene, firing, healthy

RBAC = Path(__file__).parents[3] / "deploy" / "operator" / "rbac.yaml"
VERBS = {"replace": "update"}
WATCHED = {"certstoragepolicies", "certstoragerequests", "certstorageincidents", "jobs", "deployments"}
"""kopf lists before it watches."""


def allowed() -> set[tuple[str, str]]:
    """Verb and resource of the enrolled role."""
    documents = yaml.safe_load_all(RBAC.read_text())
    role = next(one for one in documents if one["metadata"]["name"] == "certstorage-operator-enrolled")
    return {(verb, name) for rule in role["rules"] for name in rule["resources"] for verb in rule["verbs"]}


def asked(calls: list[Call]) -> Iterator[tuple[str, str]]:
    for call in calls:
        resource = f"{call.plural}/{call.subresource}" if call.subresource else call.plural
        yield VERBS.get(call.verb, call.verb), resource


async def outage() -> list[Call]:
    """With a Job that never starts and is taken away."""
    scene = Scene()
    await scene.settle()
    await scene.fall()
    await scene.recover()
    name = scene.jobs()[-1]["metadata"]["name"]
    scene.cluster.touch(JOBS, NAMESPACE, name, lambda body: body["spec"].update(suspend=True))
    await scene.settle(601)
    return scene.cluster.calls


async def sweep() -> list[Call]:
    """With an incident that was opened meanwhile, and papers that are old enough to go."""
    scene = Scene()
    await scene.settle()
    scene.ask("sweep-now", "Sweep")
    await scene.settle(1)
    scene.approve("sweep-now")
    await scene.settle(1)
    scene.finish()
    await scene.settle(15)
    await scene.settle(60)
    await scene.settle(INCIDENTS_KEPT.total_seconds() + 60)
    return scene.cluster.calls


async def inconsistency() -> list[Call]:
    """A trigger files a request."""
    scene = Scene()
    await scene.settle()
    await scene.settle(86_400)
    scene.finish("FAIL", mismatchPercent=1.0, upperBoundPercent=2.0, mismatches=4, pattern={"kind": "single"})
    await scene.settle(15)
    return scene.cluster.calls


async def adoption() -> list[Call]:
    """An incident and a Job of that name are there by the time they are made."""
    scene = Scene()
    await scene.settle()
    scene.source.current = firing(SignalName.DEGRADED, since=scene.cluster.now)

    def lost(call: Call) -> None:
        if call.verb == "create" and call.plural in (INCIDENTS.plural, JOBS.plural):
            scene.cluster.add({JOBS.plural: JOBS, INCIDENTS.plural: INCIDENTS}[call.plural], call.body)

    scene.cluster.before = lost
    await scene.step(125)
    await scene.step()
    scene.source.current = healthy()
    return scene.cluster.calls


async def test_the_role_allows_what_is_asked_and_nothing_else() -> None:
    calls = [*await outage(), *await sweep(), *await inconsistency(), *await adoption()]
    used = set(asked(calls)) | {(verb, name) for name in WATCHED for verb in ("list", "watch")}
    assert used - allowed() == set()
    assert allowed() - used == set()
