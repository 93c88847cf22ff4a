"""CertStoragePolicy documents: which are accepted, which are refused with which words, and what is kept of them."""

import copy
from pathlib import Path

import pytest
import yaml

from certstorage.api import policy as parsed
from tests.component.api.server import GROUP, Answer, Client, Json, Server, policy


def path(namespace: str, name: str = "") -> str:
    return f"{GROUP}/namespaces/{namespace}/certstoragepolicies" + (f"/{name}" if name else "")


def tried(server: Server, namespace: str, spec: Json, name: str = "tried") -> Answer:
    body = policy(namespace, name)
    for key, value in spec.items():
        body["spec"][key] = {**body["spec"].get(key, {}), **value} if isinstance(value, dict) else value
    return server.admin.create(path(namespace), body, dryRun="All", fieldValidation="Strict")


CASES = yaml.safe_load(Path(__file__).with_name("policies.yaml").read_text(encoding="utf-8"))
REFUSED = [(spec, case["says"]) for case in CASES["refused"] for spec in case["specs"]]


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


@pytest.mark.parametrize("name", ["a.b", "a" * 41])
def test_a_name_that_would_not_fit_a_job_is_refused(server: Server, namespace: str, name: str) -> None:
    answer = tried(server, namespace, {}, name)
    assert answer.complaints == [
        "metadata.name must be at most 40 small letters, digits and dashes, with no dot: "
        "it becomes part of the names of Jobs and incidents"
    ]


@pytest.mark.parametrize("missing", ["targetRef", "storage", "targetRef.name", "storage.bucket"])
def test_what_is_required(server: Server, namespace: str, missing: str) -> None:
    body = policy(namespace)
    *parents, last = missing.split(".")
    table = body["spec"]
    for name in parents:
        table = table[name]
    del table[last]
    answer = server.admin.create(path(namespace), body, dryRun="All")
    assert f"spec.{missing}: Required value" in answer.complaints


def test_defaults_fill_the_least_document(server: Server, namespace: str) -> None:
    stored = tried(server, namespace, {}).body
    assert stored["spec"] == {
        "mode": "Enforce",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "deltacrown"},
        "storage": {
            "bucket": "deltacrown-certificates",
            "prefix": "certificates/",
            "localPath": "/mnt/media/certificates",
        },
        "env": {"readPrimary": "CERT_S3_READ_PRIMARY", "dualWrite": "CERT_S3_DUAL_WRITE", "logLevel": "LOG_LEVEL"},
        "signals": {"prometheus": "default"},
        "recovery": {
            "holdSeconds": 600,
            "approval": "Automatic",
            "maxAttempts": 3,
            "sampleRate": "1%",
            "minSample": 2000,
            "maxMismatch": "0.5%",
            "maxFallback": "1%",
            "fallbackCheckSeconds": 300,
        },
        "degradation": {
            "debugLogging": "Enabled",
            "longTimeouts": "Never",
            "maxDurationSeconds": 3600,
            "sampleRate": "5%",
        },
        "validation": {
            "schedule": "0 3 * * *",
            "timeZone": "Etc/UTC",
            "sampleRate": "1%",
            "timeoutSeconds": 7200,
            "repair": "Missing",
        },
        "sweep": {
            "approval": "Required",
            "quarterly": "Request",
            "afterOutageSeconds": 1800,
            "afterBackfillObjects": 10000,
            "sampleRate": "10%",
            "maxDurationSeconds": 7200,
            "onFailure": "ServeLocal",
        },
    }


@pytest.mark.parametrize("value", [{}, None], ids=["empty", "null"])
@pytest.mark.parametrize("part", ["env", "signals", "recovery", "degradation", "validation", "sweep"])
def test_an_empty_part_gets_its_defaults(server: Server, namespace: str, part: str, value: Json | None) -> None:
    body = policy(namespace, **{part: value})
    answer = server.admin.create(path(namespace), body, dryRun="All")
    assert answer.body["spec"] == tried(server, namespace, {}).body["spec"]


def test_the_parser_agrees_with_what_is_stored(server: Server, namespace: str) -> None:
    stored = tried(server, namespace, {}).body
    bare = policy(namespace, "tried")
    bare["metadata"] = stored["metadata"]
    assert parsed.parse(stored) == parsed.parse(bare)


def test_an_unknown_field_is_refused_by_kubectl_and_dropped_otherwise(server: Server, namespace: str) -> None:
    body = policy(namespace, recovery={"holdSecond": 5, "holdSeconds": 700})
    strict = server.admin.create(path(namespace), body, dryRun="All", fieldValidation="Strict")
    assert strict.code == 400
    assert 'unknown field "spec.recovery.holdSecond"' in strict.message
    lenient = server.admin.create(path(namespace), body, dryRun="All", fieldValidation="Warn")
    assert lenient.warnings == ('unknown field "spec.recovery.holdSecond"',)
    assert "holdSecond" not in lenient.body["spec"]["recovery"]


@pytest.fixture(scope="module")
def stored(server: Server, namespace: str) -> Json:
    answer = server.admin.create(path(namespace), policy(namespace, "stored"))
    assert answer.code == 201, answer.message
    return answer.body


MOVED = "spec.targetRef is immutable: delete this policy and make another one for the other target"
ELSEWHERE = (
    "spec.storage is immutable, since what was proven about one place says nothing about another: "
    "delete this policy and make another one"
)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"targetRef": {"name": "other"}}, MOVED),
        ({"targetRef": {"container": "web"}}, MOVED),
        ({"storage": {"bucket": "another-bucket"}}, ELSEWHERE),
        ({"storage": {"prefix": "other/"}}, ELSEWHERE),
        ({"storage": {"localPath": "/mnt/other"}}, ELSEWHERE),
        ({"storage": {"endpoint": "https://s3.example.com"}}, ELSEWHERE),
    ],
    ids=str,
)
def test_a_policy_cannot_be_moved(server: Server, namespace: str, stored: Json, change: Json, says: str) -> None:
    answer = server.admin.merge(path(namespace, "stored"), {"spec": change})
    assert answer.code == 422
    assert answer.complaints == [says]


@pytest.mark.parametrize("part", ["targetRef", "storage"])
def test_what_cannot_be_moved_cannot_be_dropped(server: Server, namespace: str, stored: Json, part: str) -> None:
    answer = server.admin.merge(path(namespace, "stored"), {"spec": {part: None}})
    assert answer.code == 422


def test_everything_else_may_be_edited(server: Server, namespace: str, stored: Json) -> None:
    change = {
        "mode": "Observe",
        "recovery": {"holdSeconds": 900},
        "signals": {"workload": "other"},
        "alertLabels": {"a": "b"},
    }
    answer = server.admin.merge(path(namespace, "stored"), {"spec": change}, dryRun="All")
    assert answer.code == 200, answer.message
    assert answer.body["metadata"]["generation"] == stored["metadata"]["generation"] + 1


def test_status_is_a_subresource_and_keeps_what_the_operator_writes(
    server: Server, namespace: str, operator: Client, stored: Json
) -> None:
    moment = "2026-11-23T03:10:00Z"
    status = {
        "observedGeneration": 1,
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "OutageReadsLocal",
                "message": "reads are local on 3/3 Pods",
                "observedGeneration": 1,
                "lastTransitionTime": moment,
            }
        ],
        "reads": {"desired": "Local", "template": "Local", "pods": 3, "podsAsDesired": 3, "since": moment},
        "signals": [{"name": "ReadFallback", "verdict": "Firing", "value": "100%", "since": moment, "missing": ["x"]}],
        "operation": {
            "type": "Outage",
            "step": "WaitingForS3",
            "attempt": 1,
            "failedReturns": 0,
            "startedAt": moment,
            "since": "2026-11-23T03:10:00.123Z",
            "deadline": moment,
            "jobName": "certificates-recover-1",
        },
        "lastValidation": {
            "verdict": "Pass",
            "mismatch": "0.02%",
            "upperBound": "0.19%",
            "sampled": 2000,
            "unverified": 0,
            "atRiskOpen": 0,
            "finishedAt": moment,
            "jobUID": "u",
            "inputsHash": "h",
        },
        "incidentName": "certificates-20261123-0310",
        "blockedUntil": moment,
    }
    body = copy.deepcopy(server.admin.get(path(namespace, "stored")).body)
    body["status"] = status
    through_the_object = server.admin.replace(path(namespace, "stored"), body)
    assert "status" not in through_the_object.body
    body["metadata"] = through_the_object.body["metadata"]
    answer = operator.replace(path(namespace, "stored") + "/status", body)
    assert answer.code == 200, answer.message
    assert answer.body["status"] == status
    assert answer.body["metadata"]["generation"] == body["metadata"]["generation"]
    stale = operator.replace(path(namespace, "stored") + "/status", body | {"status": {**status, "incidentName": "x"}})
    assert stale.code == 409
