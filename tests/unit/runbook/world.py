"""A world of values for stories in milliseconds: one Deployment, its Pods, one S3, Jobs, and a clock that is set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from certstorage.api.decision import Decision, EventWanted
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import Hold
from certstorage.api.observed import (
    JobPhase,
    JobSeen,
    Neighbours,
    Observation,
    Pods,
    Problem,
    Target,
)
from certstorage.api.policy import Policy, parse
from certstorage.api.receipt import Receipt, ReceiptVerdict
from certstorage.api.requests import RequestSeen
from certstorage.api.signals import FallbackSample, Signal, SignalName, SignalSet, Verdict
from certstorage.api.status import Status
from certstorage.runbook.decide import decide

START = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
READ, DUAL = "CERT_S3_READ_PRIMARY", "CERT_S3_DUAL_WRITE"
ME = "certstorage-operator"


def make_policy(generation: int = 1, **spec: object) -> Policy:
    """A policy as the API server would return it, with parts of the spec replaced."""
    body = {
        "metadata": {"namespace": "production", "name": "certificates", "uid": "policy-1", "generation": generation},
        "spec": {"targetRef": {"name": "deltacrown"}, "storage": {"bucket": "deltacrown-certificates"}, **spec},
    }
    return parse(body)


def healthy(**verdicts: Verdict) -> SignalSet:
    """Signals of a healthy system, with some verdicts replaced, by name as in SignalName."""
    chosen = dict.fromkeys(SignalName, Verdict.CLEAR_PROVEN) | {SignalName[k]: v for k, v in verdicts.items()}
    signals = {name: Signal(name, verdict) for name, verdict in chosen.items()}
    return SignalSet(signals=signals, trusted=True, reason="Trusted", message="")


def outage() -> SignalSet:
    """Signals while S3 is down and reads still go there."""
    return healthy(OUTAGE=Verdict.FIRING, RECOVERY=Verdict.FIRING)


def hidden_outage() -> SignalSet:
    """Signals while S3 is down and reads are local: the alert has resolved, saves still fail."""
    return healthy(OUTAGE=Verdict.CLEAR_UNPROVEN, RECOVERY=Verdict.FIRING)


@dataclass
class World:
    """Applies decisions as the cluster would; rollouts are instant unless `rolling` is set."""

    policy: Policy = field(default_factory=make_policy)
    now: datetime = START
    env: dict[str, EnvVar] = field(
        default_factory=lambda: {READ: EnvVar.literal("true", "helm"), DUAL: EnvVar.literal("true", "helm")}
    )
    hold: Hold | None = None
    owns: bool = False
    generation: int = 1
    replicas: int = 3
    rolling: bool = False
    stuck: bool = False
    target: Problem | None = None
    problems: tuple[Problem, ...] = ()
    target_changes: dict[str, object] = field(default_factory=dict)
    signals: SignalSet = field(default_factory=healthy)
    jobs: dict[str, JobSeen] = field(default_factory=dict)
    requests: tuple[RequestSeen, ...] = ()
    neighbours: Neighbours = field(default_factory=Neighbours)
    deleting: bool = False
    finalizer: bool = False
    status: Status = field(default_factory=Status)
    tokens: int = 0
    writes: list[dict[str, str | None]] = field(default_factory=list)
    events: list[EventWanted] = field(default_factory=list)
    last: Decision | None = None

    def read_is(self, state: FlagState) -> bool:
        """Whether the template's read flag is in this state."""
        return self.env[READ].state is state if READ in self.env else state is FlagState.ABSENT

    def see(self) -> Observation:
        """What a pass would read now."""
        self.tokens += 1
        local = self.read_is(FlagState.FALSE) and not self.rolling
        target = Target(
            uid="deployment-1",
            resource_version=str(len(self.writes)),
            generation=self.generation,
            observed_generation=self.generation,
            container="web",
            replicas=self.replicas,
            updated=1 if self.rolling else self.replicas,
            available=self.replicas,
            total=self.replicas,
            template_hash=f"hash{self.generation}",
            stuck=self.stuck,
            env=dict(self.env),
            hold=self.hold,
            owns_fields=self.owns,
            problems=self.problems,
        )
        return Observation(
            target=self.target or replace(target, **self.target_changes),  # type: ignore[arg-type]
            pods=Pods(local=self.replicas if local else 0, s3=0 if local else self.replicas),
            signals=self.signals,
            jobs=tuple(self.jobs.values()),
            requests=self.requests,
            neighbours=self.neighbours,
            deleting=self.deleting,
            has_finalizer=self.finalizer,
            inputs_hash="inputs",
            token=f"token{self.tokens}",
        )

    def step(self, seconds: float = 0) -> Decision:
        """Let time pass, then one pass of the operator: decide and apply."""
        self.now += timedelta(seconds=seconds)
        decision = decide(self.policy, self.see(), self.status, self.now)
        self.apply(decision)
        return decision

    def settle(self, limit: int = 10) -> Decision:
        """Passes without time until nothing more is written."""
        for _ in range(limit):
            decision = self.step()
            if decision.patch is None and not decision.release and not decision.stop_jobs:
                return decision
        raise AssertionError("the operator does not settle")

    def apply(self, decision: Decision) -> None:
        """What the API server and the controllers make of a decision."""
        self.last = decision
        patch = decision.patch
        if patch is not None:
            self.writes.append(dict(patch.env))
            for name, value in patch.env.items():
                if value is None:
                    self.env.pop(name, None)
                else:
                    self.env[name] = EnvVar.literal(value, ME)
            self.generation += bool(patch.env)
            self.hold = patch.hold
            self.owns = True
        if decision.release:
            self.owns = False
        for stopped in decision.stop_jobs:
            self.jobs.pop(stopped.name, None)
        for job in decision.jobs:
            seen = JobSeen(job.name, f"uid-{job.name}", job.kind, job.incident, job.attempt, JobPhase.RUNNING, self.now)
            self.jobs.setdefault(job.name, seen)
        self.finalizer = decision.finalizer
        self.status = decision.status
        self.events.extend(decision.events)

    def job(self) -> JobSeen:
        """The newest Job."""
        return list(self.jobs.values())[-1]

    def finish(self, verdict: ReceiptVerdict = ReceiptVerdict.PASSED, **changes: object) -> None:
        """The newest Job ends with this receipt, honestly made unless `changes` say otherwise."""
        assert self.hold is not None
        job = self.job()
        receipt = Receipt(
            command="recover",
            nonce=self.hold.nonce,
            inputs_hash="inputs",
            verdict=verdict,
            detail="",
            message=f"{verdict}: 400 objects compared",
            started_at=self.now,
            finished_at=self.now,
            sampled=400,
            population=400,
            probe="ok",
        )
        phase = JobPhase.COMPLETE if verdict is ReceiptVerdict.PASSED else JobPhase.FAILED
        receipt = replace(receipt, **changes)  # type: ignore[arg-type]
        self.jobs[job.name] = replace(job, phase=phase, receipt=receipt, finished_at=self.now)

    def serve(self, reads: float, fallbacks: float) -> None:
        """The current Pods have served this much, scraped twice."""
        sample = FallbackSample(f"hash{self.generation}", self.replicas, reads, fallbacks, self.now)
        self.signals = replace(self.signals, fallback=sample)
