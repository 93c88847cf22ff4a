"""The shipped installation and the samples, as a real API server takes them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from crds.reference import KINDS, load
from tests.cluster.shell import until
from tests.component.api.server import GROUP, Answer, Json, Server

ROOT = Path(__file__).resolve().parents[3]
API_VERSION = "storage.deltacrown.io/v1alpha1"
PLURALS = {load(plural)["spec"]["names"]["kind"]: plural for plural in KINDS}


def documents() -> Iterator[tuple[str, Json]]:
    """Every object of our kinds that is shipped or shown: the files of deploy/, and the YAML of the pages."""
    for path in sorted((ROOT / "deploy").rglob("*.yaml")):
        yield from objects(path, path.read_text(encoding="utf-8"))
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"^```ya?ml\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            yield from objects(path, block)


def objects(path: Path, text: str) -> Iterator[tuple[str, Json]]:
    if API_VERSION in text:
        for number, body in enumerate(yaml.safe_load_all(text)):
            if isinstance(body, dict) and body.get("apiVersion") == API_VERSION:
                yield f"{path.relative_to(ROOT)}#{number}", body


def tried(server: Server, namespace: str, body: Json) -> Answer:
    plural = PLURALS[body["kind"]]
    body["metadata"].pop("namespace", None)
    return server.admin.create(f"{GROUP}/namespaces/{namespace}/{plural}", body, dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize("body", [pytest.param(body, id=place) for place, body in documents()])
def test_every_object_that_is_shipped_or_shown_is_accepted(server: Server, namespace: str, body: Json) -> None:
    if "requestedBy" in body["spec"]:
        body["spec"]["requestedBy"] = "admin"
    answer = tried(server, namespace, body)
    assert answer.code == 201, answer.message


def test_the_patch_of_an_incident_is_accepted(server: Server, namespace: str) -> None:
    patch = yaml.safe_load((ROOT / "deploy" / "samples" / "incident-notes.yaml").read_text(encoding="utf-8"))
    body = {"apiVersion": API_VERSION, "kind": "CertStorageIncident", "metadata": {"name": "tried"}, **patch}
    answer = tried(server, namespace, body)
    assert answer.code == 201, answer.message
    assert answer.body["spec"] == patch["spec"]


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
