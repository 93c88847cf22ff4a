"""Where every story begins: all is well, and nothing that an earlier one left is there any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.story import audit, cluster, stand
from tests.e2e.story.facts import OUTAGES, READ_PRIMARY, Facts
from tests.e2e.story.kube import Kube, KubeError
from tests.e2e.story.observer import Observer
from tests.e2e.story.steps import all_read
from tests.e2e.story.story import Story
from tests.e2e.story.view import View
from tests.e2e.story.world import World

APPLICATION = "deploy/demo/production"
ALWAYS_FIRING = frozenset({"CertStorageWatchdog"})
QUIET = ("ReadsFromS3", "Returned", "ReturnUnverified")
"""Reasons of an operator that has nothing to do."""
POLL_SECONDS = 0.5
ROLLED_OUT_SECONDS = 180.0
CALM = timedelta(minutes=6)
"""For whatever an earlier outage has set going to end."""


async def cleared(world: World) -> None:
    """Take away all that an earlier story left, however it ended, and apply a new policy.

    A policy remembers: verbose logging is for once a day, and what begins again within half an hour is the same
    incident.

    Raises:
        KubeError: the API server or a part of the demo does not do it, or not in time.
    """
    kube = world.kube
    await world.faults.mend()
    await world.receivers.fail()
    await world.ballast("rm", "--force")
    gone = ("--ignore-not-found", f"--namespace={cluster.NAMESPACE}", "--timeout=60s")
    await kube.kubectl("delete", "certstoragepolicy", cluster.POLICY, *gone, seconds=90)
    template = (await kube.get(cluster.DEPLOYMENT_PATH))["spec"]["template"]["spec"]["containers"]
    await kube.kubectl("apply", f"--kustomize={stand.ROOT / APPLICATION}")
    if audit.container_env(template).get(READ_PRIMARY) != "true":
        # nothing has uploaded what S3 missed: users who remember it would read old bytes
        await kube.kubectl("rollout", "restart", f"--namespace={cluster.NAMESPACE}", "deployment/loadgen")
    await asyncio.gather(
        kube.call("DELETE", cluster.REQUESTS_PATH),
        kube.call("DELETE", cluster.INCIDENTS_PATH),
        kube.call("DELETE", cluster.EVENTS_PATH),
        kube.call("DELETE", cluster.JOBS_PATH, query={"labelSelector": audit.KIND, "propagationPolicy": "Background"}),
        *(rolled_out(world, name) for name in (cluster.DEPLOYMENT, "loadgen")),
    )
    await _quiet(world)
    await apply_policy(kube)


async def apply_policy(kube: Kube) -> None:
    """The policy as its file says, but for its night: no story meets that, whatever the hour. Raises KubeError."""
    policy = stand.SCALED.manifest()
    policy["spec"]["validation"]["schedule"] = _half_a_day_away(datetime.now(UTC))
    await kube.kubectl("apply", "--filename=-", stdin=json.dumps(policy))


def _half_a_day_away(now: datetime) -> str:
    """A cron schedule (UTC), once a day."""
    return f"{now:%-M} {(now.hour + 12) % 24} * * *"


async def rolled_out(world: World, deployment: str) -> None:
    """Wait for it. Raises KubeError."""
    where = (f"--namespace={cluster.NAMESPACE}", f"deployment/{deployment}")
    await world.kube.kubectl("rollout", "status", *where, seconds=ROLLED_OUT_SECONDS)


async def _quiet(world: World) -> None:
    """Wait until no alert is left: a new policy would take it for something new, and look into it."""
    left: list[str] = []
    try:
        async with asyncio.timeout(CALM.total_seconds()):
            while True:
                left = [one["labels"]["alertname"] for one in await world.prometheus.alerts() if _is_ours(one)]
                if not left:
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise KubeError(0, f"{', '.join(left)}: not over within {CALM.total_seconds():g} s") from None


def _is_ours(alert: Mapping[str, Any]) -> bool:
    """Whether an alert is about the application."""
    labels = alert["labels"]
    about = (labels.get("namespace"), labels.get("deployment"))
    return about == (cluster.NAMESPACE, cluster.DEPLOYMENT) and labels["alertname"] not in ALWAYS_FIRING


Enough = Callable[[View, Facts, int], bool]
"""Whether a story of so many replicas may begin."""


def serves(view: View, facts: Facts, replicas: int) -> bool:
    """Whether S3 is open, every read comes from it, no outage is alerted and nothing is held."""
    pods = facts.pods[-1] if facts.pods else None
    return (
        not view.trouble
        and not view.fault
        and not view.alerts.keys() & OUTAGES
        and not view.hold
        and view.saves_failing == 0
        and view.reads_falling_back == 0
        and pods is not None
        and all_read(pods, "true", replicas)
    )


def nothing_is_wrong(view: View, facts: Facts, replicas: int) -> bool:
    """Whether there is no alert of any kind, either, and the operator has nothing to do."""
    return serves(view, facts, replicas) and not view.alerts.keys() - ALWAYS_FIRING and view.operator.reason in QUIET


async def calm(
    world: World, observer: Observer, story: Story, *, within: timedelta = CALM, enough: Enough = nothing_is_wrong
) -> None:
    """Wait until the world is well enough, and level both copies: the story begins.

    Raises:
        StoryError: it does not become so in time.
        KubeError: the application or the bucket does not answer.
    """
    await world.faults.mend()
    replicas = story.terms.replicas
    await story.wait("calm", lambda facts: enough(observer.view(), facts, replicas), within=within)
    await world.level()
    await observer.look()
    observer.begin()
    story.begun = True
