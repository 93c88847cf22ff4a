"""`why`: its exit code is its verdict, and it says what it could not read."""

import pytest

from certstorage.api.hold import ANNOTATION
from certstorage.cli.port import ForbiddenError
from tests.unit.cli.world import FakeKube, documents, run


@pytest.mark.parametrize(
    ("names", "line", "code"),
    [
        ("healthy", "why certificates", 0),
        ("outage", "why certificates", 1),
        ("backing-off", "why certificates", 1),
        ("sweeping", "why certificates", 1),
        ("missing-target", "why receipts", 1),
        ("fresh", "why invoices -n billing", 1),
        ("exhausted", "why certificates", 2),
        ("sweep-asked", "why certificates", 2),
        ("healthy", "why nothing", 3),
    ],
)
def test_the_exit_code_is_the_verdict(names: str, line: str, code: int) -> None:
    assert run(FakeKube(documents(*names.split())), line).code == code


def test_a_deployment_that_may_not_be_read_is_said_and_no_failure() -> None:
    kube = FakeKube(documents("outage"), refused={"Deployment": ForbiddenError("jane may not get deployments.apps")})
    ran = run(kube, "why certificates")
    assert ran.code == 1
    assert "The hold on the Deployment was not read: jane may not get deployments.apps.\n" in ran.out


def test_the_hold_of_another_policy_is_named() -> None:
    objects = documents("outage")
    text = objects[1]["metadata"]["annotations"][ANNOTATION]
    objects[1]["metadata"]["annotations"][ANNOTATION] = text.replace("11111111", "99999999").replace(
        '"name":"certificates"', '"name":"older"'
    )
    said = "Deployment deltacrown is held by another policy (older), for incident certificates-20261123-031012.\n"
    assert said in run(FakeKube(objects), "why certificates").out


def test_a_policy_on_its_way_out_says_so() -> None:
    objects = documents("outage")
    objects[0]["metadata"]["deletionTimestamp"] = "2026-11-23T03:20:00Z"
    assert (
        "The policy is being deleted; what it holds is given back first.\n"
        in run(FakeKube(objects), "why certificates").out
    )


def test_a_step_of_a_newer_operator_is_named_as_it_is() -> None:
    objects = documents("outage")
    objects[0]["status"]["operation"]["step"] = "Meditating"
    ran = run(FakeKube(objects), "why certificates")
    assert "It waits for step Meditating to end.\n" in ran.out


def test_requests_of_other_policies_and_answers_are_not_told() -> None:
    objects = documents("sweep-asked")
    for body in objects[1:3]:
        body["spec"]["policyName"] = "another"
    assert "CertStorageRequest" not in run(FakeKube(objects), "why certificates").out


def test_a_refused_request_says_when_it_is_looked_at_again() -> None:
    objects = documents("sweep-asked")
    objects[1]["status"] = {"phase": "Refused", "message": "another policy sweeps now", "until": "2026-11-23T03:52:10Z"}
    said = "is Refused: another policy sweeps now; it is looked at again at 03:52:10 UTC (in 30 min).\n"
    assert said in run(FakeKube(objects), "why certificates").out
