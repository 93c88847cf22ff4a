"""A world of values for stories in milliseconds: one Deployment, its Pods, one S3, Jobs, and a clock that is set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from certstorage.api.decision import Decision, EventWanted, JobWanted
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import Hold
from certstorage.api.incident_json import read_incident, to_dict
from certstorage.api.incidents import IncidentSeen, IncidentWanted
from certstorage.api.observed import (
    ClaimUser,
    Client,
    FireTimes,
    Fleet,
    JobPhase,
    JobSeen,
    Neighbours,
    Observation,
    Pods,
    Problem,
    Scaler,
    Schedules,
    Target,
)
from certstorage.api.policy import Policy, parse
from certstorage.api.receipt import Receipt, ReceiptVerdict
from certstorage.api.requests import RequestSeen, RequestStatus, RequestType
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import FallbackSample, Signal, SignalName, SignalSet, Verdict
from certstorage.api.status import Status
from certstorage.api.status_json import from_dict
from certstorage.api.status_json import to_dict as status_to_dict
from certstorage.runbook.decide import decide

START = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
READ, DUAL = "CERT_S3_READ_PRIMARY", "CERT_S3_DUAL_WRITE"
ME = "certstorage-operator"
Spec = dict[str, Any]
"""Parts of a policy's spec, as JSON."""


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
    incidents: dict[str, IncidentSeen] = field(default_factory=dict)
    scalers: tuple[Scaler, ...] = ()
    claim_users: tuple[ClaimUser, ...] = ()
    validation: FireTimes = field(default_factory=FireTimes)
    window: FireTimes = field(default_factory=FireTimes)
    fleet: Fleet = field(default_factory=Fleet)
    client: Client = field(default_factory=Client)
    blind: tuple[Problem, ...] = ()
    terminating: int = 0
    neighbours: Neighbours = field(default_factory=Neighbours)
    deleting: bool = False
    finalizer: bool = False
    status: Status = field(default_factory=Status)
    tokens: int = 0
    writes: list[dict[str, str | None]] = field(default_factory=list)
    events: list[EventWanted] = field(default_factory=list)
    last: Decision | None = None
    passes: list[tuple[datetime, Decision]] = field(default_factory=list)
    """Every decision that was applied, with its time."""
    told: int = 0
    """How many of them are told elsewhere."""
    wanted: dict[str, JobWanted] = field(default_factory=dict)
    """The Jobs that were made, as they were wanted."""

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
            client=self.client,
        )
        return Observation(
            target=self.target or replace(target, **self.target_changes),  # type: ignore[arg-type]
            pods=Pods(
                local=self.replicas if local else 0, s3=0 if local else self.replicas, terminating=self.terminating
            ),
            signals=self.signals,
            jobs=tuple(self.jobs.values()),
            requests=self.requests,
            incidents=tuple(self.incidents.values()),
            scalers=self.scalers,
            claim_users=self.claim_users,
            schedules=Schedules(self.validation, self.window),
            fleet=self.fleet,
            blind=self.blind,
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
            quiet = not (decision.jobs or decision.requests or decision.answers or decision.incidents)
            if decision.patch is None and not decision.release and not decision.stop_jobs and quiet:
                return decision
        raise AssertionError("the operator does not settle")

    def apply(self, decision: Decision) -> None:
        """What the API server and the controllers make of a decision."""
        self.last = decision
        self.passes.append((self.now, decision))
        patch = decision.patch
        if patch is not None:
            self.writes.append(dict(patch.env))
            for name, value in patch.env.items():
                if value is None:
                    self.env.pop(name, None)
                else:
                    self.env[name] = EnvVar.literal(value, ME)
            self.generation += bool(patch.env) or patch.replicas is not None
            self.replicas = self.replicas if patch.replicas is None else patch.replicas
            self.hold = patch.hold
            self.owns = True
        if decision.release:
            self.owns = False
        for stopped in decision.stop_jobs:
            self.jobs.pop(stopped.name, None)
        for job in decision.jobs:
            seen = JobSeen(job.name, f"uid-{job.name}", job.kind, job.incident, job.attempt, JobPhase.RUNNING, self.now)
            self.jobs.setdefault(job.name, replace(seen, nonce=job.nonce))
            self.wanted[job.name] = job
        self._papers(decision)
        self.finalizer = decision.finalizer
        # as it is stored and read back; the signals are told and never read
        stored = from_dict(status_to_dict(replace(decision.status, signals=())))
        self.status = replace(stored, signals=decision.status.signals)
        self.events.extend(decision.events)

    def _papers(self, decision: Decision) -> None:
        """Requests and incidents as the API server would keep them."""
        for wanted in decision.requests:
            if all(one.name != wanted.name for one in self.requests):
                seen = RequestSeen(
                    wanted.name, f"uid-{wanted.name}", wanted.kind, self.now, "", wanted.trigger, wanted.why
                )
                self.requests = (*self.requests, replace(seen, ttl_seconds=wanted.ttl_seconds))
        answers = {one.uid: one.status for one in decision.answers}
        self.requests = tuple(replace(one, status=answers.get(one.uid, one.status)) for one in self.requests)
        for incident in decision.incidents:
            self.incidents[incident.name] = self._stored(incident)

    def _stored(self, wanted: IncidentWanted) -> IncidentSeen:
        old = self.incidents.get(wanted.name)
        status = to_dict(wanted.status, self.policy, "deployment-1")
        read = read_incident({"metadata": {"name": wanted.name, "uid": f"uid-{wanted.name}"}, "status": status})
        return read if old is None else replace(read, notes=old.notes, generation=old.generation)

    def ask(self, kind: RequestType, name: str = "ask", /, **fields: object) -> None:
        """Somebody creates a request now."""
        seen = RequestSeen(name, f"uid-{name}", kind, self.now, by="jane@example.com")
        self.requests = (*self.requests, replace(seen, **fields))  # type: ignore[arg-type]

    def answer_of(self, name: str) -> RequestStatus:
        """What became of a request."""
        return next(one.status for one in self.requests if one.name == name)

    def incident(self, scenario: Scenario) -> IncidentSeen:
        """The newest incident of a scenario."""
        found = [one for one in self.incidents.values() if one.status is not None and one.status.scenario is scenario]
        return max(found, key=lambda one: one.name)

    def job(self) -> JobSeen:
        """The newest Job."""
        return list(self.jobs.values())[-1]

    def finish(self, verdict: ReceiptVerdict = ReceiptVerdict.PASSED, /, **changes: object) -> None:
        """The newest Job ends with this receipt, honestly made unless `changes` say otherwise."""
        job = self.job()
        receipt = Receipt(
            command={"Recovery": "recover", "Repair": "repair", "Findings": "probe"}.get(job.kind, "check"),
            nonce=job.nonce,
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
