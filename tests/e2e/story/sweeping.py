"""The plot of an integrity sweep that passes. Pure."""

from __future__ import annotations

from enum import StrEnum

from tests.e2e.story.facts import Facts, Write
from tests.e2e.story.plot import Plot, Step, Steps, Terms
from tests.e2e.story.scenes import (
    every_pod,
    given_back,
    hold_of,
    job,
    last,
    no_pod,
    request,
    sampled,
    wrote,
)

SERVED_SECONDS = 5.0
"""Clients must see no error for so long."""


class Swept(StrEnum):
    """The steps of a sweep, in their order."""

    ASKED = "sweep_asked_for"
    APPROVED = "sweep_approved"
    STOPPED = "writes_stopped"
    PODS_GONE = "pods_gone"
    VALIDATION_PASSED = "validation_passed"
    RESUMED = "replicas_back"
    PODS_SERVE = "pods_serve"
    CLIENTS_SERVED = "clients_served"
    DONE = "request_done"
    GIVEN_BACK = "given_back"


def stops(write: Write) -> bool:
    """Whether a write takes the replicas and remembers them in the same step."""
    hold = hold_of(write)
    return write.replicas == 0 and "sweep" in hold and bool(hold.get("replicas")) and "restoreBy" in hold


def _served(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
    seen = [one for one in facts.clients if one.at >= last(done)]
    for first in seen:
        for later in seen:
            quiet = later.errors == first.errors and later.operations > first.operations
            if quiet and (later.at - first.at).total_seconds() >= SERVED_SECONDS:
                said = f"{later.operations - first.operations} operations, 0 errors"
                return Step(Swept.CLIENTS_SERVED, later.at, {"source": "load generator", "said": said})
    return None


SWEEP = Plot(
    name="sweep",
    title="Integrity sweep, end to end",
    scenes=(
        (Swept.ASKED, "a person asks for a sweep", request(Swept.ASKED, "Sweep", ("Pending",))),
        (Swept.APPROVED, "another approves its plan", request(Swept.APPROVED, "Approval", ("Done",))),
        (
            Swept.STOPPED,
            "replicas to 0 and the hold, in one write",
            wrote(Swept.STOPPED, stops, lambda write: f"replicas 0, {hold_of(write)['replicas']} remembered"),
        ),
        (Swept.PODS_GONE, "every Pod is gone", no_pod(Swept.PODS_GONE)),
        (
            Swept.VALIDATION_PASSED,
            "a 10 % validation passed",
            job(
                Swept.VALIDATION_PASSED,
                "Sweep",
                lambda ended, made: sampled(made, "0.1") and ended.receipt.get("verdict") == "PASS",
            ),
        ),
        (
            Swept.RESUMED,
            "replicas are given back",
            wrote(
                Swept.RESUMED, lambda write: bool(write.replicas) and not stops(write) and "sweep" not in hold_of(write)
            ),
        ),
        (Swept.PODS_SERVE, "every Pod serves again", every_pod(Swept.PODS_SERVE, lambda _: True, "ready")),
        (Swept.CLIENTS_SERVED, "clients are served", _served),
        (Swept.DONE, "the request is done", request(Swept.DONE, "Sweep", ("Done",))),
        (Swept.GIVEN_BACK, "nothing is held any more", given_back(Swept.GIVEN_BACK)),
    ),
    # the application is stopped: whoever comes meanwhile is turned away
    tolerated=frozenset({"connection", "timeout", "http"}),
)
