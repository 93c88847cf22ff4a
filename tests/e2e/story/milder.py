"""The plots of what is milder than an outage: degradation, read fallback, failing deletes, a full disk. Pure."""

from __future__ import annotations

from enum import StrEnum

from tests.e2e.story.facts import LOG_LEVEL
from tests.e2e.story.plot import Finder, Plot
from tests.e2e.story.scenes import (
    OVER,
    alarm,
    deed,
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


class Watched(StrEnum):
    """The steps of a signal that is looked into, named and watched to its end, in their order."""

    CAUSED = "caused"
    ALERT_FIRING = "alert_firing"
    INCIDENT_OPENED = "incident_opened"
    LOOKED_INTO = "cause_looked_into"
    NAMED = "finding_recorded"
    PEOPLE_TOLD = "people_told"
    MENDED = "mended"
    RESOLVED = "incident_resolved"


def watched(
    name: str,
    title: str,
    *,
    alert: str,
    scenario: str,
    cause: tuple[str, Finder],
    mend: tuple[str, Finder],
    told: Finder,
    probe: bool = True,
    tolerated: frozenset[str] = frozenset(),
) -> Plot:
    """The plot of one such signal; without `probe` no Job looks for its cause."""
    looked = (
        (
            Watched.LOOKED_INTO,
            "a Job looked for the cause",
            job(Watched.LOOKED_INTO, "Findings", lambda ended, _: ended.incident != ""),
        ),
        (
            Watched.NAMED,
            "what it found is in the incident",
            incident(Watched.NAMED, scenario, ("Mitigated",), has="findings"),
        ),
    )
    return Plot(
        name=name,
        title=title,
        scenes=(
            (Watched.CAUSED, *cause),
            (Watched.ALERT_FIRING, "alert fires", alarm(Watched.ALERT_FIRING, alert)),
            (
                Watched.INCIDENT_OPENED,
                "an incident is opened",
                incident(Watched.INCIDENT_OPENED, scenario, ("Open", "Mitigated")),
            ),
            *(looked if probe else ()),
            (Watched.PEOPLE_TOLD, "people are told", told),
            (Watched.MENDED, *mend),
            (Watched.RESOLVED, "the incident is resolved", incident(Watched.RESOLVED, scenario, OVER)),
        ),
        tolerated=tolerated,
    )


S3_MENDED = ("S3 is well again", mended(Watched.MENDED))

READ_FALLBACK = watched(
    "fallback",
    "High read fallback rate, end to end",
    alert="CertS3ReadFallbackElevated",
    scenario="ReadFallback",
    cause=("some reads of S3 fail", fault(Watched.CAUSED)),
    mend=S3_MENDED,
    told=heard(Watched.PEOPLE_TOLD, PLATFORM, "CertStorageIncident", "monitor and wait"),
)

RESURRECTED = frozenset({"resurrected"})
"""What S3 was not allowed to delete is read from it."""

DELETES = watched(
    "deletes",
    "Failing deletes, end to end",
    alert="CertS3DeleteFailHigh",
    scenario="DeleteFailing",
    cause=("deletes are denied", fault(Watched.CAUSED)),
    mend=S3_MENDED,
    told=heard(Watched.PEOPLE_TOLD, PLATFORM, "CertStorageActionRequired", "may not delete"),
    tolerated=RESURRECTED,
)

FILLED, ROOM_MADE = "the disk was filled", "room was made"
DISK = watched(
    "disk",
    "Local disk low, end to end",
    alert="CertLocalDiskLow",
    scenario="LocalDiskLow",
    cause=("the certificates' disk fills up", deed(Watched.CAUSED, FILLED)),
    mend=("there is room again", deed(Watched.MENDED, ROOM_MADE)),
    told=heard(Watched.PEOPLE_TOLD, SRE, "CertStorageActionRequired", "make room"),
    probe=False,
)
