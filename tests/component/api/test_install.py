"""The shipped installation and the samples, as a real API server takes them."""

from pathlib import Path

import pytest
import yaml

from tests.cluster.shell import until
from tests.component.api.server import GROUP, Server

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = sorted((ROOT / "deploy" / "samples").glob("*.yaml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_accepted(server: Server, namespace: str, path: Path) -> None:
    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "kind" not in body:  # a patch file: what people write into an incident
        kind = {"apiVersion": "storage.deltacrown.io/v1alpha1", "kind": "CertStorageIncident"}
        body = {**kind, "metadata": {"generateName": "certificates-"}, **body}
    body["metadata"].pop("namespace", None)
    if "requestedBy" in body["spec"]:
        body["spec"]["requestedBy"] = "admin"
    answer = server.admin.create(
        f"{GROUP}/namespaces/{namespace}/{body['kind'].lower().replace('policy', 'policie')}s",
        body,
        dryRun="All",
        fieldValidation="Strict",
    )
    assert answer.code == 201, answer.message


def test_applying_again_changes_nothing(server: Server) -> None:
    again = server.plane.kubectl("apply", "-k", str(ROOT / "crds"))
    assert [line.split()[-1] for line in again.splitlines()] == ["unchanged"] * 3


def test_the_admission_policies_are_well_typed(server: Server) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    ours = [
        each for each in server.admin.get(path).body["items"] if each["metadata"]["name"].startswith("certstorage-")
    ]
    assert len(ours) == 4
    names = [each["metadata"]["name"] for each in ours]

    def checked() -> bool:
        return all("typeChecking" in server.admin.get(f"{path}/{name}").body.get("status", {}) for name in names)

    until("types of the admission policies checked", checked, seconds=60)
    for name in names:
        assert server.admin.get(f"{path}/{name}").body["status"]["typeChecking"] == {}


def test_pod_security_lets_the_operators_pods_in(server: Server) -> None:
    path = "/apis/apps/v1/namespaces/certstorage-system/deployments/certstorage-operator"

    def made() -> bool:
        status = server.admin.get(path).body.get("status", {})
        failed = [each for each in status.get("conditions", ()) if each["type"] == "ReplicaFailure"]
        assert failed == []
        return bool(status.get("replicas") == 2)

    until("the operator's two Pods", made, seconds=60)
