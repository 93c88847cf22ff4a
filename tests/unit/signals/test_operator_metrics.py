"""What the rules ask of the operator's own metrics, the operator really exports: by the name, with the labels."""

from __future__ import annotations

import re
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from certstorage.api.decision import TargetPatch
from certstorage.api.hold import Hold
from certstorage.api.observed import Problem
from certstorage.api.status import ReadsFrom, ReadsStatus
from certstorage.signals.names import (
    METRIC_BLOCKED_SINCE,
    METRIC_LAST_EVALUATION,
    METRIC_MISMATCH,
    METRIC_MISMATCH_TIME,
    METRIC_PODS_NOT_AS_DESIRED,
    METRIC_POLICY,
    METRIC_SWEEP_DEADLINE,
    POLICY_LABELS,
)
from certstorage.signals.rules import rule_file
from certstorage.signals.timings import Timings
from certstorage.telemetry import PolicyFacts, Telemetry
from tests.fakes.cluster import START
from tests.fakes.scene import KEY, Scene

OPERATOR = re.compile(r"\b(?:certstorage|cert_backfill)_\w+")
ASKED = sorted({name for rule in rule_file(Timings())["groups"][0]["rules"] for name in OPERATOR.findall(rule["expr"])})
OF_A_POLICY: dict[str, dict[str, str]] = {
    METRIC_BLOCKED_SINCE: {"reason": "AwaitingApproval"},
    METRIC_MISMATCH: {},
    METRIC_PODS_NOT_AS_DESIRED: {},
    METRIC_POLICY: {},
    METRIC_SWEEP_DEADLINE: {},
}
"""Each with its labels beside the policy's."""
EVERYTHING = PolicyFacts(
    labels=("production", "certificates", "deltacrown"),
    reads=ReadsStatus(ReadsFrom.LOCAL, ReadsFrom.LOCAL, 3, 3, START),
    flag=0.0,
    held=True,
    blocked_reason="AwaitingApproval",
    blocked_since=START.timestamp(),
    sweep_deadline=START.timestamp(),
    mismatch_percent=0.2,
    mismatch_at=START.timestamp(),
)


def exported(telemetry: Telemetry) -> dict[str, list[tuple[dict[str, str], float]]]:
    """All samples as a scrape reads them, by series name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(telemetry.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_the_rules_ask_for_no_more_than_is_known_here() -> None:
    assert sorted([*OF_A_POLICY, METRIC_LAST_EVALUATION]) == ASKED


def test_everything_that_rules_ask_for_is_exported_with_the_labels_they_map() -> None:
    telemetry = Telemetry("test", START.timestamp)
    telemetry.evaluation()
    telemetry.facts[KEY] = EVERYTHING
    found = exported(telemetry)
    assert found[METRIC_LAST_EVALUATION] == [({}, START.timestamp())]
    named = dict(zip(POLICY_LABELS, EVERYTHING.labels, strict=True))
    for name, more in {**OF_A_POLICY, METRIC_MISMATCH_TIME: {}}.items():
        ((labels, _),) = found[name]
        assert labels == named | more, name


def test_a_policy_in_peace_exports_nothing_that_could_fire() -> None:
    telemetry = Telemetry("test", START.timestamp)
    telemetry.facts[KEY] = PolicyFacts(EVERYTHING.labels, EVERYTHING.reads, flag=1.0, held=False)
    found = exported(telemetry)
    assert [value for _, value in found[METRIC_PODS_NOT_AS_DESIRED]] == [0]
    assert found.keys().isdisjoint({METRIC_BLOCKED_SINCE, METRIC_SWEEP_DEADLINE, METRIC_MISMATCH})


async def test_a_sweep_that_holds_replicas_says_by_when_they_are_back() -> None:
    scene = Scene()
    await scene.fall()
    snapshot, decision = scene.ledger.passes[-1]
    target = snapshot.seen.target
    assert not isinstance(target, Problem)
    assert target.hold is not None

    def deadline(hold: Hold) -> list[float]:
        telemetry = Telemetry("test", START.timestamp)
        telemetry.passed(snapshot, replace(decision, patch=TargetPatch("deployment-2", "1", hold=hold)))
        return [value for _, value in exported(telemetry).get(METRIC_SWEEP_DEADLINE, [])]

    assert deadline(target.hold) == []
    assert deadline(replace(target.hold, replicas=3, restore_by=START)) == [START.timestamp()]
