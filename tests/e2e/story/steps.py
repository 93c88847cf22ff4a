"""The outage: from facts to the ordered steps of the story. Pure: the same facts always tell the same story."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from tests.e2e.story.facts import Facts, Pods, Write
from tests.e2e.story.plot import Plot, Step, Steps, Terms, seconds, turned, written


class StepName(StrEnum):
    """The steps of the outage story, in their order."""

    S3_CUT = "s3_cut"
    ALERT_FIRING = "alert_firing"
    READ_PRIMARY_OFF = "read_primary_off"
    PODS_CONFIRMED_OFF = "pods_confirmed_off"
    HELD_WHILE_CUT = "held_while_cut"
    S3_RESTORED = "s3_restored"
    RECOVERY_PROVEN = "recovery_proven"
    VALIDATION_PASSED = "validation_passed"
    OUTAGE_WRITES_EQUAL_IN_S3 = "outage_writes_equal_in_s3"
    READ_PRIMARY_ON = "read_primary_on"
    FALLBACK_BELOW_1_PERCENT = "fallback_below_1_percent"


def _cut(facts: Facts, _terms: Terms, _done: Steps) -> Step | None:
    for switch in facts.switches:
        if switch.fault:
            return Step(StepName.S3_CUT, switch.at, {"source": "proxy log", "fault": switch.fault})
    return None


def _alert(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
    cut = done[StepName.S3_CUT].at
    for span in facts.firing:
        if span.begin >= cut:
            evidence = {"source": "Prometheus", "alert": facts.alert, "after_seconds": seconds(span.begin - cut)}
            return Step(StepName.ALERT_FIRING, span.begin, evidence)
    return None


def _off(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
    firing = done[StepName.ALERT_FIRING].at
    write = next((write for write in turned(facts, "false") if write.at >= firing), None)
    return None if write is None else Step(StepName.READ_PRIMARY_OFF, write.at, written(write, done))


def _pods_off(facts: Facts, terms: Terms, done: Steps) -> Step | None:
    off = done[StepName.READ_PRIMARY_OFF].at
    for seen in facts.pods:
        if seen.at >= off and all_read(seen, "false", terms.replicas):
            return Step(StepName.PODS_CONFIRMED_OFF, seen.at, _running(seen))
    return None


def _held(facts: Facts, terms: Terms, done: Steps) -> Step | None:
    confirmed = done[StepName.PODS_CONFIRMED_OFF].at
    restored = _restored(facts, confirmed)
    ends = [span.end for span in facts.firing if restored is None or span.begin < restored]
    if None in ends:
        return None
    resolved = max(end for end in ends if end is not None)
    begin = max(confirmed, resolved)
    seen = [pods for pods in facts.pods if pods.at >= begin and (restored is None or pods.at < restored)]
    if not seen or seen[-1].at - begin < terms.held or not all_read(seen[-1], "false", terms.replicas):
        return None
    if any(pod.reads != "false" for pod in seen[-1].pods):
        return None  # a Pod that goes still serves, and would find stale objects in an S3 that is back
    if any(confirmed <= write.at <= seen[-1].at for write in turned(facts, "true")):
        return None
    failing = [sample for sample in facts.failing if begin <= sample.at <= seen[-1].at]
    evidence = {
        **_running(seen[-1]),
        "alert_resolved_at": resolved.isoformat(),
        "for_seconds": seconds(seen[-1].at - begin),
        "saves_failing": failing[-1].value if failing else None,
    }
    return Step(StepName.HELD_WHILE_CUT, seen[-1].at, evidence)


def _restore(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
    at = _restored(facts, done[StepName.S3_CUT].at)
    return None if at is None else Step(StepName.S3_RESTORED, at, {"source": "proxy log"})


def _proven(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
    restored = done[StepName.S3_RESTORED].at
    for sample in facts.recovered:
        if sample.at > restored and sample.value == 1:
            evidence = {
                "source": "Prometheus",
                "series": "cert_s3:recovered",
                "value": sample.value,
                "after_seconds": seconds(sample.at - restored),
            }
            return Step(StepName.RECOVERY_PROVEN, sample.at, evidence)
    return None


def _validated(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
    proven = done[StepName.RECOVERY_PROVEN].at
    for job in facts.jobs:
        passed = job.complete and job.receipt.get("verdict") == "PASS"
        if passed and job.finished >= proven and job.receipt.get("nonce") in _nonces(facts.writes):
            kept = (
                "verdict",
                "sampled",
                "population",
                "mismatches",
                "unverified",
                "atRiskOpen",
                "uploaded",
                "resolved",
            )
            evidence = {
                "job": job.name,
                "job_uid": job.uid,
                "job_resource_version": job.resource_version,
                "pod_uid": job.pod_uid,
                "incident": job.incident,
                "attempt": job.attempt,
                "receipt": {key: job.receipt.get(key) for key in kept},
            }
            return Step(StepName.VALIDATION_PASSED, job.finished, evidence)
    return None


def _equal(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
    validated = done[StepName.VALIDATION_PASSED].at
    back = next((write.received for write in turned(facts, "true") if write.at >= validated), None)
    for held in reversed(facts.comparisons):
        if held.started >= validated and (back is None or held.finished <= back) and not held.different:
            evidence = {"source": "S3", "equal": held.equal, "absent": held.absent, "different": 0}
            return Step(StepName.OUTAGE_WRITES_EQUAL_IN_S3, held.finished, evidence)
    return None


def _on(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
    equal = done[StepName.OUTAGE_WRITES_EQUAL_IN_S3].at
    write = next((write for write in turned(facts, "true") if write.at >= equal), None)
    return None if write is None else Step(StepName.READ_PRIMARY_ON, write.at, written(write, done))


def _fallback(facts: Facts, terms: Terms, done: Steps) -> Step | None:
    back = done[StepName.READ_PRIMARY_ON].at
    seen = next((pods for pods in facts.pods if pods.at >= back and all_read(pods, "true", terms.replicas)), None)
    if seen is None:
        return None
    hashes = {pod.template_hash for pod in seen.pods if not pod.going}
    for sample in facts.fallback:
        enough = sample.template_hash in hashes and sample.pods >= terms.replicas and sample.reads >= terms.min_reads
        timely = seen.at <= sample.at <= back + terms.fallback_within
        if enough and timely and sample.fallbacks < terms.max_fallback * sample.reads:
            evidence = {
                **_running(seen),
                "template_hash": sample.template_hash,
                "reads": round(sample.reads),
                "fallbacks": round(sample.fallbacks),
                "after_seconds": seconds(sample.at - back),
            }
            return Step(StepName.FALLBACK_BELOW_1_PERCENT, sample.at, evidence)
    return None


def all_read(seen: Pods, flag: str, replicas: int) -> bool:
    """Whether every Pod that stays is ready and runs with this read flag, and there are enough of them."""
    staying = [pod for pod in seen.pods if not pod.going]
    return len(staying) == replicas and all(pod.ready and pod.reads == flag for pod in staying)


def _restored(facts: Facts, after: datetime) -> datetime | None:
    return next((switch.at for switch in facts.switches if not switch.fault and switch.at > after), None)


def _nonces(writes: Iterable[Write]) -> set[str]:
    """Every nonce that a hold on the Deployment has carried."""
    return {nonce for write in writes if write.hold and (nonce := json.loads(write.hold).get("nonce"))}


def _running(seen: Pods) -> dict[str, object]:
    staying = [pod for pod in seen.pods if not pod.going]
    return {
        "source": "Pods",
        "pods": [
            {"name": pod.name, "uid": pod.uid, "resource_version": pod.resource_version, "reads": pod.reads}
            for pod in staying
        ],
    }


def _proof(step: Step) -> str:
    """A step's evidence in a few words."""
    seen = step.evidence
    match step.step:
        case StepName.S3_CUT:
            return f"proxy: {seen['fault']}"
        case StepName.ALERT_FIRING:
            return f"{seen['alert']}, {_whole(seen['after_seconds'])} after the cut"
        case StepName.READ_PRIMARY_OFF | StepName.READ_PRIMARY_ON:
            return str(seen["said"])
        case StepName.PODS_CONFIRMED_OFF:
            pods = seen["pods"]
            return f"{len(pods)} Pods" if isinstance(pods, list) else ""
        case StepName.HELD_WHILE_CUT:
            return f"{_whole(seen['for_seconds'])}, saves failing: {_percent(seen['saves_failing'])}"
        case StepName.RECOVERY_PROVEN:
            return f"{_whole(seen['after_seconds'])} after the restore"
        case StepName.VALIDATION_PASSED:
            receipt = seen["receipt"]
            counts = receipt if isinstance(receipt, dict) else {}
            return f"{seen['job']}: {counts.get('sampled')} sampled, {counts.get('uploaded')} uploaded"
        case StepName.OUTAGE_WRITES_EQUAL_IN_S3:
            return f"{seen['equal']} equal, {seen['absent']} deleted and absent"
        case StepName.FALLBACK_BELOW_1_PERCENT:
            return f"{seen['fallbacks']} of {seen['reads']} reads"
        case _:
            return "proxy: open"


def _percent(ratio: object) -> str:
    return f"{ratio:.0%}" if isinstance(ratio, float | int) else "no data"


def _whole(value: object) -> str:
    return f"{value:.0f} s" if isinstance(value, float | int) else "?"


OUTAGE = Plot(
    name="outage",
    title="S3 outage, end to end",
    scenes=(
        (StepName.S3_CUT, "S3 is cut", _cut),
        (StepName.ALERT_FIRING, "alert fires", _alert),
        (StepName.READ_PRIMARY_OFF, "reads are switched to local", _off),
        (StepName.PODS_CONFIRMED_OFF, "every Pod reads local", _pods_off),
        (StepName.HELD_WHILE_CUT, "held local, alert resolved, S3 still cut", _held),
        (StepName.S3_RESTORED, "S3 is restored", _restore),
        (StepName.RECOVERY_PROVEN, "recovery is proven by saves", _proven),
        (StepName.VALIDATION_PASSED, "the validator Job passed", _validated),
        (StepName.OUTAGE_WRITES_EQUAL_IN_S3, "outage writes are equal in S3", _equal),
        (StepName.READ_PRIMARY_ON, "reads are switched back to S3", _on),
        (StepName.FALLBACK_BELOW_1_PERCENT, "fallback of the new Pods below 1 %", _fallback),
    ),
    proof=_proof,
)
