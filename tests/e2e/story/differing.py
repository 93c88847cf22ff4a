"""The plots of data inconsistency: objects are damaged in the bucket, found, mended and proven. Pure."""

from __future__ import annotations

from enum import StrEnum

from tests.e2e.story.plot import Plot
from tests.e2e.story.scenes import OVER, deed, equal, heard, incident, job, job_made, request, sampled

SRE = "#sre-oncall"
DAMAGED = "objects were damaged in S3, past the application"


class Differs(StrEnum):
    """The steps of an inconsistency that is mended, in their order; those of a person only where one is needed."""

    DAMAGED = "objects_damaged"
    VALIDATION_FAILED = "validation_failed"
    INCIDENT_OPENED = "incident_opened"
    SWEEP_ASKED = "sweep_asked_for"
    PEOPLE_TOLD = "people_told"
    AWS_CASE = "aws_case_written"
    REPAIR_ASKED = "repair_asked_for"
    REPAIR_RUNS = "repair_runs"
    STILL_DIFFERENT = "validation_failed_again"
    ESCALATED = "people_paged"
    ACCESS_LOG = "access_log_looked_for"
    REPAIRED = "objects_repaired"
    VALIDATION_PASSED = "validation_passed"
    EQUAL = "copies_equal"
    RESOLVED = "incident_resolved"


_FOUND = (
    (Differs.DAMAGED, "objects are damaged in S3", deed(Differs.DAMAGED, DAMAGED)),
    (
        Differs.VALIDATION_FAILED,
        "a validation found it",
        job(Differs.VALIDATION_FAILED, "Validation", lambda ended, _: ended.receipt.get("verdict") == "FAIL"),
    ),
    (
        Differs.INCIDENT_OPENED,
        "an incident is opened",
        incident(Differs.INCIDENT_OPENED, "Inconsistency", ("Open",)),
    ),
    (Differs.SWEEP_ASKED, "a sweep is asked for", request(Differs.SWEEP_ASKED, "Sweep", ("Pending", "Refused"))),
    (Differs.PEOPLE_TOLD, "SRE is told", heard(Differs.PEOPLE_TOLD, SRE, "CertStorageIncident")),
)
_BY_PERSON = (
    (
        Differs.AWS_CASE,
        "the text of an AWS Support case is there",
        heard(Differs.AWS_CASE, SRE, "AWS Premium Support case", "Service: Simple Storage Service (S3)"),
    ),
    (
        Differs.REPAIR_ASKED,
        "a person asks for the repair",
        request(Differs.REPAIR_ASKED, "Repair", ("Running", "Done")),
    ),
)
_ESCALATED = (
    (
        Differs.REPAIR_RUNS,
        "its Job is made, and somebody deletes it before it starts",
        job_made(Differs.REPAIR_RUNS, "Repair"),
    ),
    (
        Differs.STILL_DIFFERENT,
        "a 10 % validation still finds it",
        job(
            Differs.STILL_DIFFERENT,
            "Validation",
            lambda ended, made: sampled(made, "0.1") and ended.receipt.get("verdict") == "FAIL",
        ),
    ),
    (
        Differs.ESCALATED,
        "SRE is paged with all that the runbook asks to provide",
        heard(Differs.ESCALATED, SRE, "CertStorageActionRequired", "still not below 0.5 % after the repair", "report "),
    ),
    (
        Differs.ACCESS_LOG,
        "a Job looked where the access log is",
        job(Differs.ACCESS_LOG, "Findings", lambda ended, _: ended.incident != ""),
    ),
)
_MENDED = (
    (
        Differs.REPAIRED,
        "they are uploaded again from local disk",
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
)

INCONSISTENCY = Plot("inconsistency", "Data inconsistency, end to end", (*_FOUND, *_MENDED))
RANDOM = Plot("random", "Random data inconsistency, end to end", (*_FOUND, *_BY_PERSON, *_ESCALATED, *_MENDED))
