"""Validator Jobs, against golden files: read the files to see what the operator runs.

`CERTSTORAGE_GOLDEN=write pytest tests/unit/cluster` writes them anew; look at the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from certstorage.api.decision import JobKind, RepairMode
from certstorage.api.reasons import Reason
from certstorage.api.requests import Expected
from certstorage.cluster.jobs import Access, Disk, JobRefusedError, build_job, disk_of
from certstorage.cluster.port import Json
from certstorage.cluster.target import parse_target
from certstorage.validator.options import parse
from certstorage.validator.sampling import Shard
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


def running(node: str, **metadata: Any) -> Json:
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": "Running"}}


def claimed(mode: str, *pods: Json) -> Disk:
    """The disk behind a claim of this access mode, with the target's Pods that use it."""
    return disk_of({"spec": {"accessModes": [mode]}}, pods)


def job(disk: Disk, **changes: Any) -> Json:
    """The Job of a target with everything, on this disk."""
    return build_job(wanted(**changes), make_policy(), rich_deployment(), "v:1", disk)


CASES: dict[str, Any] = {
    "rwx": lambda: job(claimed("ReadWriteMany", running("node-a"), running("node-b"))),
    "rwo": lambda: job(claimed("ReadWriteOnce", running("node-a"))),
    "rwop-scaled-down": lambda: job(claimed("ReadWriteOncePod"), shards=4),
    "shards": lambda: job(claimed("ReadWriteMany", running("node-a")), shards=4),
    "validation": lambda: job(
        claimed("ReadWriteMany"),
        kind=JobKind.VALIDATION,
        incident="",
        since=None,
        repair=RepairMode.MISSING,
        request="nightly",
    ),
    "sweep": lambda: job(claimed("ReadWriteOncePod"), kind=JobKind.SWEEP, sample_rate=0.1, since=None),
    "repair": lambda: job(
        claimed("ReadWriteMany"),
        kind=JobKind.REPAIR,
        source="s3://b/r.json",
        under="certificates/2026/",
        keys=("certificates/-a",),
    ),
    "findings": lambda: job(
        claimed("ReadWriteOncePod", running("node-a")), kind=JobKind.FINDINGS, probes=3, probe_interval_seconds=1
    ),
    "plain": lambda: build_job(wanted(), make_policy(), make_deployment(), "validator:1", Disk()),
    "rich": lambda: build_job(
        wanted(probes=6, probe_interval_seconds=60), make_policy(), rich_deployment(), "v:1", Disk()
    ),
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


def test_every_kind_mounts_read_only_what_it_needs_and_repair_too() -> None:
    for kind in JobKind:
        container = pod_spec(job(claimed("ReadWriteMany"), kind=kind, source="s3://b/r"))["containers"][0]
        mounts = {one["mountPath"]: one.get("readOnly", False) for one in container["volumeMounts"]}
        assert mounts.pop("/tmp") is False
        assert all(mounts.values()), kind
        assert ("/mnt/media/certificates" in mounts) == (kind is not JobKind.FINDINGS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": JobKind.VALIDATION}, {"command": "check", "sample_rate": 0.01, "repair": "report"}),
        ({"kind": JobKind.VALIDATION, "repair": RepairMode.ALL}, {"repair": "all"}),
        ({"kind": JobKind.VALIDATION, "mends": True}, {"command": "recover", "sample_rate": 0.01, "probes": 1}),
        ({"kind": JobKind.RECOVERY}, {"command": "recover", "max_extra_share": 0.25, "max_missing_share": 0.5}),
        (
            {"kind": JobKind.RECOVERY, "expected": (Expected.DELETIONS,)},
            {"max_extra_share": 1.0, "max_quarantine": 1_000_000_000, "max_missing_share": 0.5},
        ),
        (
            {"kind": JobKind.RECOVERY, "expected": (Expected.BACKLOG, Expected.DELETIONS)},
            {"max_extra_share": 1.0, "max_missing_share": 1.0},
        ),
        ({"kind": JobKind.SWEEP, "sample_rate": 0.1, "shards": 3}, {"command": "check", "sample_rate": 0.1}),
        ({"kind": JobKind.REPAIR, "source": "s3://b/r"}, {"command": "repair", "apply": True, "only": "all"}),
        ({"kind": JobKind.REPAIR, "source": "r", "repair": RepairMode.DIFFERENT}, {"only": "different"}),
        ({"kind": JobKind.REPAIR, "source": "r", "under": "certificates/a"}, {"under": "certificates/a"}),
        ({"kind": JobKind.REPAIR, "source": "r", "keys": ("c/-x", "c/y z")}, {"key": ["c/-x", "c/y z"]}),
        ({"kind": JobKind.FINDINGS, "probes": 4}, {"command": "probe", "probes": 4}),
    ],
)
def test_the_validator_takes_the_arguments_of_every_kind(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    args = pod_spec(job(claimed("ReadWriteMany"), **changes))["containers"][0]["args"]
    options = parse([word.replace("$(JOB_COMPLETION_INDEX)", "0") for word in args])
    assert options.output == "bucket"
    for name, value in expected.items():
        assert getattr(options, name) == value, name


def test_a_search_for_the_cause_needs_no_disk() -> None:
    deployment = make_deployment()
    container(deployment)["volumeMounts"] = []
    spec = pod_spec(build_job(wanted(kind=JobKind.FINDINGS), make_policy(), deployment, "v", Disk()))
    assert [one["name"] for one in spec["volumes"]] == ["tmp"]


def test_a_search_for_the_cause_looks_from_where_the_application_is_if_there_is_room() -> None:
    def affinity(kind: JobKind, *nodes: str) -> Any:
        disk = claimed("ReadWriteMany")
        built = build_job(wanted(kind=kind), make_policy(), make_deployment(), "v", disk, nodes=nodes)
        return pod_spec(built).get("affinity", {}).get("nodeAffinity", {})

    (first, second) = affinity(JobKind.FINDINGS, "node-a", "node-b")["preferredDuringSchedulingIgnoredDuringExecution"]
    named = [one["preference"]["matchFields"][0]["values"] for one in (first, second)]
    assert named == [["node-a"], ["node-b"]], "the API takes one name each"
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in affinity(JobKind.FINDINGS, "node-a")
    assert affinity(JobKind.FINDINGS) == {}
    assert affinity(JobKind.VALIDATION, "node-a") == {}


def test_only_what_compares_keys_is_shared_among_pods() -> None:
    for kind in (JobKind.REPAIR, JobKind.FINDINGS):
        assert "completions" not in job(claimed("ReadWriteMany"), kind=kind, shards=4, source="r")["spec"]


def test_root_is_not_taken_over() -> None:
    deployment = make_deployment()
    deployment["spec"]["template"]["spec"]["securityContext"] = {"runAsUser": 0, "runAsGroup": 0, "fsGroup": 5}
    security = pod_spec(build_job(wanted(), make_policy(), deployment, "v", Disk()))["securityContext"]
    assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 5}


def test_a_verdict_is_never_retried_and_a_disruption_always_is() -> None:
    spec = CASES["plain"]()["spec"]
    disrupted, judged = spec["podFailurePolicy"]["rules"]  # the first that matches decides: a drained Pod ends with 2
    assert disrupted["action"] == "Ignore"
    assert disrupted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert judged["action"] == "FailJob"
    assert judged["onExitCodes"]["values"] == [1, 2, 3]
    assert spec["backoffLimit"] == 2
    assert pod_spec(CASES["plain"]())["restartPolicy"] == "Never"


def test_a_claim_for_one_pod_gives_no_job() -> None:
    with pytest.raises(JobRefusedError, match="ReadWriteOncePod"):
        job(claimed("ReadWriteOncePod", running("node-a")))


@pytest.mark.parametrize("source", [{"emptyDir": {}}, {"hostPath": {"path": "/certificates"}}])
def test_a_disk_that_pods_do_not_share_gives_no_job(source: Json) -> None:
    deployment = make_deployment()
    deployment["spec"]["template"]["spec"]["volumes"] = [{"name": "certificates", **source}]
    problems = parse_target(make_policy(), deployment, ()).problems
    assert [problem.reason for problem in problems] == [Reason.LOCAL_NOT_SHARED]
    with pytest.raises(JobRefusedError, match=f"{next(iter(source))}, which Pods do not share"):
        build_job(wanted(), make_policy(), deployment, "v", Disk())


def test_shards_are_the_pods_of_one_indexed_job() -> None:
    spec = CASES["shards"]()["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
    assert spec["backoffLimit"] == 8
    args = spec["template"]["spec"]["containers"][0]["args"]
    assert args[args.index("--shard") + 1] == "$(JOB_COMPLETION_INDEX)/4"
    assert args[args.index("--output") + 1] == "bucket"


@pytest.mark.parametrize("index", range(4))
def test_the_validator_takes_every_shards_arguments(index: int) -> None:
    args = pod_spec(CASES["shards"]())["containers"][0]["args"]
    options = parse([word.replace("$(JOB_COMPLETION_INDEX)", str(index)) for word in args])
    assert options.shard == Shard(index, 4)
    assert options.command == "recover"


@pytest.mark.parametrize("kind", JobKind)
def test_a_program_of_the_teams_own_judges_and_does_nothing_else(kind: JobKind) -> None:
    policy = make_policy(validation={"image": "team/validator:7", "command": ["/bin/check"]})
    found = pod_spec(build_job(wanted(kind=kind, source="r.json"), policy, make_deployment(), "v:1", Disk()))
    (container,) = found["containers"]
    judges = kind in (JobKind.RECOVERY, JobKind.VALIDATION, JobKind.SWEEP)
    expected = ("team/validator:7", ["/bin/check"]) if judges else ("v:1", ["s3-backfill-validator"])
    assert (container["image"], container["command"]) == expected


def test_without_the_volume_there_is_no_job() -> None:
    deployment = make_deployment()
    container(deployment)["volumeMounts"] = []
    with pytest.raises(JobRefusedError, match="/mnt/media/certificates"):
        build_job(wanted(), make_policy(), deployment, "v", Disk())


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (["ReadWriteMany"], Disk()),
        (["ReadWriteOnce", "ReadWriteMany"], Disk()),
        (["ReadOnlyMany"], Disk()),
        (["ReadWriteOnce"], Disk(Access.ONE_NODE, "node-a", in_use=True)),
        (["ReadWriteOncePod"], Disk(Access.ONE_POD, "node-a", in_use=True)),
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
