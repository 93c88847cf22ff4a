"""What the milder scenarios share: a signal is watched, looked into by a Job, named, and watched to its end.

    quiet ──fires, past its first breath──► Finding ──receipt──► Watching ──clear for five minutes──► over
                     ▲                                              │
                     └── ignored in an outage, and just after one   └── an outage begins: over, the outage goes on

Nothing is changed on the Deployment from here, and reads stay where they are: the application's own fallback is safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from certstorage.api.alerts import Severity
from certstorage.api.decision import JobKind, JobWanted
from certstorage.api.incidents import Evidence, IncidentFinding, IncidentPhase
from certstorage.api.policy import Mode
from certstorage.api.reading import percent
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.signals import Signal, SignalName, Verdict
from certstorage.runbook import causes
from certstorage.runbook.contacts import SEVERITY, incident_command
from certstorage.runbook.errands import Errand, bound, follow
from certstorage.runbook.threads import Thread, opened, stated, thread
from certstorage.runbook.wants import NOTHING, Ask, Case, Context, Finding, Wants
from certstorage.runbook.watch import Sight, in_outage, look, looked_again

LOOK_AGAIN = timedelta(seconds=30)
FINDINGS_SECONDS = 600
"""A Findings Job is ended after this long: it looks at single objects and settings."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one scenario makes of its signal and findings: one line, the runbook's row, and whether people are paged."""

    text: str
    row: str
    page: str = ""
    command: str = ""
    severity: Severity = Severity.CRITICAL


@dataclass(frozen=True, slots=True)
class Milder:
    """One milder scenario. `opine` is asked in every pass; without `probe` no Job is sent."""

    scenario: Scenario
    signal: SignalName
    reason: Reason
    row: str
    opine: Callable[[Context, Signal, tuple[IncidentFinding, ...]], Opinion]
    local: Callable[[Context], tuple[IncidentFinding, ...]] = lambda _: ()
    probe: bool = True
    in_outage: bool = False
    """Whether it goes on while reads are held local, since the outage makes it no less true."""


def mild(context: Context, kind: Milder) -> Wants:
    """What a milder scenario wants now."""
    signal = context.seen.signals[kind.signal]
    if signal.verdict is not Verdict.FIRING and not context.before.scenarios and not context.seen.incidents:
        return NOTHING
    found = thread(context, kind.scenario)
    if found is None and signal.verdict is not Verdict.FIRING:
        return NOTHING
    sight = _sight(context, kind, signal)
    if found is None:
        if sight is not Sight.REAL:
            return Wants(look_again_at=looked_again(context, signal))
        if context.policy.spec.mode is Mode.OBSERVE:
            text = f"{told(signal)}; spec.mode is Observe, so nothing is looked into"
            return Wants(finding=Finding(Reason.MODE_OBSERVE, text), look_again_at=context.now + LOOK_AGAIN)
        found = opened(context, kind.scenario)
    if sight is Sight.IGNORED or (in_outage(context) and not kind.in_outage):
        return over(context, found, kind.row, "it became an outage, which goes on as an incident of its own")
    quiet = quiet_since(context, found, signal, sight)
    if quiet is not None and context.now >= quiet + context.seen.patience.cool_down:
        return over(context, found, kind.row, f"{kind.signal.value} has been clear since {quiet:%H:%M:%S} UTC")
    return _goes_on(context, kind, found, signal, quiet)


def _sight(context: Context, kind: Milder, signal: Signal) -> Sight:
    sight = look(context, signal)
    return Sight.REAL if kind.in_outage and sight is Sight.IGNORED else sight


def quiet_since(context: Context, found: Thread, signal: Signal, sight: Sight) -> datetime | None:
    """Since when the signal is known to be clear; None while it is not."""
    if sight is not Sight.QUIET:
        return None
    return signal.since or found.mark("quietSince") or context.now


def cooled_down(context: Context, quiet: datetime | None) -> datetime:
    """When to look again (UTC): soon, and no later than a quiet signal has cooled down."""
    soon = context.now + LOOK_AGAIN
    return soon if quiet is None else min(soon, quiet + context.seen.patience.cool_down)


def told(signal: Signal) -> str:
    """The signal in one line."""
    value = "" if signal.value is None else f" at {percent(signal.value)}"
    return signal.message or f"{signal.name.value} fires{value}"


def findings_job(context: Context, found: Thread) -> JobWanted:
    """The Job that looks for the cause, once for each incident."""
    wanted = JobWanted(
        kind=JobKind.FINDINGS,
        name=f"{found.name}-f1",
        incident=found.name,
        timeout_seconds=FINDINGS_SECONDS,
    )
    return bound(context, wanted)


def looked_into(context: Context, found: Thread) -> Errand | None:
    """The Findings Job as of now; None once it is over and its findings are in the incident."""
    if found.step not in (None, Step.FINDING):
        return None
    wanted = findings_job(context, found)
    return follow(context, wanted, known_uid=found.uid_of(wanted.name))


def _goes_on(context: Context, kind: Milder, found: Thread, signal: Signal, quiet: datetime | None) -> Wants:
    errand = looked_into(context, found) if kind.probe else None
    receipt = errand.receipt if errand is not None and errand.progress.over else None
    known = (*kind.local(context), *of_errand(errand))
    opinion = kind.opine(context, signal, (*known, *recorded(context, found)))
    text = opinion.text if errand is None or errand.progress.over else f"{opinion.text}; {errand.finding.message}"
    step = Step.FINDING if errand is not None and not errand.progress.over else Step.WATCHING
    finding = Finding(kind.reason, text)
    return Wants(
        finding=finding,
        look_again_at=cooled_down(context, quiet),
        state=stated(
            context,
            found,
            step,
            job=None if errand is None or errand.progress.over else errand.job,
            marks={"quietSince": quiet},
        ),
        jobs=() if errand is None else errand.jobs,
        stop_jobs=() if errand is None else errand.stop_jobs,
        cases=(
            Case(
                name=found.name,
                scenario=kind.scenario,
                severity=Severity.CRITICAL if opinion.page else SEVERITY[kind.scenario],
                phase=IncidentPhase.OPEN
                if errand is not None and not errand.progress.over
                else IncidentPhase.MITIGATED,
                summary=text,
                began=found.began,
                started_at=signal.since,
                finding=finding,
                row=opinion.row or kind.row,
                findings=known,
                evidence=(
                    *_signal_evidence(context, signal),
                    *causes.evidence(context, found, receipt),
                ),
                report="" if receipt is None else receipt.report,
            ),
        ),
        asks=asks(context, kind, found, opinion),
    )


def of_errand(errand: Errand | None) -> tuple[IncidentFinding, ...]:
    """What a Findings Job found, once it is over; that it found nothing out is a finding too."""
    if errand is None or not errand.progress.over:
        return ()
    if errand.receipt is None:
        return (IncidentFinding("Probe", causes.UNKNOWN, errand.finding.message),)
    return causes.causes(errand.receipt)


def _signal_evidence(context: Context, signal: Signal) -> tuple[Evidence, ...]:
    if signal.verdict is not Verdict.FIRING:
        return ()
    return (Evidence(context.now, "Signal", signal.name.value, told(signal)),)


def recorded(context: Context, found: Thread) -> tuple[IncidentFinding, ...]:
    """The findings that the incident has already."""
    incident = next((one for one in context.seen.incidents if one.name == found.name), None)
    return () if incident is None or incident.status is None else incident.status.findings


def asks(context: Context, kind: Milder, found: Thread, opinion: Opinion) -> tuple[Ask, ...]:
    """What people are paged with, if they are."""
    if not opinion.page:
        return ()
    return (
        Ask(
            kind.reason,
            opinion.page,
            opinion.command or incident_command(context.policy, found.name),
            severity=opinion.severity,
            scenario=kind.scenario,
            incident=found.name,
            since=found.began,
        ),
    )


def over(context: Context, found: Thread, row: str, why: str) -> Wants:
    """The scenario is over: its incident is resolved and its memory dropped."""
    finding = Finding(Reason.SCENARIO_OVER, why)
    return Wants(
        look_again_at=context.now + LOOK_AGAIN,
        cases=(
            Case(
                name=found.name,
                scenario=found.scenario,
                severity=SEVERITY[found.scenario],
                phase=IncidentPhase.RESOLVED,
                summary=why,
                began=found.began,
                finding=finding,
                row=row,
            ),
        ),
    )
