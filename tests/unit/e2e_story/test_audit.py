"""Reading the audit log: what counts as a write to the Deployment, and lines that are still being written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.story.audit import AuditLog, container_env, deployment_write, job_deleted, job_made

FLIP: dict[str, Any] = {
    "kind": "Event",
    "level": "RequestResponse",
    "auditID": "a-1",
    "stage": "ResponseComplete",
    "verb": "patch",
    "user": {"username": "system:serviceaccount:certstorage-system:certstorage-operator"},
    "userAgent": "certstorage-operator/0.1.0",
    "objectRef": {"resource": "deployments", "namespace": "production", "name": "deltacrown", "apiGroup": "apps"},
    "responseStatus": {"code": 200},
    "requestReceivedTimestamp": "2026-11-23T03:10:09.100000Z",
    "stageTimestamp": "2026-11-23T03:10:09.112345Z",
    "responseObject": {
        "metadata": {
            "uid": "d-uid",
            "resourceVersion": "812",
            "generation": 4,
            "annotations": {"storage.deltacrown.io/hold": "{}"},
            "managedFields": [{"manager": "kubectl"}, {"manager": "certstorage-operator"}, {"manager": "kubectl"}],
        },
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {"name": "sidecar", "env": [{"name": "CERT_S3_READ_PRIMARY", "value": "true"}]},
                        {"name": "web", "env": [{"name": "CERT_S3_READ_PRIMARY", "value": "false"}]},
                    ]
                }
            }
        },
    },
}
JOB: dict[str, Any] = {
    "auditID": "a-2",
    "stage": "ResponseComplete",
    "verb": "create",
    "user": {"username": "somebody"},
    "objectRef": {"resource": "jobs", "namespace": "production", "apiGroup": "batch"},
    "responseStatus": {"code": 201},
    "stageTimestamp": "2026-11-23T03:11:09.112345Z",
    "responseObject": {
        "metadata": {
            "name": "recover-1",
            "uid": "j-uid",
            "labels": {
                "storage.deltacrown.io/incident": "inc",
                "storage.deltacrown.io/attempt": "1",
                "storage.deltacrown.io/kind": "Recovery",
            },
        },
        "spec": {"template": {"spec": {"containers": [{"args": ["recover", "--probes", "1"]}]}}},
    },
}


def test_an_accepted_patch_is_a_write_with_the_object_after_it() -> None:
    write = deployment_write(FLIP, "production", "deltacrown")
    assert write is not None
    assert (write.reads, write.resource_version, write.generation, write.uid) == ("false", "812", 4, "d-uid")
    assert write.by_operator
    assert write.managers == ("certstorage-operator", "kubectl")
    assert write.at.microsecond == 112345


def test_refused_status_and_foreign_writes_are_none() -> None:
    refused = {**FLIP, "responseStatus": {"code": 409}, "responseObject": {"kind": "Status"}}
    status = {**FLIP, "objectRef": {**FLIP["objectRef"], "subresource": "status"}}
    other = {**FLIP, "objectRef": {**FLIP["objectRef"], "name": "other"}}
    read = {**FLIP, "verb": "get", "responseObject": None}
    assert [deployment_write(event, "production", "deltacrown") for event in (refused, status, other, read)] == [
        None
    ] * 4


def test_a_created_job_is_seen_with_its_incident_and_attempt() -> None:
    made = job_made(JOB, "production")
    assert made is not None
    assert (made.name, made.incident, made.attempt, made.kind) == ("recover-1", "inc", "1", "Recovery")
    assert made.arguments == ("recover", "--probes", "1")
    assert job_made({**JOB, "verb": "delete"}, "production") is None
    assert job_made(FLIP, "production") is None


def test_a_deleted_job_is_seen_whoever_deleted_it() -> None:
    gone = {**JOB, "verb": "delete", "responseStatus": {"code": 200}, "objectRef": {**JOB["objectRef"], "name": "r1"}}
    deleted = job_deleted(gone, "production")
    assert deleted is not None
    assert (deleted.name, deleted.user) == ("r1", "somebody")
    assert job_deleted({**gone, "responseStatus": {"code": 404}}, "production") is None
    assert job_deleted(JOB, "production") is None


def test_references_are_no_literal_environment() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {}}, {"name": "C"}]
    assert container_env([{"name": "web", "env": env}]) == {"A": "1", "C": ""}
    assert container_env([{"name": "other"}]) == {}


def test_a_growing_log_is_read_line_by_line_and_a_half_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(json.dumps({"n": 1}) + "\n" + '{"n"')
    log = AuditLog(path)
    assert list(log.read()) == [{"n": 1}]
    assert list(log.read()) == []
    with path.open("a") as more:
        more.write(": 2}\n")
    assert list(log.read()) == [{"n": 2}]


def test_a_log_can_be_read_from_its_present_end_and_after_it_began_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text('{"n": 1}\n{"n": 2}\n')
    log = AuditLog(path)
    log.skip()
    assert list(log.read()) == []
    path.write_text('{"n": 3}\n')
    assert list(log.read()) == [{"n": 3}]


def test_a_line_that_is_half_written_at_the_present_end_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text('{"n": 1}\n{"n": ')
    log = AuditLog(path)
    log.skip()
    with path.open("a") as more:
        more.write("2}\n")
    assert list(log.read()) == [{"n": 2}]
