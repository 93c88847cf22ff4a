"""Requests and approvals: what is written, what is said, and how their end is waited for."""

from typing import Any

import jsonschema
import pytest

from certstorage.cli.port import CliError, UnreachableError
from crds.reference import load, version
from tests.unit.cli.world import FakeKube, documents, run

SCHEMA = version(load("certstoragerequests"))["schema"]["openAPIV3Schema"]
SWEEP = "certificates-sweep-x7k2p"


def the_one(kube: FakeKube) -> dict[str, Any]:
    """The spec of the one object that was created, which the schema takes."""
    (body,) = kube.created
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(body)) == []
    found: dict[str, Any] = body["spec"]
    return found


@pytest.mark.parametrize(
    ("line", "spec"),
    [
        ("request sweep certificates --sample-rate 20%", {"type": "Sweep", "sampleRate": "20%"}),
        ("request validation certificates", {"type": "Validation"}),
        ("request repair certificates -n production", {"type": "Repair"}),
        ("request return certificates -n production", {"type": "Return"}),
        (
            "request return certificates --expect deletions --expect Backlog",
            {"type": "Return", "expected": ["Deletions", "Backlog"]},
        ),
    ],
)
def test_a_request_says_who_asks_and_why(line: str, spec: dict[str, Any]) -> None:
    kube = FakeKube(documents("exhausted"))
    ran = run(kube, line)
    assert (ran.code, ran.err) == (0, "")
    by = {"policyName": "certificates", "requestedBy": "jane@example.com"}
    assert the_one(kube) == {**by, "reason": "asked for on the command line by jane@example.com", **spec}
    assert ran.out.startswith(f"certificates-{spec['type'].lower()}-q4w8z is filed.\n")
    assert ran.out.endswith("$ kubectl certstorage why certificates -n production\n")


def test_a_reason_is_kept() -> None:
    kube = FakeKube(documents("healthy"))
    run(kube, "request validation certificates --reason 'after the deploy'")
    assert the_one(kube)["reason"] == "after the deploy"


def test_an_old_cluster_that_does_not_know_the_user_takes_a_request_but_no_answer() -> None:
    kube = FakeKube(documents("sweep-asked"), user="")
    assert run(kube, "request validation certificates").code == 0
    assert "requestedBy" not in the_one(kube)
    ran = run(kube, f"approve {SWEEP} --yes")
    assert (ran.code, len(kube.created)) == (3, 1)
    assert "needs Kubernetes 1.28; see: kubectl version" in ran.err


@pytest.mark.parametrize("rate", ["10", "ten%", "0.1", "1000%"])
def test_a_sample_rate_is_a_percentage(rate: str) -> None:
    kube = FakeKube(documents("healthy"))
    ran = run(kube, f"request sweep certificates --sample-rate {rate}")
    assert (ran.code, ran.err) == (3, f"error: --sample-rate {rate} is not a percentage: write 10%\n")
    assert kube.created == []


@pytest.mark.parametrize(
    ("names", "line", "said"),
    [
        ("healthy", "request return certificates", "Reads come from S3 already: there is nothing to bring back."),
        ("missing-target", "request validation receipts", "spec.mode is Observe: the operator does nothing about it"),
        ("backing-off", "request return certificates", "spec.mode is ProtectOnly: the operator does not bring reads"),
        ("healthy", "request sweep certificates", "Deployment deltacrown is scaled to 0, so that nobody is served"),
        ("exhausted", "request return certificates", "Now: 3 attempts failed, the last with ValidationFailed"),
    ],
)
def test_what_happens_next_is_said(names: str, line: str, said: str) -> None:
    assert said in run(FakeKube(documents(names)), line).out


class Story:
    """A pause in which the operator writes the next status of the newest request."""

    def __init__(self, kube: FakeKube, *statuses: dict[str, Any] | CliError | None) -> None:
        self.kube, self.left = kube, list(statuses)

    def __call__(self, seconds: float) -> None:
        self.kube.refused.clear()
        if not self.left:
            raise KeyboardInterrupt
        match self.left.pop(0):
            case CliError() as error:
                self.kube.refused["CertStorageRequest"] = error
            case dict() as status:
                self.kube.objects[-1]["status"] = status


PENDING = {
    "phase": "Pending",
    "reason": "SweepAwaitingApproval",
    "message": "a person approves",
    "planHash": "9f86d081",
}
RUNNING = {"phase": "Running", "reason": "Sweeping", "message": "the validator is at work"}


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"phase": "Done", "reason": "SweepPassed", "message": "it passed", "verdict": "Pass"}, 0),
        ({"phase": "Done", "reason": "Returned", "message": "it is back"}, 0),
        ({"phase": "Done", "reason": "SweepFailed", "message": "it failed", "verdict": "Fail", "report": "pvc:x"}, 1),
        ({"phase": "Done", "reason": "SweepFailed", "message": "not known", "verdict": "Inconclusive"}, 1),
        ({"phase": "Denied", "reason": "SweepDenied", "message": "no"}, 1),
        ({"phase": "Expired", "reason": "SweepExpired", "message": "nobody approved it in time"}, 1),
    ],
)
def test_waiting_tells_each_change_once_and_ends_with_the_request(last: dict[str, str], code: int) -> None:
    kube = FakeKube(documents("healthy"))
    pause = Story(kube, None, PENDING, None, UnreachableError("no answer"), RUNNING, last)
    ran = run(kube, "request sweep certificates --wait", pause=pause)
    assert ran.code == code
    lines = ran.out.split("not the request.\n")[1].splitlines()
    assert lines[:4] == [
        "03:22:10 UTC  Unknown  the operator has not looked at it yet",
        "03:22:10 UTC  Pending  SweepAwaitingApproval: a person approves",
        "$ kubectl certstorage approve certificates-sweep-q4w8z -n production",
        "Not read: no answer",
    ]
    assert lines[4] == "03:22:10 UTC  Running  Sweeping: the validator is at work"
    assert lines[5] == f"03:22:10 UTC  {last['phase']}  {last['reason']}: {last['message']}"
    assert lines[6:] == (["Report: pvc:x"] if "report" in last else [])


def test_ctrl_c_ends_the_waiting() -> None:
    assert (
        run(FakeKube(documents("healthy")), "request validation certificates --wait", pause=Story(FakeKube([]))).code
        == 130
    )


@pytest.mark.parametrize(("flag", "decision", "did"), [("", "Approve", "approved"), ("--deny", "Deny", "denied")])
def test_an_answer_names_the_plan_that_was_shown(flag: str, decision: str, did: str) -> None:
    kube = FakeKube(documents("sweep-asked"))
    ran = run(kube, f"approve {SWEEP} -n production {flag}", answer=True)
    assert ran.questions == (f"{decision} this plan as jane@example.com?",)
    assert "  1. scale Deployment deltacrown from 3 to 0: certificates cannot be served meanwhile\n" in ran.out
    assert (ran.code, ran.err) == (0, "")
    assert the_one(kube) == {
        "policyName": "certificates",
        "type": "Approval",
        "reason": f"{did} on the command line by jane@example.com",
        "requestedBy": "jane@example.com",
        "approves": {"requestName": SWEEP, "planHash": "9f86d081884c7d65", "decision": decision},
    }


def test_a_person_who_says_no_has_answered_nothing() -> None:
    kube = FakeKube(documents("sweep-asked"))
    ran = run(kube, f"approve {SWEEP}", answer=False)
    assert (ran.code, kube.created) == (1, [])
    assert ran.out.endswith("Nothing was answered.\n")


def test_without_a_terminal_an_answer_needs_yes() -> None:
    kube = FakeKube(documents("sweep-asked"))
    ran = run(kube, f"approve {SWEEP} --deny")
    assert (ran.code, kube.created) == (3, [])
    assert ran.err.endswith(f"to answer this plan: kubectl certstorage approve {SWEEP} --deny --yes -n production\n")
    assert run(kube, f"approve {SWEEP} --deny --yes").questions == ()
    assert the_one(kube)["approves"]["decision"] == "Deny"


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        ({}, "Sweep", "has no plan yet: the operator has not worked it out; see: "),
        ({"phase": "Pending"}, "Sweep", "has no plan yet: the operator has not worked it out; see: "),
        ({"phase": "Running", "planHash": "9f86d081"}, "Sweep", "is Running: nothing of it waits for an answer; see: "),
        ({"phase": "Denied", "message": "no"}, "Sweep", "is Denied (no): nothing of it waits for an answer; see: "),
        ({}, "Approval", "is an approval itself: name the request it is about; see: "),
    ],
)
def test_what_does_not_wait_cannot_be_answered(status: dict[str, str], kind: str, said: str) -> None:
    objects = documents("sweep-asked")
    objects[1]["status"], objects[1]["spec"]["type"] = status, kind
    ran = run(FakeKube(objects), f"approve {SWEEP} --yes")
    assert ran.code == 3
    assert ran.err == f"error: {SWEEP} {said}kubectl certstorage why certificates -n production\n"
