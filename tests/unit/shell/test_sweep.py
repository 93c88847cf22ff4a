"""The integrity sweep through the whole shell: nobody is stopped without a way back, and everybody comes back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from certstorage.api.incidents import IncidentPhase
from certstorage.cluster.port import (
    AUTOSCALERS,
    DEPLOYMENTS,
    PODS,
    POLICIES,
    REPLICA_SETS,
    SCALED_OBJECTS,
    Json,
    UnavailableError,
)
from certstorage.giveback import GRACE, give_back
from tests.fakes.cluster import Call
from tests.fakes.scene import KEY, NAMESPACE, POLICY, READ, TARGET, Killed, Scene, outage

HOLD = "storage.deltacrown.io/hold"


class Sweep(Scene):
    """A scene in which a person has asked for a sweep, and its plan waits."""

    async def asked(self) -> Sweep:
        await self.settle()
        self.before = copy.deepcopy(self.deployment()["spec"])
        self.ask("sweep-now", "Sweep")
        await self.settle(1)
        return self

    async def stopped(self) -> Sweep:
        """Approved, scaled down, and the Job is made."""
        await self.asked()
        self.approve("sweep-now")
        await self.settle(1)
        assert self.replicas() == 0
        return self

    def replicas(self) -> int:
        found: int = self.deployment()["spec"]["replicas"]
        return found

    async def to_the_end(self) -> None:
        """The world does what it must, for as long as it takes: every sweep ends, one way or another."""
        self.source.reads = 500.0
        for _ in range(30):
            if any(not job.get("status") for job in self.jobs()):
                self.finish()
            await self.settle(60)
            if self.over():
                return
        raise AssertionError("it does not end")

    def over(self) -> bool:
        """Whether nothing of ours is left on the Deployment and the policy."""
        finalizers = self.policy()["metadata"].get("finalizers", [])
        traces = self.hold() is not None or "certstorage-operator" in self.managers() or finalizers
        return self.request("sweep-now")["phase"] == "Done" and not traces


async def test_a_passing_sweep_from_the_request_to_the_last_trace() -> None:
    scene = await Sweep().stopped()
    hold = scene.hold()
    assert hold is not None
    assert hold.replicas == 3
    assert scene.policy()["metadata"]["finalizers"] == [HOLD]
    assert scene.request("sweep-now")["phase"] == "Running"
    (job,) = scene.jobs("Sweep")
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert (args[0], args[args.index("--sample-rate") + 1]) == ("check", "0.1")
    scene.finish(report="s3://b/sweep.json")
    await scene.settle(15)
    assert scene.deployment()["spec"] == scene.before
    assert scene.request("sweep-now")["phase"] == "Done"
    assert scene.request("sweep-now")["verdict"] == "Pass"
    assert scene.request("sweep-now")["report"] == "s3://b/sweep.json"
    await scene.settle(60)
    assert scene.hold() is None
    assert "certstorage-operator" not in scene.managers()
    assert scene.policy()["metadata"].get("finalizers", []) == []
    assert scene.incidents("Sweep")[0]["phase"] == IncidentPhase.CLOSED
    assert scene.told() == {}


async def test_the_finalizer_is_there_before_replicas_are_taken() -> None:
    scene = await Sweep().asked()
    scene.approve("sweep-now")
    order: list[str] = []

    def note(call: Call) -> None:
        if call.verb == "replace" and call.plural == POLICIES.plural and not call.subresource:
            order.append("finalizer")
        if call.verb == "patch":
            order.append("replicas")

    scene.cluster.before = note
    await scene.step(1)
    assert order[:2] == ["finalizer", "replicas"]


async def test_without_an_answer_nothing_stops_and_a_denial_ends_it() -> None:
    scene = await Sweep().asked()
    assert scene.request("sweep-now")["phase"] == "Pending"
    written = len(scene.cluster.writes())
    await scene.settle(300)
    assert len(scene.cluster.writes()) == written
    scene.approve("sweep-now", "Deny")
    await scene.settle(1)
    assert scene.request("sweep-now")["phase"] == "Denied"
    assert scene.replicas() == 3


@pytest.mark.parametrize(
    ("verdict", "changes"),
    [("FAIL", {"mismatchPercent": 2.0, "upperBoundPercent": 3.0, "mismatches": 8}), ("INCONCLUSIVE", {"sampled": 10})],
)
async def test_what_does_not_pass_gives_back_with_reads_local(verdict: str, changes: dict[str, Any]) -> None:
    scene = await Sweep().stopped()
    scene.finish(verdict, **changes, report="s3://b/sweep.json", examples=["certificates/a.pdf"])
    await scene.settle(15)
    assert scene.replicas() == 3
    assert scene.env(READ) == "false"
    assert scene.request("sweep-now")["phase"] == "Done"
    (incident,) = scene.incidents("Sweep")
    assert "certificates/a.pdf" in incident["ticketText"]
    assert incident["phase"] == "Mitigated"
    told = scene.told()
    assert told, "people are told for as long as it lasts"
    await scene.recover()
    assert scene.told().keys() >= told.keys()
    await scene.come_back()
    assert scene.deployment()["spec"] == scene.before, "the way back of the outage mends, proves and returns"
    assert scene.hold() is None
    await scene.settle(60)
    assert scene.told() == {}


async def test_an_outage_midway_gives_back_with_reads_local() -> None:
    scene = await Sweep().stopped()
    scene.source.current = outage()
    await scene.settle(15)
    assert scene.replicas() == 3
    assert scene.env(READ) == "false"


async def test_a_job_that_does_not_end_is_given_back_in_time() -> None:
    scene = await Sweep().stopped()
    await scene.settle(7200)
    assert scene.replicas() == 3
    assert scene.env(READ) == "false"


async def test_pods_that_are_not_gone_hold_up_the_comparison() -> None:
    scene = await Sweep().asked()
    scene.cluster.auto_roll = False
    scene.approve("sweep-now")
    await scene.settle(1)
    assert (scene.replicas(), scene.jobs()) == (0, []), "the controller has not even seen it"
    scene.cluster.roll(NAMESPACE, TARGET)
    scene.cluster.add(PODS, going(scene))
    await scene.settle(15)
    assert scene.jobs() == [], "one Pod still ends, and may write"
    scene.cluster.remove(PODS, NAMESPACE, "going")
    await scene.settle(15)
    assert len(scene.jobs("Sweep")) == 1


def going(scene: Scene) -> Json:
    """A Pod of the target that has not ended yet."""
    owner = scene.cluster.every(REPLICA_SETS)[-1]["metadata"]
    reference = {"kind": "ReplicaSet", "name": owner["name"], "uid": owner["uid"], "controller": True}
    return {
        "metadata": {
            "name": "going",
            "namespace": NAMESPACE,
            "labels": {"app": TARGET},
            "deletionTimestamp": "2026-11-23T03:10:00Z",
            "ownerReferences": [reference],
        },
        "spec": {"containers": []},
        "status": {"phase": "Running"},
    }


def scaler(kind: str) -> Json:
    return {
        "metadata": {"name": "scaler", "namespace": NAMESPACE},
        "spec": {"scaleTargetRef": {"name": TARGET, "kind": "Deployment"}, "minReplicas": 1, "kind": kind},
    }


def worker() -> Json:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "certificates"}}
    return {
        "metadata": {"name": "worker-1", "namespace": NAMESPACE},
        "spec": {"volumes": [volume]},
        "status": {"phase": "Running"},
    }


@pytest.mark.parametrize(
    ("add", "named"),
    [
        (lambda scene: scene.cluster.add(SCALED_OBJECTS, scaler("ScaledObject")), "scaler"),
        (lambda scene: scene.cluster.add(PODS, worker()), "worker-1"),
        (lambda scene: setattr(scene.source, "current", outage()), ""),
    ],
)
async def test_what_refuses_a_sweep(add: Callable[[Scene], None], named: str) -> None:
    scene = await Sweep().asked()
    add(scene)
    scene.approve("sweep-now")
    await scene.settle(1)
    assert scene.replicas() == 3
    status = scene.request("sweep-now")
    assert status["phase"] in ("Refused", "Pending")
    assert named in status["message"]


async def test_an_autoscaler_hinders_nothing_and_keda_need_not_be_installed() -> None:
    scene = Sweep()
    scene.cluster.add(AUTOSCALERS, scaler("HorizontalPodAutoscaler"))
    assert SCALED_OBJECTS.group in scene.cluster.unserved
    await scene.stopped()


async def test_the_lists_that_only_a_sweep_needs_are_not_made_for_anything_else() -> None:
    scene = Sweep()
    await scene.settle()
    await scene.settle(60)
    assert not {call.plural for call in scene.cluster.calls} & {AUTOSCALERS.plural, SCALED_OBJECTS.plural}


async def test_a_policy_that_is_deleted_midway_gives_its_replicas_back_first() -> None:
    scene = await Sweep().stopped()
    scene.cluster.remove(POLICIES, NAMESPACE, POLICY)
    assert scene.cluster.every(POLICIES) != [], "our finalizer holds it"
    await scene.settle()
    assert scene.cluster.every(POLICIES) == []
    assert scene.deployment()["spec"] == scene.before
    assert "certstorage-operator" not in scene.managers()


async def test_with_the_operator_dead_replicas_come_back_and_a_revived_one_does_not_stop_them_again() -> None:
    scene = await Sweep().stopped()
    scene.cluster.advance(7200 + GRACE.total_seconds())
    assert await give_back(scene.cluster, (NAMESPACE,), scene.cluster.now, "give-back")
    assert scene.replicas() == 3
    scene.start("revived")
    await scene.to_the_end()
    assert scene.replicas() == 3
    assert scene.request("sweep-now")["phase"] == "Done"
    took = [
        call
        for call in scene.cluster.writes()
        if call.verb == "patch" and "'/spec/replicas', 'value': 0" in str(call.body)
    ]
    assert len(took) == 1, "one sweep, one stop"


@pytest.mark.parametrize(
    ("fault", "when"), [(Killed, "after"), (UnavailableError, "before"), (UnavailableError, "after")]
)
async def test_a_fault_at_any_write_of_a_sweep_leaves_nobody_stopped(fault: type[BaseException], when: str) -> None:
    approved = await Sweep().asked()
    approved.approve("sweep-now")
    index = 0
    while True:
        scene = Sweep(approved.cluster.copy())
        hit = fail_at(scene, index, fault, when)
        for _ in range(8):
            try:
                await scene.step(5)
            except Killed:
                scene.start()
            if any(not job.get("status") for job in scene.jobs()):
                scene.finish()
            if hit or scene.over():
                break
        await scene.to_the_end()
        assert scene.replicas() == 3, f"write {index}"
        assert scene.env(READ) == "true", f"write {index}"
        assert len(scene.jobs("Sweep")) == 1, f"write {index}"
        assert scene.request("sweep-now")["verdict"] == "Pass", f"write {index}"
        if not hit:
            assert index > 8, "a sweep takes more writes than that"
            return
        index += 1


def fail_at(scene: Scene, index: int, fault: type[BaseException], when: str) -> list[str]:
    """Let the write of this number fail, once; what it was, when it was reached."""
    hit: list[str] = []
    count = 0

    def fail(call: Call) -> None:
        nonlocal count
        if not call.writes:
            return
        count += 1
        if count == index + 1 and not hit:
            hit.append(call.plural)
            raise fault("fault")

    setattr(scene.cluster, when, fail)
    return hit


async def test_a_person_who_scales_up_midway_is_not_fought() -> None:
    scene = await Sweep().stopped()
    scene.cluster.touch(DEPLOYMENTS, NAMESPACE, TARGET, lambda body: body["spec"].update(replicas=5))
    await scene.settle(15)
    assert scene.replicas() == 5
    assert scene.hold() is None or scene.hold().replicas is None  # type: ignore[union-attr]
    await scene.settle(600)
    assert scene.replicas() == 5


async def test_the_deadline_is_shown_while_replicas_are_held() -> None:
    scene = await Sweep().stopped()
    until = scene.policy()["status"]["operation"]["restoreBy"]
    hold = scene.hold()
    assert hold is not None
    assert hold.restore_by is not None
    assert until.startswith(f"{hold.restore_by:%Y-%m-%dT%H:%M:%S}")
    assert hold.restore_by - hold.since == timedelta(hours=2)
    assert scene.operator.registry.get(KEY) is not None
