"""The record of an incident: from what a pass knows of it (`Case`) to the whole status of its object.

The timeline speaks in the runbook's words, with the ids of its rows. It grows when the reason or the step changes, so a
repeated pass, and a pass in which nothing happens, add nothing. What people write is never touched; it ticks the items
of the checklist that it answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from certstorage.api.alerts import Severity
from certstorage.api.incidents import (
    MOST_ENTRIES,
    MOST_EVIDENCE,
    MOST_FINDINGS,
    MOST_MISMATCHES,
    OVER,
    DataLost,
    Entry,
    Evidence,
    IncidentPhase,
    IncidentSeen,
    IncidentStatus,
    IncidentWanted,
    Notes,
)
from certstorage.api.scenarios import Scenario
from certstorage.runbook.checklist import checklist, post_mortem
from certstorage.runbook.rows import step_words
from certstorage.runbook.wants import Case, Context

LINE = 1024
FIRST_ROW = {
    Scenario.OUTAGE: "scenario-1/symptoms",
    Scenario.DEGRADATION: "scenario-2/symptoms",
    Scenario.INCONSISTENCY: "scenario-3/symptoms",
    Scenario.READ_FALLBACK: "scenario-4/symptoms",
    Scenario.DELETE_FAILING: "metrics/delete-fail",
    Scenario.WRITE_SUCCESS_LOW: "metrics/write-success",
    Scenario.LOCAL_DISK_LOW: "scenario-1/step-4",
    Scenario.SWEEP: "sweep/step-1",
}
DETECTED = "Detected"


def records(context: Context, cases: Iterable[Case], *, wrote: bool) -> tuple[IncidentWanted, ...]:
    """Every incident that is to say something new: those of this pass, and those whose checklist people have ticked."""
    seen = {one.name: one for one in context.seen.incidents}
    found: list[tuple[str, IncidentStatus]] = []
    for case in cases:
        known = seen.pop(case.name, None)
        if known is None or not _says_it_all(context, case, known):
            status = _record(context, case, _entry(context, case, wrote=wrote), known)
            if known is None or status != known.status:
                found.append((case.name, status))
    for one in seen.values():
        if one.status is not None and one.status.phase is IncidentPhase.RESOLVED and _to_review(context, one):
            status = _reviewed(context, one.name, one.status, one.notes, one.generation)
            if status != one.status:
                found.append((one.name, status))
    return tuple(IncidentWanted(name, status) for name, status in found)


def _says_it_all(context: Context, case: Case, seen: IncidentSeen) -> bool:
    """Whether the record has all that this pass knows, as far as can be told without making it anew: most passes."""
    old = seen.status
    if old is None or old.phase is not case.phase or not old.timeline or _to_review(context, seen):
        return False
    last = old.timeline[-1]
    return (
        last.event == case.finding.reason
        and last.step == step_words(case.row)
        and old.plan_hash == case.plan_hash
        and (case.severity is old.severity or old.severity is Severity.CRITICAL)
        and case.report in ("", old.report)
        and case.ticket_text in ("", old.ticket_text)
        and set(case.findings) <= set(old.findings)
        and set(case.mismatches) <= set(old.mismatches)
        and {_identity(_cut(one)) for one in case.evidence} <= {_identity(one) for one in old.evidence}
    )


def _to_review(context: Context, seen: IncidentSeen) -> bool:
    """Whether people wrote something since the checklist was ticked, or a validation has passed that ticks an item."""
    status = seen.status
    if status is None or status.observed_generation != seen.generation:
        return True
    return status.data_lost is DataLost.UNKNOWN and _proven(context, status)


def _record(context: Context, case: Case, entry: Entry, seen: IncidentSeen | None) -> IncidentStatus:
    old = None if seen is None else seen.status
    if old is not None and old.phase in OVER:
        old = replace(old, closed_at=None)  # it goes on after all, within the same incident
    status = old or _new(case)
    told = status.timeline[-1] if status.timeline else None
    news = told is None or (told.event, told.step) != (entry.event, entry.step)
    timeline = (*status.timeline, entry) if news else status.timeline
    status = replace(
        status,
        severity=Severity.CRITICAL if Severity.CRITICAL in (status.severity, case.severity) else case.severity,
        phase=case.phase,
        summary=case.summary[:LINE] if news or status.phase is not case.phase else status.summary,
        plan=case.plan,
        plan_hash=case.plan_hash,
        timeline=_shortened(timeline),
        evidence=_evidence(status.evidence, case.evidence),
        findings=tuple({one.name: one for one in (*status.findings, *case.findings)}.values())[:MOST_FINDINGS],
        mismatches=tuple(dict.fromkeys((*status.mismatches, *case.mismatches)))[:MOST_MISMATCHES],
        report=case.report or status.report,
        ticket_text=case.ticket_text or status.ticket_text,
    )
    status = _timed(context, case, status)
    notes, generation = (Notes(), 1) if seen is None else (seen.notes, seen.generation)
    return _reviewed(context, case.name, status, notes, generation)


def _new(case: Case) -> IncidentStatus:
    began = _whole(case.began)
    first = Entry(began, DETECTED, case.summary[:LINE], step_words(FIRST_ROW[case.scenario]))
    return IncidentStatus(
        scenario=case.scenario,
        severity=case.severity,
        phase=case.phase,
        summary=case.summary[:LINE],
        detected_at=began,
        started_at=_whole(min(case.started_at or began, began)),
        timeline=(first,),
    )


def _entry(context: Context, case: Case, *, wrote: bool) -> Entry:
    return Entry(
        at=_whole(context.now),
        event=case.finding.reason.value,
        message=case.finding.message[:LINE],
        step=step_words(case.row),
        actor=case.actor[:253],
        resource_version=context.target.resource_version if wrote else "",
    )


def _shortened(timeline: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The first and the last entries; of a longer timeline the middle goes."""
    if len(timeline) <= MOST_ENTRIES:
        return timeline
    half = MOST_ENTRIES // 2
    return (*timeline[:half], *timeline[-half:])


def _evidence(old: tuple[Evidence, ...], new: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    found = {_identity(one): one for one in old}
    for one in map(_cut, new):
        found.setdefault(_identity(one), one)
    return tuple(found.values())[:MOST_EVIDENCE]


def _cut(one: Evidence) -> Evidence:
    return Evidence(_whole(one.at), one.kind, one.name, one.value[:LINE], one.reference[:LINE])


def _identity(one: Evidence) -> tuple[str, ...]:
    """What makes two pieces the same; a signal counts once, as it was first seen."""
    return (one.kind, one.name) if one.kind == "Signal" else (one.kind, one.name, one.value, one.reference)


def _timed(context: Context, case: Case, status: IncidentStatus) -> IncidentStatus:
    """When clients were safe, S3 was back, and all was over; what clients saw of it follows."""
    now, phase = _whole(context.now), case.phase
    over = phase in OVER
    safe = phase is not IncidentPhase.OPEN
    mitigated = status.mitigated_at or (now if safe else None)
    downtime = status.downtime_seconds
    if case.scenario in _VISIBLE and mitigated is not None and downtime is None:
        downtime = max(0, int((mitigated - (status.started_at or status.detected_at)).total_seconds()))
    elif over and downtime is None:
        downtime = 0
    return replace(
        status,
        mitigated_at=mitigated,
        recovered_at=status.recovered_at or (now if phase is IncidentPhase.RECOVERING or over else None),
        resolved_at=now if over else None,
        downtime_seconds=downtime,
    )


_VISIBLE = frozenset({Scenario.OUTAGE, Scenario.SWEEP})
"""Scenarios in which clients may see errors: until reads are local everywhere, or while the application is stopped."""


def _proven(context: Context, status: IncidentStatus) -> bool:
    """Whether a validator run of this incident has passed: then nothing is lost."""
    last = context.before.last_validation
    return last is not None and last.verdict == "Pass" and last.finished_at >= status.detected_at


def _lost(context: Context, status: IncidentStatus, notes: Notes) -> DataLost:
    """What people say; where they say nothing, a validation that passes proves that nothing was lost."""
    if notes.data_lost is not None:
        return DataLost.YES if notes.data_lost else DataLost.NO
    return DataLost.NO if status.data_lost is DataLost.NO or _proven(context, status) else DataLost.UNKNOWN


def _reviewed(context: Context, name: str, status: IncidentStatus, notes: Notes, generation: int) -> IncidentStatus:
    """The checklist as it stands; with its last item an incident that is over is closed."""
    over = status.phase in OVER
    if over and status.scenario is Scenario.SWEEP and status.severity is Severity.WARNING:
        return replace(status, phase=IncidentPhase.CLOSED, closed_at=status.closed_at or status.resolved_at)
    lost = _lost(context, status, notes)
    state, why = post_mortem(status.downtime_seconds, lost, notes)
    items = checklist(context, name, status, notes, (state, why), resolved=over)
    closed = over and all(item.done for item in items)
    return replace(
        status,
        phase=IncidentPhase.CLOSED if closed else status.phase,
        closed_at=status.closed_at or _whole(context.now) if closed else status.closed_at,
        data_lost=lost,
        post_mortem=state,
        post_mortem_reason=why[:512],
        observed_generation=generation,
        checklist=items,
    )


def new_entries(context: Context, wanted: IncidentWanted) -> Iterator[Entry]:
    """What a record says for the first time in this pass."""
    old = next((one.status for one in context.seen.incidents if one.name == wanted.name), None)
    known = len(old.timeline) if old is not None else 0
    if old is None or wanted.status.timeline[:known] == old.timeline:
        yield from wanted.status.timeline[known:]


def _whole(value: datetime) -> datetime:
    return value.replace(microsecond=0)
