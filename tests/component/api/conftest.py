"""The kinds, the operator's permissions and its admission policies on a real API server."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from crds.reference import KINDS
from tests.cluster import ControlPlane
from tests.cluster.shell import until
from tests.component.api.server import GROUP, Client, Json, Server, policy

ROOT = Path(__file__).resolve().parents[3]
LABEL = "certstorage-test"
OPERATOR = "system:serviceaccount:certstorage-system:certstorage-operator"


def only_for_these_tests(document: Json) -> Json:
    """The API server is shared: our admission policies look at the namespaces of these tests only."""
    if document["kind"] == "ValidatingAdmissionPolicyBinding":
        document["spec"]["matchResources"] = {"namespaceSelector": {"matchLabels": {LABEL: "api"}}}
    return document


@pytest.fixture(scope="session")
def server(apiserver: ControlPlane) -> Iterator[Server]:
    apiserver.kubectl("apply", "-k", str(ROOT / "crds"))
    crds = [f"crd/{plural}.storage.deltacrown.io" for plural in KINDS]
    apiserver.kubectl("wait", "--for=condition=Established", "--timeout=60s", *crds)
    documents = yaml.safe_load_all(apiserver.kubectl("kustomize", str(ROOT / "deploy" / "operator")))
    shipped = yaml.safe_dump_all(only_for_these_tests(document) for document in documents)
    apiserver.kubectl("apply", "-f", "-", stdin=shipped)
    with closing(Server(apiserver)) as made:
        yield made


def make_namespace(server: Server) -> str:
    name = f"api-{secrets.token_hex(4)}"
    server.plane.kubectl("create", "namespace", name)
    server.plane.kubectl("label", "namespace", name, f"{LABEL}=api")
    return name


@pytest.fixture(scope="session")
def guarded(server: Server) -> Server:
    """The server once its admission policies are in force: compiling them takes the API server a moment."""
    probe = make_namespace(server)
    body = policy(probe)
    server.admin.create(f"{GROUP}/namespaces/{probe}/certstoragepolicies", body)
    path = f"{GROUP}/namespaces/{probe}/certstoragepolicies/certificates/status"
    # The policy of status is applied last: when it refuses, the others do.
    until("admission policies in force", lambda: server.admin.merge(path, {"status": {}}).code == 403, seconds=60)
    server.plane.kubectl("delete", "namespace", probe, "--wait=false")
    return server


@pytest.fixture(scope="module")
def namespace(guarded: Server) -> Iterator[str]:
    """A namespace of the module's own, enrolled as deploy/enroll does it."""
    name = make_namespace(guarded)
    manifest = guarded.plane.kubectl("kustomize", str(ROOT / "deploy" / "samples" / "enroll"))
    guarded.plane.kubectl("apply", "-f", "-", stdin=manifest.replace("namespace: production", f"namespace: {name}"))
    guarded.wait_until_allowed(name, OPERATOR, "storage.deltacrown.io", "certstoragepolicies", "list")
    yield name
    guarded.plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def operator(guarded: Server) -> Client:
    """The operator's own service account."""
    return guarded.account("certstorage-system", "certstorage-operator")
