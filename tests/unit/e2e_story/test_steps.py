"""The derivation of the story: recorded facts in, ordered steps out; and each thing that must not count."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.story.facts import (
    OPERATOR,
    Clients,
    Comparison,
    Facts,
    Fallback,
    Job,
    JobMade,
    Pod,
    Pods,
    Sample,
    Span,
    Switch,
    Write,
)
from tests.e2e.story.plot import Terms, client_errors
from tests.e2e.story.steps import OUTAGE, StepName

ZERO = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
TERMS = Terms(replicas=3, held=timedelta(seconds=30))


def at(seconds: float) -> datetime:
    return ZERO + timedelta(seconds=seconds)


def write(seconds: float, reads: str, *, user: str = OPERATOR, dual: str = "true", nonce: str = "") -> Write:
    return Write(
        at=at(seconds),
        received=at(seconds - 0.01),
        audit_id=f"audit-{seconds}",
        verb="patch",
        user=user,
        agent="certstorage-operator/0.1.0",
        uid="deployment-uid",
        resource_version=str(round(1000 + seconds)),
        generation=round(seconds),
        env={"CERT_S3_READ_PRIMARY": reads, "CERT_S3_DUAL_WRITE": dual},
        hold=json.dumps({"nonce": nonce}),
    )


def pods(seconds: float, reads: str, template: str, count: int = 3, *, ready: bool = True) -> Pods:
    made = tuple(
        Pod(
            f"web-{template}-{n}",
            f"uid-{template}-{n}",
            str(n),
            template,
            ready,
            False,
            {"CERT_S3_READ_PRIMARY": reads},
        )
        for n in range(count)
    )
    return Pods(at(seconds), made)


def with_one_going(seconds: float, reads: str) -> Pods:
    """Every Pod reads local, and one of before is still going."""
    staying = pods(seconds, "false", "b")
    return Pods(
        staying.at,
        (*staying.pods, dataclasses.replace(staying.pods[0], env={"CERT_S3_READ_PRIMARY": reads}, going=True)),
    )


def job(seconds: float, *, verdict: str = "PASS", nonce: str = "n1", attempt: str = "1", complete: bool = True) -> Job:
    receipt: dict[str, object] = {"verdict": verdict, "nonce": nonce, "sampled": 2000}
    return Job(f"recover-{attempt}", f"job-{attempt}", "77", "inc-1", attempt, complete, at(seconds), "pod-1", receipt)


STORY = Facts(
    since=ZERO,
    switches=(Switch(at(10), "reset"), Switch(at(80), "")),
    writes=(write(22, "false"), write(110, "false", nonce="n1"), write(126, "true"), write(150, "true")),
    jobs_made=(JobMade(at(111), OPERATOR, "recover-1", "job-1", "inc-1", "1"),),
    alert="CertS3Outage",
    firing=(Span(at(21), at(33)),),
    failing=(Sample(at(20), 1.0), Sample(at(79), 1.0), Sample(at(100), 0.0)),
    recovered=(Sample(at(20), 0.0), Sample(at(100), 1.0)),
    pods=(pods(20, "true", "a"), pods(30, "false", "b"), pods(40, "false", "b"), pods(79, "false", "b"),
          pods(135, "true", "c")),
    jobs=(job(122),),
    comparisons=(Comparison(at(100), at(101), 40, 5, ("x",)), Comparison(at(123), at(124), 41, 5),
                 Comparison(at(125), at(127), 41, 5)),
    fallback=(Fallback(at(30), "b", 3, 500, 0), Fallback(at(136), "c", 3, 40, 0), Fallback(at(140), "c", 3, 300, 1)),
    clients=(Clients(at(0), 100, 7), Clients(at(150), 9000, 7)),
)  # fmt: skip


def names(facts: Facts, terms: Terms = TERMS) -> list[str]:
    return [step.step.value for step in OUTAGE.derive(facts, terms)]


def test_a_whole_story_has_every_step_in_order_with_its_time() -> None:
    steps = OUTAGE.derive(STORY, TERMS)
    assert [step.step for step in steps] == list(StepName)
    assert [(step.at - ZERO).total_seconds() for step in steps] == [10, 21, 22, 30, 79, 80, 100, 122, 124, 126, 140]
    assert OUTAGE.broken(STORY) == ()
    assert client_errors(STORY) == 0


def test_the_evidence_names_versions_and_uids() -> None:
    evidence = {step.step: step.evidence for step in OUTAGE.derive(STORY, TERMS)}
    assert evidence[StepName.READ_PRIMARY_OFF]["resource_version"] == "1022"
    assert evidence[StepName.READ_PRIMARY_OFF]["deployment_uid"] == "deployment-uid"
    assert evidence[StepName.HELD_WHILE_CUT]["for_seconds"] == 46
    assert evidence[StepName.VALIDATION_PASSED]["job_uid"] == "job-1"
    assert "uid-c-0" in json.dumps(evidence[StepName.FALLBACK_BELOW_1_PERCENT])


def test_steps_are_json() -> None:
    assert json.dumps([step.evidence for step in OUTAGE.derive(STORY, TERMS)])


Change = Callable[[Facts], Facts]


def but(**changes: object) -> Change:
    return lambda facts: dataclasses.replace(facts, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (but(switches=()), StepName.S3_CUT),
        (but(firing=(Span(at(1), at(5)),)), StepName.ALERT_FIRING),
        (but(writes=(write(22, "false", user="somebody"),)), StepName.READ_PRIMARY_OFF),
        (but(writes=(write(15, "false"),)), StepName.READ_PRIMARY_OFF),
        (but(pods=(pods(30, "false", "b", 2),)), StepName.PODS_CONFIRMED_OFF),
        (but(pods=(pods(30, "false", "b", 4),)), StepName.PODS_CONFIRMED_OFF),
        (but(pods=(pods(30, "false", "b", ready=False),)), StepName.PODS_CONFIRMED_OFF),
        (but(firing=(Span(at(21)),)), StepName.HELD_WHILE_CUT),
        (but(firing=(Span(at(21), at(60)),)), StepName.HELD_WHILE_CUT),
        (but(firing=(Span(at(21), at(33)), Span(at(55), at(60)))), StepName.HELD_WHILE_CUT),
        (but(switches=(Switch(at(10), "reset"), Switch(at(45), ""))), StepName.HELD_WHILE_CUT),
        (but(writes=(write(22, "false"), write(50, "true"), write(52, "false"))), StepName.HELD_WHILE_CUT),
        (but(pods=(*STORY.pods[:3], with_one_going(79, "true"))), StepName.HELD_WHILE_CUT),
        (but(switches=STORY.switches[:1], pods=STORY.pods[:4]), StepName.S3_RESTORED),
        (but(recovered=(Sample(at(70), 1.0), Sample(at(90), 0.0))), StepName.RECOVERY_PROVEN),
        (but(jobs=(job(122, verdict="FAIL"),)), StepName.VALIDATION_PASSED),
        (but(jobs=(job(122, complete=False),)), StepName.VALIDATION_PASSED),
        (but(jobs=(job(122, nonce="forged"),)), StepName.VALIDATION_PASSED),
        (but(jobs=(job(90),)), StepName.VALIDATION_PASSED),
        (but(comparisons=(Comparison(at(123), at(124), 40, 5, ("x",)),)), StepName.OUTAGE_WRITES_EQUAL_IN_S3),
        (but(comparisons=(Comparison(at(120), at(121), 41, 5),)), StepName.OUTAGE_WRITES_EQUAL_IN_S3),
        (but(comparisons=(Comparison(at(125), at(127), 41, 5),)), StepName.OUTAGE_WRITES_EQUAL_IN_S3),
        (but(writes=STORY.writes[:2]), StepName.READ_PRIMARY_ON),
        (but(writes=(*STORY.writes[:2], write(126, "true", user="somebody"))), StepName.READ_PRIMARY_ON),
        (but(fallback=(Fallback(at(140), "c", 3, 300, 3),)), StepName.FALLBACK_BELOW_1_PERCENT),
        (but(fallback=(Fallback(at(140), "c", 2, 300, 0),)), StepName.FALLBACK_BELOW_1_PERCENT),
        (but(fallback=(Fallback(at(140), "b", 3, 300, 0),)), StepName.FALLBACK_BELOW_1_PERCENT),
        (but(fallback=(Fallback(at(430), "c", 3, 300, 0),)), StepName.FALLBACK_BELOW_1_PERCENT),
    ],
)
def test_what_does_not_count_ends_the_story_there(change: Change, missing: StepName) -> None:
    order = list(StepName)
    assert names(change(STORY)) == [step.value for step in order[: order.index(missing)]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (but(writes=(write(22, "false", dual="false"),)), "CERT_S3_DUAL_WRITE='false'"),
        (but(writes=(write(22, "false"), write(50, "true"))), "while it was cut"),
        (but(jobs_made=(*STORY.jobs_made, JobMade(at(112), OPERATOR, "other", "u", "inc-1", "1"))), "two Jobs for"),
        (but(clients=(Clients(at(0), 1, 1), Clients(at(9), 9, 3))), "clients saw 2 errors"),
    ],
)
def test_what_must_never_happen_is_named(change: Change, words: str) -> None:
    (line,) = OUTAGE.broken(change(STORY))
    assert words in line
