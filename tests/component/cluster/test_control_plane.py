"""The control plane that every component test stands on."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster import CommandError, ControlPlane, control_plane
from tests.cluster.controlplane import answers
from tests.cluster.shell import until


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with control_plane() as own:
        yield own


def test_it_is_the_kubernetes_it_says(plane: ControlPlane) -> None:
    version = json.loads(plane.kubectl("version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"] == version["clientVersion"]["gitVersion"] == "v1.34.4"


def test_controllers_act_on_what_is_made(plane: ControlPlane) -> None:
    plane.kubectl("create", "deployment", "web", "--image=localhost/none:dev", "--replicas=2")
    plane.kubectl("wait", "--for=create", "pod", "-l=app=web", "--timeout=60s")
    plane.kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout=60s")


def test_another_user_may_do_what_rbac_says(plane: ControlPlane) -> None:
    jane = f"--kubeconfig={plane.user_kubeconfig('jane', groups=['dev'])}"
    with pytest.raises(CommandError, match=r'User "jane" cannot list resource "pods"'):
        plane.kubectl(jane, "get", "pods")
    plane.kubectl("create", "rolebinding", "dev", "--clusterrole=view", "--group=dev")
    plane.kubectl(jane, "get", "pods")


def test_the_audit_log_has_the_body_of_a_patch_and_the_time_it_was_answered(plane: ControlPlane) -> None:
    plane.kubectl("create", "deployment", "audited", "--image=localhost/none:dev", "--replicas=0")
    plane.kubectl("patch", "deployment", "audited", "--patch", '{"metadata":{"labels":{"seen":"yes"}}}')
    events = [json.loads(line) for line in plane.audit_log.read_text().splitlines()]
    (patch,) = [event for event in events if event["verb"] == "patch" and event["objectRef"].get("name") == "audited"]
    assert patch["requestObject"] == {"metadata": {"labels": {"seen": "yes"}}}
    assert patch["responseStatus"]["code"] == 200
    assert patch["requestReceivedTimestamp"] <= patch["stageTimestamp"]


@pytest.mark.parametrize("part", ["etcd", "kube-apiserver", "kube-controller-manager"])
def test_a_killed_part_comes_back_with_what_it_knew(plane: ControlPlane, part: str) -> None:
    name = f"before-{part}"
    plane.kubectl("create", "configmap", name)
    plane.kill(part)
    plane.start(part)
    until(
        "the apiserver ready",
        lambda: answers(f"{plane.url}/readyz", plane.tls),
        seconds=60,
        log=plane.log("kube-apiserver"),
    )
    assert plane.kubectl("get", "configmap", name, "-o", "name").strip() == f"configmap/{name}"


def test_two_do_not_meet() -> None:
    with control_plane(controllers=False) as one, control_plane(controllers=False) as other:
        one.kubectl("create", "namespace", "here")
        with pytest.raises(CommandError, match="not found"):
            other.kubectl("get", "namespace", "here")
