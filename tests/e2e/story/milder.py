"""The plots of what is milder than an outage: degradation, read fallback. Pure."""

from __future__ import annotations

from enum import StrEnum

from tests.e2e.story.facts import LOG_LEVEL
from tests.e2e.story.plot import Plot
from tests.e2e.story.scenes import (
    OVER,
    alarm,
    every_pod,
    fault,
    given_back,
    heard,
    hold_of,
    incident,
    job,
    mended,
    sampled,
    wrote,
)

PLATFORM, SRE = "#platform-eng", "#sre-oncall"


class Degraded(StrEnum):
    """The steps of a degradation, in their order."""

    SAVES_FAIL = "saves_fail"
    ALERT_FIRING = "alert_firing"
    INCIDENT_OPENED = "incident_opened"
    DEBUG_ON = "debug_logging_on"
    PODS_LOG_DEBUG = "pods_log_debug"
    LOOKED_INTO = "cause_looked_into"
    PEOPLE_TOLD = "people_told"
    S3_MENDED = "s3_mended"
    DEBUG_OFF = "debug_logging_off"
    VALIDATION_PASSED = "validation_passed"
    RESOLVED = "incident_resolved"
    GIVEN_BACK = "given_back"


DEGRADATION = Plot(
    name="degradation",
    title="Partial S3 degradation, end to end",
    scenes=(
        (Degraded.SAVES_FAIL, "some saves to S3 fail", fault(Degraded.SAVES_FAIL)),
        (Degraded.ALERT_FIRING, "alert fires", alarm(Degraded.ALERT_FIRING, "CertS3Degraded")),
        (
            Degraded.INCIDENT_OPENED,
            "an incident is opened",
            incident(Degraded.INCIDENT_OPENED, "Degradation", ("Open",)),
        ),
        (
            Degraded.DEBUG_ON,
            "verbose logging is turned on, dual-write stays",
            wrote(
                Degraded.DEBUG_ON,
                lambda write: write.env.get(LOG_LEVEL) == "DEBUG" and "degradation" in hold_of(write),
                lambda write: f"LOG_LEVEL=DEBUG until {hold_of(write)['degradation']['until']}",
            ),
        ),
        (
            Degraded.PODS_LOG_DEBUG,
            "every Pod logs at DEBUG",
            every_pod(Degraded.PODS_LOG_DEBUG, lambda pod: pod.env.get(LOG_LEVEL) == "DEBUG", "at DEBUG"),
        ),
        (
            Degraded.LOOKED_INTO,
            "a Job looked for the cause",
            job(Degraded.LOOKED_INTO, "Findings", lambda ended, _: ended.incident != ""),
        ),
        (
            Degraded.PEOPLE_TOLD,
            "platform engineering is told",
            heard(Degraded.PEOPLE_TOLD, PLATFORM, "CertStorageIncident", "saves"),
        ),
        (Degraded.S3_MENDED, "S3 is well again", mended(Degraded.S3_MENDED)),
        (
            Degraded.DEBUG_OFF,
            "verbose logging is turned off",
            wrote(Degraded.DEBUG_OFF, lambda write: write.env.get(LOG_LEVEL) == "INFO", lambda _: "LOG_LEVEL=INFO"),
        ),
        (
            Degraded.VALIDATION_PASSED,
            "a 5 % validation passed",
            job(
                Degraded.VALIDATION_PASSED,
                "Validation",
                lambda ended, made: sampled(made, "0.05") and ended.receipt.get("verdict") == "PASS",
            ),
        ),
        (Degraded.RESOLVED, "the incident is resolved", incident(Degraded.RESOLVED, "Degradation", OVER)),
        (Degraded.GIVEN_BACK, "nothing is held any more", given_back(Degraded.GIVEN_BACK)),
    ),
)


class Fallback(StrEnum):
    """The steps of a high read fallback rate, in their order."""

    READS_FAIL = "reads_fail"
    ALERT_FIRING = "alert_firing"
    INCIDENT_OPENED = "incident_opened"
    LOOKED_INTO = "cause_looked_into"
    MITIGATION_NAMED = "mitigation_named"
    PEOPLE_TOLD = "people_told"
    S3_MENDED = "s3_mended"
    RESOLVED = "incident_resolved"


READ_FALLBACK = Plot(
    name="fallback",
    title="High read fallback rate, end to end",
    scenes=(
        (Fallback.READS_FAIL, "some reads of S3 fail", fault(Fallback.READS_FAIL)),
        (Fallback.ALERT_FIRING, "alert fires", alarm(Fallback.ALERT_FIRING, "CertS3ReadFallbackElevated")),
        (
            Fallback.INCIDENT_OPENED,
            "an incident is opened",
            incident(Fallback.INCIDENT_OPENED, "ReadFallback", ("Open", "Mitigated")),
        ),
        (
            Fallback.LOOKED_INTO,
            "a Job looked at flag, region, path and latency",
            job(Fallback.LOOKED_INTO, "Findings", lambda ended, _: ended.incident != ""),
        ),
        (
            Fallback.MITIGATION_NAMED,
            "the mitigation is named",
            incident(Fallback.MITIGATION_NAMED, "ReadFallback", ("Mitigated",), has="findings"),
        ),
        (
            Fallback.PEOPLE_TOLD,
            "platform engineering is told",
            heard(Fallback.PEOPLE_TOLD, PLATFORM, "CertStorageIncident", "monitor and wait"),
        ),
        (Fallback.S3_MENDED, "S3 is well again", mended(Fallback.S3_MENDED)),
        (Fallback.RESOLVED, "the incident is resolved", incident(Fallback.RESOLVED, "ReadFallback", OVER)),
    ),
)
