"""Sweep, degradation, requests and incidents on a real API server, by an operator that has the shipped role alone."""

from __future__ import annotations

import asyncio
import copy
import functools
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from certstorage.api.hold import ANNOTATION, Hold, dump, load
from certstorage.api.signals import SignalName
from certstorage.cluster.client import ApiCluster
from certstorage.cluster.port import DEPLOYMENTS, INCIDENTS, POLICIES, REQUESTS, Json, NotFoundError
from tests.cluster import ControlPlane
from tests.component.shell.account import Account
from tests.component.shell.kubelet import passing
from tests.component.shell.stage import Stage
from tests.fakes.scene import POLICY, TARGET, firing, healthy, outage

FAST = {"recovery": {"holdSeconds": 10}}


@pytest.fixture
async def stage(plane: ControlPlane, cluster: ApiCluster, namespace: str, account: Account) -> AsyncIterator[Stage]:
    """An enrolled namespace with the application, and kubelets."""
    made = Stage(plane, cluster, namespace)
    account.enrol(namespace)
    nodes = asyncio.ensure_future(made.kubelet.run())
    yield made
    nodes.cancel()
    await asyncio.gather(nodes, return_exceptions=True)


class Requests:
    """What people ask, and what became of it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def ask(self, name: str, kind: str, **spec: Any) -> None:
        body = {
            "apiVersion": REQUESTS.api_version,
            "kind": REQUESTS.kind,
            "metadata": {"name": name, "namespace": self.stage.namespace},
            "spec": {"policyName": POLICY, "type": kind, "reason": "to see", "requestedBy": "admin", **spec},
        }
        await self.stage.cluster.create(REQUESTS, self.stage.namespace, body)

    async def status(self, name: str) -> Json:
        body = await self.stage.cluster.get(REQUESTS, self.stage.namespace, name)
        return body.get("status") or {}

    async def is_phase(self, name: str, phase: str) -> bool:
        return (await self.status(name)).get("phase") == phase

    async def approve(self, name: str) -> None:
        plan = (await self.status(name))["planHash"]
        await self.ask(f"{name}-answer", "Approval", approves={"requestName": name, "planHash": plan})


async def incidents(stage: Stage, scenario: str) -> list[Json]:
    every = await stage.cluster.list(INCIDENTS, stage.namespace)
    return [one for one in every if (one.get("status") or {}).get("scenario") == scenario]


async def replicas(stage: Stage) -> int:
    found: int = (await stage.deployment())["spec"]["replicas"]
    return found


async def are_replicas(stage: Stage, number: int) -> bool:
    return await replicas(stage) == number


async def nothing_held(stage: Stage) -> bool:
    metadata, policy = (await stage.deployment())["metadata"], await stage.policy()
    managers = {entry["manager"] for entry in metadata["managedFields"]}
    finalizers = policy["metadata"].get("finalizers") if policy else None
    return (
        ANNOTATION not in metadata.get("annotations", {}) and "certstorage-operator" not in managers and not finalizers
    )


async def sweeping(stage: Stage, requests: Requests) -> None:
    """Ask for a sweep, approve it, and wait until the application stands still."""
    await stage.until("ready", functools.partial(stage.is_reason, "ReadsFromS3"))
    await requests.ask("sweep-now", "Sweep")
    await stage.until("the plan waits", functools.partial(requests.is_phase, "sweep-now", "Pending"))
    await requests.approve("sweep-now")
    await stage.until("replicas are taken", functools.partial(are_replicas, stage, 0))


async def test_a_sweep_from_the_request_to_the_last_trace(stage: Stage, account: Account) -> None:
    await stage.build()
    requests, spec = Requests(stage), copy.deepcopy((await stage.deployment())["spec"])
    async with stage.operator(kubeconfig=account.kubeconfig):
        await sweeping(stage, requests)
        assert (await stage.policy())["metadata"]["finalizers"] == ["storage.deltacrown.io/hold"]
        await stage.until("replicas are back", functools.partial(are_replicas, stage, 3))
        await stage.until("the request is done", functools.partial(requests.is_phase, "sweep-now", "Done"))
        await stage.until("nothing of ours stays", functools.partial(nothing_held, stage))
    assert (await stage.deployment())["spec"] == spec
    status = await requests.status("sweep-now")
    assert status["verdict"] == "Pass"
    (job,) = await stage.jobs()
    assert status["jobName"] == job["metadata"]["name"]
    (incident,) = await incidents(stage, "Sweep")
    words = [entry["event"] for entry in incident["status"]["timeline"]]
    assert len(words) == len(set(words)), words


async def test_a_sweep_that_fails_serves_locally_until_s3_is_proven(stage: Stage, account: Account) -> None:
    def failing(env: dict[str, str]) -> tuple[int, Json]:
        return passing(env, verdict="FAIL", mismatchPercent=2.0, upperBoundPercent=3.0, mismatches=8)

    await stage.build(**FAST)
    requests, spec = Requests(stage), copy.deepcopy((await stage.deployment())["spec"])
    stage.kubelet.receipt = failing
    async with stage.operator(kubeconfig=account.kubeconfig):
        await sweeping(stage, requests)
        await stage.until("replicas are back", functools.partial(are_replicas, stage, 3))
        assert await stage.flag() == "false", "in the same write"
        stage.kubelet.receipt = passing
        await stage.until("reads come from S3", functools.partial(stage.is_flag, "true"))
        await stage.until("nothing of ours stays", functools.partial(nothing_held, stage))
    assert (await stage.deployment())["spec"] == spec


async def test_deleting_the_policy_in_the_middle_of_a_sweep(stage: Stage, account: Account) -> None:
    await stage.build()
    requests, spec = Requests(stage), copy.deepcopy((await stage.deployment())["spec"])
    stage.kubelet.receipt = None
    async with stage.operator(kubeconfig=account.kubeconfig):
        await sweeping(stage, requests)
        uid = (await stage.policy())["metadata"]["uid"]
        await stage.cluster.delete(POLICIES, stage.namespace, POLICY, uid)

        async def gone() -> bool:
            return not await stage.policy()

        await stage.until("the policy is gone", gone)
        assert await nothing_held(stage)
    assert (await stage.deployment())["spec"] == spec
    assert len(await incidents(stage, "Sweep")) == 1, "what happened stays on record"


async def test_with_the_operator_dead_the_command_gives_back_and_a_revived_one_does_not_take_again(
    stage: Stage, account: Account, tmp_path: Path
) -> None:
    await stage.build(**FAST)
    requests = Requests(stage)
    stage.kubelet.receipt = None
    async with stage.operator(kubeconfig=account.kubeconfig):
        await sweeping(stage, requests)
        await stage.until("the Job is there", stage.jobs)
    body = await stage.deployment()
    hold = load(body["metadata"]["annotations"][ANNOTATION])
    assert hold.restore_by is not None
    assert await gives_back(stage, account, tmp_path) == 0
    assert await replicas(stage) == 0, "not before its time"
    overdue = replace(hold, restore_by=datetime.now(UTC) - timedelta(minutes=2))
    await annotate(stage, overdue)
    assert await gives_back(stage, account, tmp_path) == 0
    assert await replicas(stage) == 3
    stage.kubelet.receipt = passing
    async with stage.operator(kubeconfig=account.kubeconfig):
        await stage.until("the request is done", functools.partial(requests.is_phase, "sweep-now", "Done"))
        assert (await requests.status("sweep-now"))["reason"] == "SweepGivenBack"
        await stage.until("nothing of ours stays", functools.partial(nothing_held, stage))
        assert await replicas(stage) == 3


async def annotate(stage: Stage, hold: Hold) -> None:
    """Time passes in the hold."""
    path = DEPLOYMENTS.path(stage.namespace, TARGET)
    change = {"metadata": {"annotations": {ANNOTATION: dump(hold)}}}
    await stage.cluster._call(
        "PATCH", path, [("fieldManager", "certstorage-operator")], change, "application/merge-patch+json"
    )


async def gives_back(stage: Stage, account: Account, folder: Path) -> int:
    """The CronJob's command, as a process of its own; its exit code."""
    config = folder / "config.yaml"
    document = {
        "prometheus": {"default": {"url": "http://127.0.0.1:9"}},
        "validatorImage": "validator:1",
        "enrolledNamespaces": [stage.namespace],
    }
    config.write_text(yaml.safe_dump(document))
    command = str(Path(sys.executable).with_name("certstorage-operator"))
    process = await asyncio.create_subprocess_exec(
        command, "give-back", f"--config={config}", f"--kubeconfig={account.kubeconfig}"
    )
    return await process.wait()


async def test_degradation_gives_back_what_it_changed_and_people_keep_their_fields(
    stage: Stage, account: Account
) -> None:
    await stage.build()
    spec = copy.deepcopy((await stage.deployment())["spec"])
    began = datetime.now(UTC) - timedelta(minutes=10)
    async with stage.operator(kubeconfig=account.kubeconfig):
        await stage.until("ready", functools.partial(stage.is_reason, "ReadsFromS3"))
        stage.source.say(firing(SignalName.DEGRADED, since=began))

        async def debugs() -> bool:
            return await stage.flag("LOG_LEVEL") == "DEBUG"

        await stage.until("the log level is raised", debugs)

        async def open_incident() -> list[Json]:
            return await incidents(stage, "Degradation")

        (incident,) = await stage.until("its incident", open_incident)
        path = INCIDENTS.path(stage.namespace, incident["metadata"]["name"])
        note = {"spec": {"notes": "seen by Ann"}}
        await stage.cluster._call("PATCH", path, [("fieldManager", "kubectl")], note, "application/merge-patch+json")
        stage.source.say(outage())
        await stage.until("an outage goes before", functools.partial(stage.is_flag, "false"))
        assert await stage.flag("LOG_LEVEL") is None, "given back in the same write"
        (incident,) = await incidents(stage, "Degradation")
        assert incident["spec"] == {"notes": "seen by Ann"}

        async def two() -> bool:
            return len(await incidents(stage, "Outage")) == 1

        await stage.until("the outage has its own", two)
        text = json.dumps((await incidents(stage, "Outage"))[0]["status"])
        assert "CERT_S3_READ_PRIMARY" in text
        stage.source.say(healthy())
    assert (await stage.deployment())["spec"]["replicas"] == spec["replicas"]


async def test_a_request_that_is_deleted_is_not_an_error(stage: Stage, account: Account) -> None:
    await stage.build()
    requests = Requests(stage)
    async with stage.operator(kubeconfig=account.kubeconfig):
        await stage.until("ready", functools.partial(stage.is_reason, "ReadsFromS3"))
        await requests.ask("sweep-now", "Sweep")
        await stage.until("the plan waits", functools.partial(requests.is_phase, "sweep-now", "Pending"))
        body = await stage.cluster.get(REQUESTS, stage.namespace, "sweep-now")
        await stage.cluster.delete(REQUESTS, stage.namespace, "sweep-now", body["metadata"]["uid"])
        with pytest.raises(NotFoundError):
            await requests.status("sweep-now")
        assert await replicas(stage) == 3
