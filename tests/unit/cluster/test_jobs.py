"""Validator Jobs, against golden files: read the files to see what the operator runs.

`CERTSTORAGE_GOLDEN=write pytest tests/unit/cluster` writes them anew; look at the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from certstorage.cluster.jobs import Access, Disk, JobRefusedError, build_job, disk_of
from certstorage.cluster.port import Json
from tests.unit.cluster.objects import container, make_deployment, make_policy, wanted

GOLDEN = Path(__file__).parent / "golden"


def rich_deployment() -> Json:
    """Everything that a Job takes from a template, and much that it must not."""
    deployment = make_deployment()
    spec = deployment["spec"]["template"]["spec"]
    deployment["spec"]["template"]["metadata"]["labels"]["version"] = "blue"
    spec |= {
        "serviceAccountName": "deltacrown",
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "storage", "operator": "Exists"}],
        "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["s3.internal"]}],
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000, "supplementalGroups": [3000]},
        "affinity": {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []},
        },
    }
    spec["volumes"] += [
        {"name": "ca", "configMap": {"name": "private-ca"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    web = container(deployment)
    web["securityContext"] = {"runAsUser": 1001}
    web["volumeMounts"][0]["subPath"] = "media"
    web["volumeMounts"] += [{"name": "ca", "mountPath": "/etc/ca"}, {"name": "scratch", "mountPath": "/scratch"}]
    web["envFrom"] = [{"secretRef": {"name": "s3"}}]
    web["env"] += [
        {"name": "AWS_CA_BUNDLE", "value": "/etc/ca/ca.pem"},
        {"name": "AWS_REGION", "value": "eu-west-1"},
        {"name": "AWS_ENDPOINT_URL_S3", "value": "http://s3.s3.svc"},
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
        {"name": "CERT_S3_BUCKET", "value": "another"},
        {"name": "DATABASE_URL", "value": "postgres://user:password@db"},
    ]
    return deployment


CASES: dict[str, Any] = {
    "plain": lambda: build_job(wanted(), make_policy(), make_deployment(), "validator:1", Disk()),
    "rich": lambda: build_job(
        wanted(probes=6, probe_interval_seconds=60), make_policy(), rich_deployment(), "v:1", Disk()
    ),
    "one-node": lambda: build_job(wanted(), make_policy(), rich_deployment(), "v:1", Disk(Access.ONE_NODE, "node-a")),
    "overrides": lambda: build_job(
        wanted(),
        make_policy(
            storage={
                "bucket": "b",
                "prefix": "certs/",
                "localPath": "/mnt/media/certificates/pdf",
                "region": "us-east-2",
                "endpoint": "https://s3.example",
            },
            validation={"image": "team/validator:7", "command": ["/bin/check"], "serviceAccountName": "checker"},
        ),
        rich_deployment(),
        "v:1",
        Disk(),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    text = yaml.safe_dump(CASES[name](), sort_keys=False, width=120)
    path = GOLDEN / f"job-{name}.yaml"
    if os.environ.get("CERTSTORAGE_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


def pod_spec(job: Json) -> Json:
    found: Json = job["spec"]["template"]["spec"]
    return found


def test_nothing_of_the_targets_labels_or_other_secrets() -> None:
    text = yaml.safe_dump(CASES["rich"]())
    assert "blue" not in text
    assert "app: deltacrown" not in text
    assert "password" not in text
    assert "podAntiAffinity" not in text


def test_the_certificates_are_mounted_read_only_and_nothing_else_of_the_target() -> None:
    job = pod_spec(CASES["rich"]())
    mounts = {one["mountPath"]: one.get("readOnly", False) for one in job["containers"][0]["volumeMounts"]}
    assert mounts == {"/mnt/media/certificates": True, "/etc/ca": True, "/tmp": False}
    assert {one["name"] for one in job["volumes"]} == {"certificates", "ca", "tmp"}


def test_root_is_not_taken_over() -> None:
    deployment = make_deployment()
    deployment["spec"]["template"]["spec"]["securityContext"] = {"runAsUser": 0, "runAsGroup": 0, "fsGroup": 5}
    security = pod_spec(build_job(wanted(), make_policy(), deployment, "v", Disk()))["securityContext"]
    assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 5}


def test_a_verdict_is_never_retried_and_a_disruption_always_is() -> None:
    spec = CASES["plain"]()["spec"]
    rules = spec["podFailurePolicy"]["rules"]
    assert rules[0]["onExitCodes"]["values"] == [1, 2, 3]
    assert rules[0]["action"] == "FailJob"
    assert rules[1]["action"] == "Ignore"
    assert spec["backoffLimit"] == 2
    assert pod_spec(CASES["plain"]())["restartPolicy"] == "Never"


def test_a_claim_for_one_pod_gives_no_job() -> None:
    with pytest.raises(JobRefusedError, match="ReadWriteOncePod"):
        build_job(wanted(), make_policy(), make_deployment(), "v", Disk(Access.ONE_POD))


def test_without_the_volume_there_is_no_job() -> None:
    deployment = make_deployment()
    container(deployment)["volumeMounts"] = []
    with pytest.raises(JobRefusedError, match="/mnt/media/certificates"):
        build_job(wanted(), make_policy(), deployment, "v", Disk())


def running(node: str, **metadata: Any) -> Json:
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (["ReadWriteMany"], Disk()),
        (["ReadWriteOnce", "ReadWriteMany"], Disk()),
        (["ReadOnlyMany"], Disk()),
        (["ReadWriteOnce"], Disk(Access.ONE_NODE, "node-a")),
        (["ReadWriteOncePod"], Disk(Access.ONE_POD, "node-a")),
        ([], Disk()),
    ],
)
def test_where_a_job_may_run(modes: list[str], expected: Disk) -> None:
    pods = [running("node-b", deletionTimestamp="x"), running("node-a")]
    assert disk_of({"spec": {"accessModes": modes}}, pods) == expected


def test_a_disk_of_one_node_without_a_pod_pins_to_none() -> None:
    disk = disk_of({"spec": {"accessModes": ["ReadWriteOnce"]}}, [])
    assert disk == Disk(Access.ONE_NODE, "")
    assert "affinity" not in pod_spec(build_job(wanted(), make_policy(), make_deployment(), "v", disk))


def test_no_claim_is_a_volume_that_all_can_mount() -> None:
    assert disk_of(None, [running("node-a")]) == Disk()
