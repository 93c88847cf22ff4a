"""CertStorageRequest documents: which are accepted, which refused and with which words, and that they stay so."""

from pathlib import Path

import pytest
import yaml

from tests.component.api.server import GROUP, Answer, Client, Json, Server

CASES = yaml.safe_load(Path(__file__).with_name("requests.yaml").read_text(encoding="utf-8"))
REFUSED = [(spec, case["says"]) for case in CASES["refused"] for spec in case["specs"]]


def path(namespace: str, name: str = "") -> str:
    return f"{GROUP}/namespaces/{namespace}/certstoragerequests" + (f"/{name}" if name else "")


def request(spec: Json, name: str = "tried") -> Json:
    return {
        "apiVersion": "storage.deltacrown.io/v1alpha1",
        "kind": "CertStorageRequest",
        "metadata": {"name": name},
        "spec": {"policyName": "certificates", "reason": "because", **spec},
    }


def tried(server: Server, namespace: str, spec: Json) -> Answer:
    return server.admin.create(path(namespace), request(spec), dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize("spec", CASES["accepted"], ids=str)
def test_accepted(server: Server, namespace: str, spec: Json) -> None:
    answer = tried(server, namespace, spec)
    assert answer.code == 201, answer.message


@pytest.mark.parametrize(
    ("spec", "says"), REFUSED, ids=lambda value: str(value)[:70] if isinstance(value, dict) else ""
)
def test_refused(server: Server, namespace: str, spec: Json, says: list[str]) -> None:
    answer = tried(server, namespace, spec)
    assert answer.code == 422, answer.message
    assert sorted(answer.complaints) == sorted(says)


def test_defaults(server: Server, namespace: str) -> None:
    sweep = tried(server, namespace, {"type": "Sweep"}).body["spec"]
    assert sweep == {
        "policyName": "certificates",
        "type": "Sweep",
        "reason": "because",
        "trigger": "Person",
        "ttlSeconds": 86400,
    }
    answer = {"type": "Approval", "requestedBy": "admin", "approves": {"requestName": "a", "planHash": "9f86d081"}}
    assert tried(server, namespace, answer).body["spec"]["approves"]["decision"] == "Approve"


@pytest.mark.parametrize(
    "change", [{"reason": "other"}, {"type": "Return"}, {"ttlSeconds": 60}, {"sampleRate": "5%"}], ids=str
)
def test_a_request_stays_as_it_was_written(server: Server, namespace: str, operator: Client, change: Json) -> None:
    server.admin.create(path(namespace), request({"type": "Sweep"}, "written"))
    answer = server.admin.merge(path(namespace, "written"), {"spec": change})
    assert answer.code == 422
    assert (
        "spec is immutable, so that what was approved is what is done: make another CertStorageRequest"
        in answer.complaints
    )


def test_its_status_keeps_what_the_operator_writes(server: Server, namespace: str, operator: Client) -> None:
    body = server.admin.create(path(namespace), request({"type": "Sweep"}, "answered")).body
    body["status"] = {
        "phase": "Pending",
        "reason": "AwaitingApproval",
        "message": "a person must approve this",
        "expiresAt": "2026-11-24T03:10:00Z",
        "plan": ["scale deployment/deltacrown from 3 to 0", "compare 10% of the objects", "scale it back to 3"],
        "planHash": "9f86d081",
    }
    answer = operator.replace(path(namespace, "answered") + "/status", body)
    assert answer.code == 200, answer.message
    assert answer.body["status"] == body["status"]
