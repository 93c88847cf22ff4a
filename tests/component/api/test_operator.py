"""The operator's own process under its own service account: nothing that it asks for is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import ControlPlane
from tests.cluster.shell import until
from tests.component.api.server import GROUP, Client, Json, Server, policy
from tests.component.api.test_rights import deployment

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "system:serviceaccount:certstorage-system:certstorage-operator"


def kubeconfig(plane: ControlPlane, token: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "operator",
        "clusters": [{"name": "c", "cluster": {"server": plane.url, "certificate-authority": str(plane.ca)}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "operator", "context": {"cluster": "c", "user": "u"}}],
    }


@pytest.fixture(scope="module")
def asked(server: Server, operator: Client, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """What the operator asked of the API server while it met one policy and its Deployment, from the audit log."""
    where = f"{GROUP}/namespaces/{namespace}/certstoragepolicies"
    server.admin.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment("deltacrown"))
    server.admin.create(where, policy(namespace))
    sweep = {"policyName": "certificates", "type": "Sweep", "reason": "to see"}
    kind = {"apiVersion": "storage.deltacrown.io/v1alpha1", "kind": "CertStorageRequest"}
    requests_at = f"{GROUP}/namespaces/{namespace}/certstoragerequests"
    server.admin.create(requests_at, {**kind, "metadata": {"name": "sweep"}, "spec": sweep})
    login = tmp_path_factory.mktemp("operator") / "kubeconfig"
    bearer = dict(operator.headers)["Authorization"].removeprefix("Bearer ")
    login.write_text(yaml.safe_dump(kubeconfig(server.plane, bearer)), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("certstorage-operator")), f"--kubeconfig={login}"]
    command += [f"--config={ROOT / 'deploy' / 'operator' / 'config.yaml'}", f"--namespace={namespace}"]
    command += ["--lease-name=api-operator", "--host=127.0.0.1", "--port=0", "--nudge-port=0"]
    log = login.with_name("log")
    before = server.plane.audit_log.stat().st_size
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        seen = f"{where}/certificates"
        until("a status", lambda: "conditions" in server.admin.get(seen).body.get("status", {}), seconds=60, log=log)
        answer = f"{requests_at}/sweep"
        until("an answer", lambda: "phase" in server.admin.get(answer).body.get("status", {}), seconds=60, log=log)
    finally:
        process.terminate()
        code = process.wait(30)
    assert code == 0, log.read_text()
    return list(requests(server.plane.audit_log, before))


def requests(audit_log: Path, offset: int) -> Iterator[Json]:
    """The operator's requests after this offset; these tests' own, under the same account, name no user agent."""
    with audit_log.open("rb") as log:
        log.seek(offset)
        for line in log:
            event = json.loads(line)
            if event["user"]["username"] == ACCOUNT and event.get("userAgent"):
                yield event


def test_nothing_is_refused(asked: list[Json]) -> None:
    assert [event["requestURI"] for event in asked if event["responseStatus"]["code"] in {401, 403, 405}] == []


def test_it_watches_and_writes_its_status(asked: list[Json], namespace: str) -> None:
    done = {(event["verb"], event["objectRef"]["resource"], event["objectRef"].get("subresource")) for event in asked}
    assert done >= {
        ("watch", "certstoragepolicies", None),
        ("watch", "certstoragerequests", None),
        ("watch", "certstorageincidents", None),
        ("watch", "deployments", None),
        ("watch", "jobs", None),
        ("update", "certstoragepolicies", "status"),
        ("update", "certstoragerequests", "status"),
        ("list", "horizontalpodautoscalers", None),
        ("create", "leases", None),
    }
    assert {event["objectRef"]["namespace"] for event in asked} == {namespace, "certstorage-system"}
