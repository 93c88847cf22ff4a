"""The plot of data inconsistency: one object is damaged in the bucket, found, mended and proven. Pure."""

from __future__ import annotations

from enum import StrEnum

from tests.e2e.story.facts import Facts
from tests.e2e.story.plot import Plot, Step, Steps, Terms
from tests.e2e.story.scenes import OVER, equal, heard, incident, job, request, sampled

SRE = "#sre-oncall"


class Differs(StrEnum):
    """The steps of an inconsistency that is mended, in their order."""

    DAMAGED = "object_damaged"
    VALIDATION_FAILED = "validation_failed"
    INCIDENT_OPENED = "incident_opened"
    SWEEP_ASKED = "sweep_asked_for"
    PEOPLE_TOLD = "people_told"
    REPAIRED = "object_repaired"
    VALIDATION_PASSED = "validation_passed"
    EQUAL = "copies_equal"
    RESOLVED = "incident_resolved"


def _damaged(facts: Facts, _terms: Terms, _done: Steps) -> Step | None:
    if not facts.damages:
        return None
    first = facts.damages[0]
    said = f"{len(first.keys)} of the bucket, past the application: {first.keys[0]}"
    return Step(Differs.DAMAGED, first.at, {"source": "S3", "keys": list(first.keys), "said": said})


INCONSISTENCY = Plot(
    name="inconsistency",
    title="Data inconsistency, end to end",
    scenes=(
        (Differs.DAMAGED, "an object is damaged in S3", _damaged),
        (
            Differs.VALIDATION_FAILED,
            "the nightly validation found it",
            job(Differs.VALIDATION_FAILED, "Validation", lambda ended, _: ended.receipt.get("verdict") == "FAIL"),
        ),
        (
            Differs.INCIDENT_OPENED,
            "an incident is opened",
            incident(Differs.INCIDENT_OPENED, "Inconsistency", ("Open",)),
        ),
        (Differs.SWEEP_ASKED, "a sweep is asked for", request(Differs.SWEEP_ASKED, "Sweep", ("Pending", "Refused"))),
        (Differs.PEOPLE_TOLD, "SRE is told", heard(Differs.PEOPLE_TOLD, SRE, "CertStorageIncident")),
        (
            Differs.REPAIRED,
            "it is uploaded again from local disk",
            job(Differs.REPAIRED, "Repair", lambda ended, _: ended.complete),
        ),
        (
            Differs.VALIDATION_PASSED,
            "a 10 % validation passed",
            job(
                Differs.VALIDATION_PASSED,
                "Validation",
                lambda ended, made: sampled(made, "0.1") and ended.receipt.get("verdict") == "PASS",
            ),
        ),
        (Differs.EQUAL, "both copies are equal again", equal(Differs.EQUAL)),
        (Differs.RESOLVED, "the incident is resolved", incident(Differs.RESOLVED, "Inconsistency", OVER)),
    ),
)
