"""What a pass tells: the status with its conditions, and Events at transitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from certstorage.api.alerts import Severity
from certstorage.api.conditions import Condition, ConditionStatus, ConditionType, set_condition
from certstorage.api.decision import EventType, EventWanted
from certstorage.api.hold import Hold
from certstorage.api.incidents import Entry
from certstorage.api.observed import Observation
from certstorage.api.policy import Policy
from certstorage.api.reasons import Reason
from certstorage.api.status import ReadsFrom, ReadsStatus, Status, SweepStatus, Validation
from certstorage.runbook.wants import Ask, Context, Finding, Wants

WELL = frozenset({Reason.READS_FROM_S3, Reason.RETURNED, Reason.RETURN_UNVERIFIED})
"""Reasons with which a policy is Ready."""

GOOD_NEWS = WELL | {
    Reason.VALIDATING,
    Reason.RECOVERY_HOLDING,
    Reason.RETURNING,
    Reason.SWEEP_PASSED,
    Reason.SWEEP_RESTORING,
    Reason.SWEEP_SCALING_DOWN,
    Reason.JOB_RUNNING,
    Reason.DATA_VERIFIED,
    Reason.SCENARIO_OVER,
}
"""Reasons whose Event is of type Normal."""

_VERIFIED: Mapping[str, tuple[ConditionStatus, Reason]] = {
    "Pass": (ConditionStatus.TRUE, Reason.DATA_VERIFIED),
    "Fail": (ConditionStatus.FALSE, Reason.VALIDATION_FAILED),
}
"""Whether the data is verified, by the verdict of the last validation."""

UNKNOWN_PAGES_AFTER = timedelta(minutes=10)
"""How long signals may be unknown before a person is asked to look."""


def leading(wants: Sequence[Wants]) -> Finding:
    """Why things are as they are, of all that scenarios say: an outage's before a sweep's, before the milder ones'."""
    findings = [one.finding for one in wants if one.finding is not None]
    if not findings:
        raise ValueError("the first scenario always says how things are")
    if findings[0].reason in WELL or findings[0].reason is Reason.SIGNALS_UNKNOWN:
        return next((one for one in findings[1:] if one.reason not in WELL), findings[0])
    return findings[0]


def ended(wants: Iterable[Wants]) -> Validation | None:
    """The validation that ended in this pass."""
    for one in wants:
        if one.validation is not None:
            return one.validation
    return None


@dataclass(frozen=True, slots=True)
class Report:
    """One pass as people see it. `hold` is the hold after the pass, `template` where its template reads from.

    `wants` are all scenarios' in their order, the outage's first; `finding` is why things are as they are, `asks` what
    people are asked, `validation` the one that ended in this pass.
    """

    policy: Policy
    seen: Observation
    before: Status
    now: datetime
    wants: Sequence[Wants]
    hold: Hold | None
    template: ReadsFrom
    finding: Finding
    asks: tuple[Ask, ...]
    validation: Validation | None
    target_uid: str = ""
    sweep: SweepStatus | None = None

    @classmethod
    def of(
        cls,
        context: Context | tuple[Policy, Observation, Status, datetime],
        wants: Sequence[Wants],
        *,
        hold: Hold | None,
        template: ReadsFrom,
        sweep: SweepStatus | None,
    ) -> Report:
        """The report of a pass over what was seen, remembered and wanted."""
        if isinstance(context, tuple):
            policy, seen, before, now = context
            uid = before.target_uid
        else:
            policy, seen, before, now = context.policy, context.seen, context.before, context.now
            uid = context.target.uid
        return cls(
            policy,
            seen,
            before,
            now,
            wants,
            hold,
            template,
            leading(wants),
            _asks(seen, before, now, wants, swept=hold is not None and hold.sweep is not None),
            ended(wants),
            uid,
            sweep,
        )

    def status(self) -> Status:
        """The status after this pass."""
        operation = next((one.operation for one in self.wants if one.operation is not None), None)
        validation, ask = self.validation, next(iter(self.asks), None)
        proven = validation is not None and validation.verdict == "Pass" and validation.command != "repair"
        return Status(
            observed_generation=self.policy.generation,
            target_uid=self.target_uid,
            conditions={condition.type: condition for condition in self._conditions()},
            reads=self._reads(),
            signals=tuple(self.seen.signals.signals.values()),
            operation=operation,
            scenarios=tuple(one.state for one in self.wants if one.state is not None),
            last_validation=validation or self.before.last_validation,
            proven_at=validation.started_at if proven and validation is not None else self.before.proven_at,
            next_validation_at=self.seen.schedules.validation.next or self.before.next_validation_at,
            sweep=self.sweep,
            incident=self._incident(),
            blocked_until=self.finding.until,
            unblock="" if ask is None else ask.command,
        )

    def _incident(self) -> str:
        """The incident that is held, or the newest that is open, or the last one there was."""
        if self.hold is not None:
            return self.hold.incident
        cases = [case for one in self.wants for case in one.cases]
        return max((case.name for case in cases), default=self.before.incident)

    def events(self, entries: Sequence[Entry]) -> tuple[EventWanted, ...]:
        """Events at transitions: why things are as they are, what is asked of people, what is new in an incident."""
        finding, old = self.finding, self.before.conditions
        events = [event for one in self.wants for event in one.events]
        said = {event.reason for event in events}
        ready = old.get(ConditionType.READY)
        news = ready is None or ready.reason != finding.reason.value
        after_return = ready is not None and ready.reason in WELL and finding.reason in WELL
        if news and not after_return and finding.reason.value not in said:
            events.append(_event(finding.reason.value, finding.message))
            said.add(finding.reason.value)
        asked = old.get(ConditionType.ACTION_REQUIRED)
        ask = next(iter(self.asks), None)
        if ask is not None and ask.reason.value not in said and (asked is None or asked.reason != ask.reason.value):
            events.append(EventWanted(EventType.WARNING, ask.reason.value, _line(ask)))
            said.add(ask.reason.value)
        for entry in entries:
            if entry.event not in said:
                events.append(_event(entry.event, entry.message))
                said.add(entry.event)
        return tuple(events)

    def _reads(self) -> ReadsStatus:
        old, pods = self.before.reads, self.seen.pods
        wanted = {one.desired for one in self.wants if one.desired is not None}
        desired = ReadsFrom.LOCAL if ReadsFrom.LOCAL in wanted else next(iter(wanted), ReadsFrom.UNKNOWN)
        return ReadsStatus(
            desired=desired,
            template=self.template,
            pods=pods.total,
            pods_as_desired=pods.local if desired is ReadsFrom.LOCAL else pods.total - pods.local,
            since=old.since if old is not None and old.desired is desired else self.now,
        )

    def _conditions(self) -> tuple[Condition, ...]:
        finding, signals = self.finding, self.seen.signals
        ask = next(iter(self.asks), None)
        verified, verified_reason, verified_text = self._verified()
        return (
            self._condition(ConditionType.READY, finding.reason in WELL, finding.reason, finding.message),
            self._condition(
                ConditionType.ACTION_REQUIRED,
                ask is not None,
                Reason.NOTHING_ASKED if ask is None else ask.reason,
                "" if ask is None else _line(ask),
            ),
            self._condition(
                ConditionType.SIGNALS_TRUSTED,
                signals.trusted,
                Reason.SIGNALS_TRUSTED if signals.trusted else Reason.SIGNALS_UNKNOWN,
                signals.message,
            ),
            self._condition(ConditionType.DATA_VERIFIED, verified, verified_reason, verified_text),
        )

    def _verified(self) -> tuple[ConditionStatus, Reason, str]:
        found = self.validation or self.before.last_validation
        if found is None:
            return ConditionStatus.UNKNOWN, Reason.NOT_VALIDATED, "no validator run has finished yet"
        status, reason = _VERIFIED.get(found.verdict, (ConditionStatus.UNKNOWN, Reason.VALIDATION_INCONCLUSIVE))
        return status, reason, f"mismatch {found.mismatch} of {found.sampled} objects compared"

    def _condition(self, kind: ConditionType, fact: bool | ConditionStatus, reason: Reason, message: str) -> Condition:
        status = fact if isinstance(fact, ConditionStatus) else ConditionStatus.of(fact)
        return set_condition(
            self.before.conditions,
            kind,
            status,
            reason.value,
            message,
            generation=self.policy.generation,
            now=self.now,
        )


def _asks(seen: Observation, before: Status, now: datetime, wants: Sequence[Wants], *, swept: bool) -> tuple[Ask, ...]:
    """What people are asked, what pages first; being blind for long is one more thing.

    A stopped application has no signals, so a sweep is not being blind.
    """
    asked = [ask for one in wants for ask in one.asks]
    asks = tuple(sorted(asked, key=lambda ask: ask.severity is not Severity.CRITICAL))
    signals = seen.signals
    if signals.trusted or swept:
        return asks
    trusted = before.conditions.get(ConditionType.SIGNALS_TRUSTED)
    long_blind = (
        trusted is not None
        and trusted.status is ConditionStatus.FALSE
        and now - trusted.last_transition >= UNKNOWN_PAGES_AFTER
    )
    if not long_blind or any(ask.reason is Reason.SIGNALS_UNKNOWN for ask in asks):
        return asks
    return (*asks, Ask(Reason.SIGNALS_UNKNOWN, f"the operator is blind for ten minutes: {signals.message}"))


def _event(reason: str, message: str) -> EventWanted:
    return EventWanted(EventType.NORMAL if reason in GOOD_NEWS else EventType.WARNING, reason, message)


def _line(ask: Ask) -> str:
    return f"{ask.message}: {ask.command}" if ask.command else ask.message
