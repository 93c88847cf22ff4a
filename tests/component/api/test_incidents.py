"""CertStorageIncident: what people write, what the operator writes, and that neither is in the other's way."""

import pytest

from tests.component.api.server import GROUP, Client, Json, Server

MOMENT = "2026-11-23T03:10:00Z"


def path(namespace: str, name: str = "") -> str:
    return f"{GROUP}/namespaces/{namespace}/certstorageincidents" + (f"/{name}" if name else "")


def incident(name: str = "certificates-20261123-0310", **spec: object) -> Json:
    return {
        "apiVersion": "storage.deltacrown.io/v1alpha1",
        "kind": "CertStorageIncident",
        "metadata": {"name": name},
        **({"spec": spec} if spec else {}),
    }


@pytest.fixture(scope="module")
def opened(namespace: str, operator: Client) -> Json:
    answer = operator.create(path(namespace), incident())
    assert answer.code == 201, answer.message
    return answer.body


def test_the_operator_opens_it_and_keeps_its_record(namespace: str, operator: Client, opened: Json) -> None:
    status = {
        "policyName": "certificates",
        "policyUID": "u",
        "scenario": "Outage",
        "severity": "critical",
        "phase": "Resolved",
        "summary": "S3 was down for 12 minutes; reads were local, nothing was lost",
        "startedAt": MOMENT,
        "detectedAt": MOMENT,
        "downtimeSeconds": 0,
        "dataLost": "No",
        "postMortem": {"state": "NotDue", "reason": "no downtime, no data lost"},
        "timeline": [{"at": MOMENT, "event": "GoingLocal", "step": "Flip read flag OFF", "resourceVersion": "4711"}],
        "evidence": [{"at": MOMENT, "kind": "Receipt", "name": "certificates-recover-1", "value": "PASS"}],
        "findings": [{"name": "BucketRegion", "verdict": "Good", "message": "us-east-1 as expected"}],
        "checklist": [
            {"item": "Validator", "text": "Run backfill validator", "done": True, "by": "Operator", "at": MOMENT}
        ],
        "openItems": 5,
        "deliveries": [{"channel": "alertmanager", "state": "Delivered", "attempts": 1, "at": MOMENT}],
        "conditions": [
            {"type": "Notified", "status": "True", "reason": "Delivered", "message": "", "lastTransitionTime": MOMENT}
        ],
    }
    answer = operator.replace(path(namespace, opened["metadata"]["name"]) + "/status", opened | {"status": status})
    assert answer.code == 200, answer.message
    assert answer.body["status"] == status


def test_people_write_what_they_know(server: Server, namespace: str, opened: Json) -> None:
    address = "https://wiki.example.com/1"
    notes = {"rootCause": "a policy", "postMortemURL": address, "dataLost": True, "checklist": ["Thresholds"]}
    answer = server.admin.merge(path(namespace, opened["metadata"]["name"]), {"spec": notes})
    assert answer.code == 200, answer.message
    assert answer.body["spec"] == notes


def test_the_operator_never_writes_what_people_write(namespace: str, operator: Client, opened: Json) -> None:
    answer = operator.merge(path(namespace, opened["metadata"]["name"]), {"spec": {"rootCause": "guessed"}})
    assert answer.code == 403
    assert 'cannot patch resource "certstorageincidents"' in answer.message


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            {"postMortemURL": "on the wiki"},
            "spec.postMortemURL must be an http or https URL: copy it from the page of the post-mortem",
        ),
        (
            {"checklist": ["Validator"]},
            'spec.checklist[0]: supported values: "IncidentLog", "Thresholds", "Runbook"',
        ),
        ({"checklist": ["Runbook", "Runbook"]}, 'spec.checklist[1]: Duplicate value: "Runbook"'),
    ],
    ids=str,
)
def test_refused(server: Server, namespace: str, spec: Json, says: str) -> None:
    answer = server.admin.create(path(namespace), incident("refused", **spec), dryRun="All")
    assert answer.code == 422
    assert says in answer.complaints


def test_an_incident_without_words_of_people_has_an_empty_spec(server: Server, namespace: str) -> None:
    answer = server.admin.create(path(namespace), incident("bare"), dryRun="All")
    assert answer.body["spec"] == {}
