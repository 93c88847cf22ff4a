"""A Deployment's JSON, however odd, gives typed facts and one clear line for each thing that is wrong."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import ANNOTATION
from certstorage.api.observed import Pods, Target
from certstorage.api.reasons import Reason
from certstorage.cluster.port import Json
from certstorage.cluster.preflight import local_claim
from certstorage.cluster.target import env_state, find_container, parse_pods, parse_target, selector_text
from tests.unit.cluster.objects import container, controlled_by, make_deployment, make_policy

READ, DUAL = "CERT_S3_READ_PRIMARY", "CERT_S3_DUAL_WRITE"


def value(name: str, text: str) -> Json:
    return {"name": name, "value": text}


def parsed(deployment: Json, *replica_sets: Json, **spec: Any) -> Target:
    return parse_target(make_policy(**spec), deployment, replica_sets)


def replica_set(deployment: Json, mark: str = "abc", **changes: Any) -> Json:
    template = copy.deepcopy(deployment["spec"]["template"])
    template["metadata"]["labels"] = {**template["metadata"]["labels"], "pod-template-hash": mark}
    return {
        "metadata": {
            "uid": f"rs-{mark}",
            "labels": {"pod-template-hash": mark},
            "creationTimestamp": "2026-11-23T03:00:00Z",
            "ownerReferences": controlled_by("Deployment", "deployment-1"),
        },
        "spec": {"template": template, **changes},
    }


def pod(mark: str = "abc", flag: str | None = "true", **changes: Any) -> Json:
    env = [] if flag is None else [value(READ, flag)]
    body: Json = {
        "metadata": {
            "labels": {"pod-template-hash": mark},
            "ownerReferences": controlled_by("ReplicaSet", f"rs-{mark}"),
        },
        "spec": {"containers": [{"name": "side"}, {"name": "web", "env": env}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    for key, change in changes.items():
        body[key] |= change
    return body


# --- environment


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ([value(READ, "true")], EnvVar(FlagState.TRUE, "true")),
        ([value(READ, "True ")], EnvVar(FlagState.TRUE, "True ")),
        ([value(READ, "false")], EnvVar(FlagState.FALSE, "false")),
        ([value(READ, "1")], EnvVar(FlagState.OTHER, "1")),
        ([value(READ, "$(OTHER)")], EnvVar(FlagState.OTHER, "$(OTHER)")),
        ([value(READ, "")], EnvVar(FlagState.EMPTY, "")),
        ([{"name": READ}], EnvVar(FlagState.EMPTY, "")),
        ([], EnvVar(FlagState.ABSENT)),
        ([value("X", "true")], EnvVar(FlagState.ABSENT)),
        ([{"name": READ, "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}], EnvVar(FlagState.VALUE_FROM)),
        ([value(READ, "true"), value(READ, "true")], EnvVar(FlagState.DUPLICATED)),
        ([value(READ, "true"), {"name": READ, "valueFrom": {}}], EnvVar(FlagState.DUPLICATED)),
    ],
)
def test_every_state_of_a_variable(env: list[Json], expected: EnvVar) -> None:
    deployment = make_deployment(env=env)
    assert env_state(deployment, container(deployment), READ) == expected


def managed(manager: str, *names: str, time: str = "2026-11-23T03:00:00Z", **changes: Any) -> Json:
    fields: Json = {f'k:{{"name":"{name}"}}': {".": {}, "f:name": {}, "f:value": {}} for name in names}
    node: Json = {"f:env": {".": {}, **fields}}
    for key in ('k:{"name":"web"}', "f:containers", "f:spec", "f:template", "f:spec"):
        node = {key: node}
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": node, **changes}


def manager_of(*entries: Json) -> str:
    deployment = make_deployment()
    deployment["metadata"]["managedFields"] = list(entries)
    return env_state(deployment, container(deployment), READ).manager


def test_the_manager_of_a_value_is_who_owns_it() -> None:
    assert manager_of() == ""
    assert manager_of(managed("helm", READ), managed("kubectl", DUAL)) == "helm"
    assert manager_of(managed("helm", DUAL)) == ""


def test_of_several_owners_the_last_writer_is_named_and_a_stranger_rather_than_us() -> None:
    late = "2026-11-23T03:10:00Z"
    assert manager_of(managed("helm", READ), managed("argocd", READ, time=late)) == "argocd"
    assert manager_of(managed("argocd", READ, time=late), managed("helm", READ)) == "argocd"
    assert manager_of(managed("certstorage-operator", READ), managed("argocd", READ)) == "argocd"


def test_a_status_writer_owns_no_value() -> None:
    assert (
        manager_of(managed("helm", READ), managed("x", READ, time="2027-01-01T00:00:00Z", subresource="status"))
        == "helm"
    )


# --- the whole Deployment


def test_a_deployment_that_is_rolled_out() -> None:
    deployment = make_deployment()
    target = parsed(deployment, replica_set(deployment, "abc"))
    assert target.rolled_out
    assert target.container == "web"
    assert target.template_hash == "abc"
    assert (target.replicas, target.updated, target.available, target.total) == (3, 3, 3, 3)
    assert target.problems == ()
    assert target.hold is None
    assert not target.owns_fields
    assert set(target.env) == {READ, DUAL, "LOG_LEVEL"}


def test_the_template_hash_is_empty_until_the_controller_has_made_the_replica_set() -> None:
    deployment = make_deployment()
    old = replica_set(deployment, "old")
    container(deployment)["env"][0]["value"] = "false"
    assert parsed(deployment, old).template_hash == ""
    assert parsed(deployment, old, replica_set(deployment, "new")).template_hash == "new"


def test_a_replica_set_of_another_deployment_is_not_taken() -> None:
    deployment = make_deployment()
    stranger = replica_set(deployment, "abc")
    stranger["metadata"]["ownerReferences"] = controlled_by("Deployment", "another")
    assert parsed(deployment, stranger).template_hash == ""


def test_replicas_default_to_one_and_counts_to_none() -> None:
    deployment = make_deployment()
    del deployment["spec"]["replicas"]
    deployment["status"] = {}
    target = parsed(deployment)
    assert (target.replicas, target.updated, target.total, target.observed_generation) == (1, 0, 0, 0)
    assert not target.rolled_out


def progressing(status: str, reason: str) -> Json:
    return {"type": "Progressing", "status": status, "reason": reason}


def test_stuck_is_a_passed_deadline_of_this_very_generation() -> None:
    deployment = make_deployment()
    deployment["status"]["conditions"] = [progressing("False", "ProgressDeadlineExceeded")]
    assert parsed(deployment).stuck
    deployment["metadata"]["generation"] = 3
    assert not parsed(deployment).stuck
    deployment["metadata"]["generation"] = 2
    deployment["status"]["conditions"] = [progressing("True", "ReplicaSetUpdated")]
    assert not parsed(deployment).stuck


def test_recreate_and_paused_are_seen() -> None:
    target = parsed(make_deployment(strategy={"type": "Recreate"}, paused=True))
    assert target.recreate
    assert target.paused


def test_ours_in_managed_fields_is_seen() -> None:
    deployment = make_deployment()
    deployment["metadata"]["managedFields"] = [managed("helm", READ), managed("certstorage-operator", DUAL)]
    assert parsed(deployment).owns_fields


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v":2}', '{"v":1}', "null"])
def test_a_hold_that_cannot_be_read_is_a_problem_and_never_a_guess(text: str) -> None:
    deployment = make_deployment()
    deployment["metadata"]["annotations"] = {ANNOTATION: text}
    target = parsed(deployment)
    assert target.hold is None
    assert target.hold_problem is not None
    assert target.hold_problem.reason is Reason.HOLD_INVALID
    assert "production/deltacrown" in target.hold_problem.message


# --- containers


def test_the_only_container_is_meant_when_none_is_named() -> None:
    assert find_container(make_policy(), make_deployment()) is not None


def test_several_containers_and_none_named_is_a_problem() -> None:
    deployment = make_deployment()
    deployment["spec"]["template"]["spec"]["containers"].append({"name": "side"})
    target = parsed(deployment)
    assert [problem.reason for problem in target.problems] == [Reason.CONTAINER_MISSING]
    assert "web, side" in target.problems[0].message
    assert target.env == {}
    named = parsed(deployment, targetRef={"name": "deltacrown", "container": "web"})
    assert named.problems == ()


def test_a_container_that_is_not_there_is_a_problem_even_if_an_init_container_has_its_name() -> None:
    deployment = make_deployment()
    deployment["spec"]["template"]["spec"]["initContainers"] = [{"name": "app"}]
    target = parsed(deployment, targetRef={"name": "deltacrown", "container": "app"})
    assert [problem.reason for problem in target.problems] == [Reason.CONTAINER_MISSING]
    assert "'app'" in target.problems[0].message
    assert "web" in target.problems[0].message


# --- the local disk


def with_volume(source: Json, **mount: Any) -> Json:
    deployment = make_deployment()
    deployment["spec"]["template"]["spec"]["volumes"] = [{"name": "certificates", **source}]
    container(deployment)["volumeMounts"][0] |= mount
    return deployment


CLAIM = {"persistentVolumeClaim": {"claimName": "certificates"}}


@pytest.mark.parametrize(
    ("source", "mount", "reason"),
    [
        (CLAIM, {}, None),
        (CLAIM, {"mountPath": "/mnt/media"}, None),
        (CLAIM, {"subPath": "x"}, None),
        ({"nfs": {"server": "s", "path": "/"}}, {}, None),
        (CLAIM, {"mountPath": "/mnt/med"}, Reason.CLAIM_MISSING),
        (CLAIM, {"mountPath": "/mnt/media/certificates/pdf"}, Reason.CLAIM_MISSING),
        (CLAIM, {"name": "other"}, Reason.CLAIM_MISSING),
        (CLAIM, {"subPathExpr": "$(POD_NAME)"}, Reason.LOCAL_NOT_SHARED),
        ({"emptyDir": {}}, {}, Reason.LOCAL_NOT_SHARED),
        ({}, {}, Reason.LOCAL_NOT_SHARED),
        ({"hostPath": {"path": "/srv"}}, {}, Reason.LOCAL_NOT_SHARED),
        ({"ephemeral": {}}, {}, Reason.LOCAL_NOT_SHARED),
        ({"csi": {"driver": "d"}}, {}, Reason.LOCAL_NOT_SHARED),
    ],
)
def test_local_reads_need_a_disk_that_pods_share(source: Json, mount: Json, reason: Reason | None) -> None:
    problems = parsed(with_volume(source, **mount)).problems
    assert [problem.reason for problem in problems] == ([] if reason is None else [reason])
    for problem in problems:
        assert "/mnt/media/certificates" in problem.message
        assert "\n" not in problem.message


def test_the_deepest_mount_counts() -> None:
    deployment = with_volume(CLAIM, mountPath="/mnt")
    spec = deployment["spec"]["template"]["spec"]
    spec["volumes"].append({"name": "scratch", "emptyDir": {}})
    container(deployment)["volumeMounts"].append({"name": "scratch", "mountPath": "/mnt/media"})
    assert [problem.reason for problem in parsed(deployment).problems] == [Reason.LOCAL_NOT_SHARED]


def test_a_claim_that_does_not_exist_is_named() -> None:
    policy, deployment = make_policy(), make_deployment()
    assert local_claim(policy, deployment, container(deployment)) == "certificates"
    target = parse_target(policy, deployment, (), claim_missing=True)
    assert [problem.reason for problem in target.problems] == [Reason.CLAIM_MISSING]
    assert "'certificates'" in target.problems[0].message


# --- Pods


def counted(*pods: Json) -> Pods:
    return parse_pods(make_policy(), "web", [{"metadata": {"uid": "rs-abc"}}, {"metadata": {"uid": "rs-old"}}], pods)


def test_pods_are_counted_by_the_flag_they_run_with() -> None:
    found = counted(pod(), pod("old", "false"), pod("old", "FALSE"), pod(flag="maybe"), pod(flag=None))
    assert (found.s3, found.local, found.other) == (1, 2, 2)
    assert found.ready == {"abc": 3, "old": 2}


def test_pods_that_go_have_ended_or_are_strangers_do_not_count() -> None:
    found = counted(
        pod(metadata={"deletionTimestamp": "2026-11-23T03:00:00Z"}),
        pod(status={"phase": "Failed"}),
        pod(status={"phase": "Succeeded"}),
        pod(metadata={"ownerReferences": controlled_by("ReplicaSet", "rs-of-another")}),
        pod(metadata={"ownerReferences": []}),
    )
    assert found.total == 0


def test_a_pod_that_is_not_ready_counts_but_not_as_ready() -> None:
    found = counted(pod(status={"conditions": [{"type": "Ready", "status": "False"}]}), pod(status={"conditions": []}))
    assert found.s3 == 2
    assert found.ready == {}


def test_the_selector_as_a_query() -> None:
    deployment = make_deployment(
        selector={
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["x", "y"]},
                {"key": "d", "operator": "NotIn", "values": ["z"]},
                {"key": "e", "operator": "Exists"},
                {"key": "f", "operator": "DoesNotExist"},
            ],
        }
    )
    assert selector_text(deployment) == "a=1,b=2,c in (x,y),d notin (z),e,!f"


@given(
    st.lists(st.sampled_from([value(READ, "true"), value(READ, ""), {"name": READ, "valueFrom": {}}, value("X", "1")]))
)
def test_no_env_list_breaks_the_parser(env: list[Json]) -> None:
    target = parsed(json.loads(json.dumps(make_deployment(env=env))))
    assert target.env[READ].state in FlagState
