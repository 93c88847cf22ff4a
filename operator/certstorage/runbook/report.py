"""What people are told: status, conditions, Events at transitions, and level-triggered alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from certstorage.api.alerts import Alert, Severity
from certstorage.api.conditions import Condition, ConditionStatus, ConditionType, set_condition
from certstorage.api.decision import EventType, EventWanted
from certstorage.api.hold import Hold
from certstorage.api.observed import Observation
from certstorage.api.policy import Policy
from certstorage.api.reasons import Reason
from certstorage.api.status import ReadsFrom, ReadsStatus, Status
from certstorage.runbook.wants import Ask, Wants

WELL = frozenset({Reason.READS_FROM_S3, Reason.RETURNED, Reason.RETURN_UNVERIFIED})
"""Reasons with which a policy is Ready."""

GOOD_NEWS = WELL | {Reason.VALIDATING, Reason.RECOVERY_HOLDING, Reason.RETURNING}
"""Reasons whose Event is of type Normal."""

UNKNOWN_PAGES_AFTER = timedelta(minutes=10)
"""How long signals may be unknown before a person is asked to look."""


@dataclass(frozen=True, slots=True)
class Report:
    """One pass as people see it. `hold` is the hold after the pass, `template` where its template reads from."""

    policy: Policy
    seen: Observation
    before: Status
    now: datetime
    wants: Wants
    hold: Hold | None
    template: ReadsFrom

    def asks(self) -> tuple[Ask, ...]:
        """What people are asked; being blind for long is one more thing."""
        asks, signals = self.wants.asks, self.seen.signals
        trusted = self.before.conditions.get(ConditionType.SIGNALS_TRUSTED)
        long_blind = (
            not signals.trusted
            and trusted is not None
            and trusted.status is ConditionStatus.FALSE
            and self.now - trusted.last_transition >= UNKNOWN_PAGES_AFTER
        )
        if not long_blind or any(ask.reason is Reason.SIGNALS_UNKNOWN for ask in asks):
            return asks
        return (*asks, Ask(Reason.SIGNALS_UNKNOWN, f"the operator is blind for ten minutes: {signals.message}"))

    def status(self) -> Status:
        """The status after this pass."""
        return Status(
            observed_generation=self.policy.generation,
            conditions={condition.type: condition for condition in self._conditions()},
            reads=self._reads(),
            signals=tuple(self.seen.signals[name] for name in self.seen.signals.signals),
            operation=self.wants.operation,
            last_validation=self.wants.validation or self.before.last_validation,
            incident=self.hold.incident if self.hold is not None else self.before.incident,
            blocked_until=self.wants.finding.until,
        )

    def events(self) -> tuple[EventWanted, ...]:
        """Events at transitions: of the reason why things are as they are, and of what is asked of people."""
        finding, old = self.wants.finding, self.before.conditions
        events = list(self.wants.events)
        said = {event.reason for event in events}
        ready = old.get(ConditionType.READY)
        news = ready is None or ready.reason != finding.reason.value
        after_return = ready is not None and ready.reason in WELL and finding.reason in WELL
        if news and not after_return and finding.reason.value not in said:
            kind = EventType.NORMAL if finding.reason in GOOD_NEWS else EventType.WARNING
            events.append(EventWanted(kind, finding.reason.value, finding.message))
            said.add(finding.reason.value)
        asked = old.get(ConditionType.ACTION_REQUIRED)
        ask = next(iter(self.asks()), None)
        if ask is not None and ask.reason.value not in said and (asked is None or asked.reason != ask.reason.value):
            events.append(EventWanted(EventType.WARNING, ask.reason.value, _line(ask)))
        return tuple(events)

    def alerts(self) -> tuple[Alert, ...]:
        """What is in force: the incident for as long as anything is held, and each thing that is asked."""
        labels = {
            **self.policy.spec.alert_labels,
            "namespace": self.policy.namespace,
            "policy": self.policy.name,
            "deployment": self.policy.spec.target.name,
        }
        alerts = [self._asked(ask, labels) for ask in self.asks()]
        if self.hold is not None:
            incident = {**labels, "incident": self.hold.incident, "scenario": "outage"}
            told = {
                "summary": f"S3 outage: {self.policy.namespace}/{self.policy.name} reads certificates from local disk",
                "description": self.wants.finding.message,
                "action": self.asks()[0].message if self.asks() else "nothing: the operator goes on by itself",
                "command": f"kubectl -n {self.policy.namespace} describe certstoragepolicy {self.policy.name}",
            }
            alerts.append(Alert("CertStorageIncident", Severity.CRITICAL, incident, told, self.hold.since))
        return tuple(alerts)

    def _asked(self, ask: Ask, labels: dict[str, str]) -> Alert:
        asked = self.before.conditions.get(ConditionType.ACTION_REQUIRED)
        since = asked.last_transition if asked is not None and asked.reason == ask.reason.value else self.now
        told = {"summary": ask.message, "action": ask.message, "command": ask.command}
        incident = {} if self.hold is None else {"incident": self.hold.incident}
        named = {**labels, **incident, "reason": ask.reason.value}
        return Alert("CertStorageActionRequired", Severity.CRITICAL, named, told, since)

    def _reads(self) -> ReadsStatus:
        old, pods, desired = self.before.reads, self.seen.pods, self.wants.desired
        return ReadsStatus(
            desired=desired,
            template=self.template,
            pods=pods.total,
            pods_as_desired=pods.local if desired is ReadsFrom.LOCAL else pods.total - pods.local,
            since=old.since if old is not None and old.desired is desired else self.now,
        )

    def _conditions(self) -> tuple[Condition, ...]:
        finding, signals = self.wants.finding, self.seen.signals
        ask = next(iter(self.asks()), None)
        validation = self.wants.validation or self.before.last_validation
        verified, verified_reason = ConditionStatus.UNKNOWN, Reason.NOT_VALIDATED
        verified_text = "no validator run has finished yet"
        if validation is not None:
            verified = {"Pass": ConditionStatus.TRUE, "Fail": ConditionStatus.FALSE}.get(validation.verdict, verified)
            verified_reason = {
                "Pass": Reason.DATA_VERIFIED,
                "Fail": Reason.VALIDATION_FAILED,
            }.get(validation.verdict, Reason.VALIDATION_INCONCLUSIVE)
            verified_text = f"mismatch {validation.mismatch} of {validation.sampled} objects compared"
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


def _line(ask: Ask) -> str:
    return f"{ask.message}: {ask.command}" if ask.command else ask.message
