"""Enrolment as the operator meets it: a RoleBinding goes and comes back while it leads, and it may do nothing else."""

from __future__ import annotations

import asyncio
import functools
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from certstorage.cluster.client import ApiCluster
from certstorage.cluster.port import DEPLOYMENTS
from certstorage.shell import Shell
from certstorage.watching import Pace
from tests.cluster import ControlPlane
from tests.component.shell.account import Account
from tests.component.shell.stage import Stage
from tests.fakes.scene import TARGET, outage

QUICK = Pace(relist=0.5, refused=0.5, retry=0.5, rewatch=0.1, most_rewatch=1)


@pytest.fixture
def other_namespace(plane: ControlPlane) -> Iterator[str]:
    name = f"shell-{secrets.token_hex(4)}"
    plane.kubectl("create", "namespace", name)
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def stages(
    plane: ControlPlane, cluster: ApiCluster, namespace: str, other_namespace: str
) -> AsyncIterator[tuple[Stage, Stage]]:
    made = (Stage(plane, cluster, namespace), Stage(plane, cluster, other_namespace))
    nodes = [asyncio.ensure_future(one.kubelet.run()) for one in made]
    for stage in made:
        await stage.build()
    yield made
    for node in nodes:
        node.cancel()
    await asyncio.gather(*nodes, return_exceptions=True)


async def sees_a_change(stage: Stage, shell: Shell) -> None:
    """The application's Deployment changes, which only the watch tells, and a pass reads it at this version."""
    path, change = DEPLOYMENTS.path(stage.namespace, TARGET), {"metadata": {"labels": {"test": secrets.token_hex(4)}}}
    await stage.cluster._call("PATCH", path, [("fieldManager", "helm")], change, "application/merge-patch+json")

    async def seen() -> bool:
        version: str = (await stage.deployment())["metadata"]["resourceVersion"]
        return shell.registry.seen(stage.namespace, TARGET) == version

    await stage.until("a change is seen", seen, seconds=10)


async def test_a_namespace_that_goes_does_not_blind_the_others_and_comes_back(
    stages: tuple[Stage, Stage], account: Account
) -> None:
    kept, lost = stages
    namespaces = (kept.namespace, lost.namespace)
    for one in namespaces:
        account.enrol(one)
    async with kept.operator(kubeconfig=account.kubeconfig, namespaces=namespaces, pace=QUICK) as shell:
        for stage in stages:
            await stage.until("ready", functools.partial(stage.is_reason, "ReadsFromS3"))
            await sees_a_change(stage, shell)

        account.dismiss(lost.namespace)

        async def left_out() -> bool:
            return shell.watcher.readable == (kept.namespace,)

        await kept.until("it is left out", left_out)
        await sees_a_change(kept, shell)
        kept.source.say(outage())
        await kept.until("the flip where it may", functools.partial(kept.is_flag, "false"))
        assert not await lost.is_flag("false"), "what is not enrolled is not touched"

        account.enrol(lost.namespace)
        await lost.until("the flip where it may again", functools.partial(lost.is_flag, "false"))
        await kept.until("local everywhere", functools.partial(lost.is_reason, "OutageReadsLocal", "OutageGoingLocal"))
        await sees_a_change(lost, shell)
        await sees_a_change(kept, shell)
