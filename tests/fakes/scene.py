"""One policy, one Deployment, one S3 as a dictionary, and the whole shell around them: stories in milliseconds."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from certstorage.api.decision import Decision
from certstorage.api.hold import ANNOTATION, Hold, load
from certstorage.api.policy import Policy
from certstorage.api.reading import rfc3339_milli
from certstorage.api.signals import FallbackSample, Signal, SignalName, SignalSet, Verdict
from certstorage.board import AlertBoard
from certstorage.cluster.act import Acted
from certstorage.cluster.jobs import LABEL_KIND
from certstorage.cluster.jobseen import nonce_of
from certstorage.cluster.observe import Snapshot
from certstorage.cluster.port import CLAIMS, DEPLOYMENTS, EVENTS, INCIDENTS, JOBS, POLICIES, REQUESTS, Json
from certstorage.ports import Settings
from certstorage.reconcile import Reconciler
from certstorage.registry import Key, Registry
from certstorage.runbook.decide import decide
from certstorage.workqueue import Outcome
from tests.fakes.cluster import START, FakeCluster

NAMESPACE, POLICY, TARGET = "production", "certificates", "deltacrown"
KEY = (NAMESPACE, POLICY)
READ, DUAL = "CERT_S3_READ_PRIMARY", "CERT_S3_DUAL_WRITE"
ALLOWED = frozenset({READ, DUAL, "LOG_LEVEL", "CERT_S3_CONNECT_TIMEOUT", "CERT_S3_READ_TIMEOUT"})


class Killed(BaseException):
    """The process is gone at this line."""


def policy_body(name: str = POLICY, target: str = TARGET, **spec: Any) -> Json:
    """A policy as somebody creates it."""
    return {
        "apiVersion": "storage.deltacrown.io/v1alpha1",
        "kind": "CertStoragePolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "targetRef": {"name": target},
            "storage": {"bucket": f"{target}-certificates"},
            **spec,
        },
    }


def deployment_body(name: str = TARGET, env: list[Json] | None = None, **pod: Any) -> Json:
    """The application as its owner deploys it."""
    flags = [{"name": READ, "value": "true"}, {"name": DUAL, "value": "true"}]
    extra = [
        {"name": "DEBUG_SQL", "value": "0"},
        {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "secret"}}},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": "deltacrown:1",
                            "env": [*flags, *extra] if env is None else env,
                            "volumeMounts": [{"name": "certificates", "mountPath": "/mnt/media/certificates"}],
                        }
                    ],
                    "volumes": [{"name": "certificates", "persistentVolumeClaim": {"claimName": "certificates"}}],
                    **pod,
                },
            },
        },
    }


def claim_body(*modes: str) -> Json:
    """The claim of the certificates."""
    return {
        "metadata": {"name": "certificates", "namespace": NAMESPACE},
        "spec": {"accessModes": list(modes or ("ReadWriteMany",))},
    }


def healthy(**verdicts: Verdict) -> SignalSet:
    """Signals of a healthy system, with some verdicts replaced."""
    chosen = dict.fromkeys(SignalName, Verdict.CLEAR_PROVEN) | {SignalName[k]: v for k, v in verdicts.items()}
    signals = {name: Signal(name, verdict) for name, verdict in chosen.items()}
    return SignalSet(signals=signals, trusted=True, message="", polled_at=START)


def firing(name: SignalName, since: datetime = START, value: float = 0.1) -> SignalSet:
    """One signal of a healthy system fires."""
    found = healthy()
    signal = Signal(name, Verdict.FIRING, value=value, since=since)
    return replace(found, signals={**found.signals, name: signal})


def outage() -> SignalSet:
    """S3 is down and reads go there."""
    return healthy(OUTAGE=Verdict.FIRING, RECOVERY=Verdict.FIRING)


def hidden() -> SignalSet:
    """S3 is down and reads are local: the mitigation hides the outage, saves still fail."""
    return healthy(OUTAGE=Verdict.CLEAR_UNPROVEN, RECOVERY=Verdict.FIRING)


@dataclass
class Source:
    """Signals that a test sets; a fallback sample follows the current Pods."""

    current: SignalSet = field(default_factory=healthy)
    reads: float | None = None
    fallbacks: float = 0.0

    def signals(self, policy: Policy, template_hash: str) -> SignalSet:
        self.asked.append(template_hash)
        if self.reads is None:
            return self.current
        sample = FallbackSample(template_hash, 3, self.reads, self.fallbacks, self.clock())
        return replace(self.current, fallback=sample)

    clock: Callable[[], Any] = lambda: None
    asked: list[str] = field(default_factory=list)


@dataclass
class Ledger:
    """Keeps what the shell tells its witness."""

    passes: list[tuple[Snapshot, Decision]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    paperwork: Counter[tuple[str, str]] = field(default_factory=Counter)
    forgotten: list[Key] = field(default_factory=list)

    def acted(self, snapshot: Snapshot, decision: Decision, acted: Acted) -> None:
        if acted.lesson is not None:
            self.failures.append("refused")

    def wrote(self, paperwork: Mapping[tuple[str, str], int]) -> None:
        self.paperwork.update(paperwork)

    def passed(self, snapshot: Snapshot, decision: Decision) -> None:
        self.passes.append((snapshot, decision))

    def failed(self, key: Key, kind: str) -> None:
        self.failures.append(kind)

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)


class Scene:
    """A cluster with the application and its policy, and an operator that may be killed and started again."""

    def __init__(self, cluster: FakeCluster | None = None, **spec: Any) -> None:
        self.cluster = cluster or FakeCluster()
        self.source = Source(clock=lambda: self.cluster.now)
        self.ledger = Ledger()
        self.woken: list[Key] = []
        self._tokens = itertools.count(1)
        if cluster is None:
            self.cluster.add(CLAIMS, claim_body())
            self.cluster.add(DEPLOYMENTS, deployment_body(), manager="helm")
            self.cluster.add(POLICIES, policy_body(**spec))
        self.operator = self.start()

    def start(self, instance: str = "operator-0") -> Reconciler:
        """A fresh operator without memory."""
        self.operator = Reconciler(
            cluster=self.cluster,
            source=self.source,
            decide=decide,
            settings=Settings("validator:1", ALLOWED, instance),
            registry=Registry(),
            board=AlertBoard(),
            witness=self.ledger,
            wake=self.woken.append,
            clock=lambda: self.cluster.now,
            token=lambda: f"token-{next(self._tokens)}",
        )
        return self.operator

    async def step(self, seconds: float = 0) -> Outcome:
        """Let time pass, then one pass."""
        self.cluster.advance(seconds)
        return await self.operator(KEY)

    async def settle(self, seconds: float = 0, limit: int = 30) -> Outcome:
        """Let time pass, then passes without time until one writes nothing."""
        self.cluster.advance(seconds)
        for _ in range(limit):
            before = len(self.cluster.writes())
            outcome = await self.operator(KEY)
            if len(self.cluster.writes()) == before and not outcome.failed:
                return outcome
        raise AssertionError("the operator does not settle")

    # --- what is there

    def deployment(self) -> Json:
        return self.cluster.stored(DEPLOYMENTS, NAMESPACE, TARGET)

    def policy(self) -> Json:
        return self.cluster.stored(POLICIES, NAMESPACE, POLICY)

    def env(self, name: str = READ) -> str | None:
        """The literal value of a variable in the template."""
        entries = self.deployment()["spec"]["template"]["spec"]["containers"][0]["env"]
        return next((one.get("value") for one in entries if one["name"] == name), None)

    def hold(self) -> Hold | None:
        text = self.deployment()["metadata"].get("annotations", {}).get(ANNOTATION)
        return None if text is None else load(text)

    def managers(self) -> set[str]:
        return {entry["manager"] for entry in self.deployment()["metadata"].get("managedFields", ())}

    def condition(self, kind: str = "Ready") -> Json:
        conditions = self.policy().get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {})

    def reason(self) -> str:
        return str(self.condition().get("reason"))

    def events(self) -> list[str]:
        return [one["reason"] for one in self.cluster.every(EVENTS)]

    def jobs(self, kind: str = "") -> list[Json]:
        """The validator Jobs, or those of one kind, oldest first."""
        every = self.cluster.every(JOBS)
        if kind:
            every = [one for one in every if one["metadata"].get("labels", {}).get(LABEL_KIND) == kind]
        return sorted(every, key=lambda one: int(one["metadata"]["uid"].rpartition("-")[2]))

    def request(self, name: str) -> Json:
        """The status of a request."""
        found: Json = self.cluster.stored(REQUESTS, NAMESPACE, name).get("status") or {}
        return found

    def requests(self) -> list[str]:
        """The names of all requests."""
        return [one["metadata"]["name"] for one in self.cluster.every(REQUESTS)]

    def incidents(self, scenario: str = "") -> list[Json]:
        """The statuses of all incidents, or of those of one scenario, by name."""
        every = [one.get("status") or {} for one in self.cluster.every(INCIDENTS)]
        return [one for one in every if scenario in ("", one.get("scenario"))]

    def told(self) -> dict[str, str]:
        """The alerts in force: name and scenario, and what is asked."""
        return {
            f"{one.name}/{one.labels.get('scenario', '')}": one.annotations.get("summary", "")
            for one in self.operator.board.alerts(self.cluster.now)
        }

    # --- what happens

    def finish(self, verdict: str = "PASS", **changes: Any) -> None:
        """The newest Job's Pod writes an honest receipt, unless `changes` say otherwise."""
        job = self.jobs()[-1]
        env = {e["name"]: e.get("value") for e in job["spec"]["template"]["spec"]["containers"][0]["env"]}
        now = self.cluster.now
        receipt = {
            "schema": "certstorage/receipt/v1",
            "command": job["spec"]["template"]["spec"]["containers"][0]["args"][0],
            "nonce": nonce_of(job),
            "inputsHash": env["CERT_RECEIPT_INPUTS_HASH"],
            "verdict": verdict,
            "detail": "",
            "message": "400 of 400 objects are equal",
            "startedAt": rfc3339_milli(now - timedelta(seconds=5)),
            "finishedAt": rfc3339_milli(now),
            "mismatchPercent": 0.0,
            "upperBoundPercent": 0.1,
            "sampled": 400,
            "population": 400,
            "atRiskOpen": 0,
            "probe": "ok",
            **changes,
        }
        code = {"PASS": 0, "FAIL": 1}.get(verdict, 2)
        self.cluster.finish_job(NAMESPACE, job["metadata"]["name"], message=json.dumps(receipt), exit_code=code)

    def ask(self, name: str, kind: str, **spec: Any) -> None:
        """A person makes a request."""
        body = {
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"policyName": POLICY, "type": kind, "reason": "to see", "requestedBy": "ann", **spec},
        }
        self.cluster.add(REQUESTS, body)

    def approve(self, request: str, decision: str = "Approve") -> None:
        """A person answers what a request waits for."""
        answers = {"requestName": request, "planHash": self.request(request)["planHash"], "decision": decision}
        self.ask(f"{request}-answer", "Approval", approves=answers)

    async def fall(self) -> None:
        """S3 goes down; reads are local on every Pod, the alert resolves."""
        self.source.current = outage()
        await self.step()
        self.source.current = hidden()
        await self.settle()

    async def recover(self) -> None:
        """S3 comes back and stays; the recovery Job is made."""
        self.source.current = healthy()
        await self.step(60)
        await self.settle(600)

    async def come_back(self) -> None:
        """The Job passes, reads go back and the new Pods are fine."""
        self.finish()
        await self.settle(15)
        self.source.reads, self.source.fallbacks = 500.0, 0.0
        await self.settle(30)
        await self.settle(1)
