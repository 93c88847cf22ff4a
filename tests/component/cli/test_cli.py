"""The command line against a real API server: its words for refusals, its names, its paging, its idea of who asks."""

import io
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from certstorage.cli import kube as client
from certstorage.cli.kube import connect
from certstorage.cli.main import main
from certstorage.cli.port import EVENTS, POLICIES, REQUESTS, CliError, Resource
from certstorage.cli.tools import Tools
from crds.reference import KINDS
from tests.cluster import ControlPlane
from tests.cluster.errors import CommandError
from tests.cluster.shell import until

ROOT = Path(__file__).resolve().parents[3]
SELECTOR = {"namespaceSelector": {"matchLabels": {"certstorage-test": "cli"}}}
GROUP = "storage.deltacrown.io"


def shipped() -> Iterator[dict[str, Any]]:
    """The roles of people, and the admission policy of requests under a name and for namespaces of these tests."""
    yield from yaml.safe_load_all((ROOT / "deploy/operator/people.yaml").read_text("utf-8"))
    for body in yaml.safe_load_all((ROOT / "deploy/operator/admission.yaml").read_text("utf-8")):
        if body["metadata"]["name"] == "certstorage-requesters":
            body["metadata"]["name"] = "certstorage-requesters-cli"
            if body["kind"] == "ValidatingAdmissionPolicyBinding":
                body["spec"] |= {"policyName": "certstorage-requesters-cli", "matchResources": SELECTOR}
            yield body


@pytest.fixture(scope="module")
def plane(apiserver: ControlPlane) -> ControlPlane:
    """The shared control plane with our kinds and what guards them."""
    apiserver.kubectl("apply", "-k", str(ROOT / "crds"))
    kinds = [f"crd/{plural}.{GROUP}" for plural in KINDS]
    apiserver.kubectl("wait", "--for=condition=Established", "--timeout=60s", *kinds)
    apiserver.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(shipped()))
    return apiserver


@dataclass(frozen=True)
class Desk:
    """A namespace with a policy in it, and people who sit before it."""

    plane: ControlPlane
    namespace: str

    def run(self, line: str, *, user: str = "") -> tuple[int, str]:
        """One command in this namespace, as the administrator or as somebody else: exit code and output."""
        path = self.plane.user_kubeconfig(user) if user else self.plane.kubeconfig
        return run(f"{line} -n {self.namespace} --kubeconfig {path}")

    def grant(self, user: str, role: str) -> None:
        """Give somebody a role in this namespace, and wait until the API server knows."""
        name = f"{user}-{role}".replace(":", "-")
        self.plane.kubectl(
            "create", "rolebinding", name, f"--clusterrole={role}", f"--user={user}", "-n", self.namespace
        )
        verb = {"certstorage-view": "get", "certstorage-edit": "sweep", "certstorage-approve": "approval"}[role]
        until(f"{user} has {role}", lambda: self._may(user, verb), seconds=30)

    def _may(self, user: str, verb: str) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "resourceAttributes": {
                    "namespace": self.namespace,
                    "group": GROUP,
                    "resource": "certstoragepolicies",
                    "verb": verb,
                },
            },
        }
        answer = json.loads(self.plane.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review)))
        return bool(answer["status"]["allowed"])

    def wait_until_guarded(self) -> None:
        """Until the admission policy is in force: the API server takes a moment to compile it."""
        forged = {**body(), "metadata": {"generateName": "x-", "namespace": self.namespace}}
        forged["spec"]["requestedBy"] = "somebody-else"

        def refused() -> bool:
            try:
                self.plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(forged))
            except CommandError as error:
                return "spec.requestedBy must be who creates the request" in str(error)
            return False

        until("the admission policy is in force", refused, seconds=60)

    def status(self, kind: str, name: str, status: dict[str, Any]) -> None:
        """Write a status as the operator would."""
        change = json.dumps({"status": status})
        self.plane.kubectl(
            "patch", kind, name, "-n", self.namespace, "--subresource=status", "--type=merge", "-p", change
        )

    def requests(self) -> list[dict[str, Any]]:
        """The specs of all requests."""
        found = json.loads(self.plane.kubectl("get", "certsr", "-n", self.namespace, "-o", "json"))
        return [item["spec"] for item in found["items"]]


def run(line: str) -> tuple[int, str]:
    """One command line: exit code, and standard output and error as one."""
    out = io.StringIO()
    screen = Console(file=out, width=10_000, highlight=False, markup=False)
    before, sys.stderr = sys.stderr, out
    try:
        code = main(line.split(), Tools("kubectl certstorage", screen=screen, can_answer=lambda: False))
    finally:
        sys.stderr = before
    return code, out.getvalue()


@pytest.fixture
def desk(plane: ControlPlane) -> Iterator[Desk]:
    name = f"cli-{secrets.token_hex(4)}"
    plane.kubectl("create", "namespace", name)
    plane.kubectl("label", "namespace", name, "certstorage-test=cli")
    sample = (ROOT / "deploy/samples/minimal.yaml").read_text("utf-8")
    plane.kubectl("apply", "-f", "-", stdin=sample.replace("namespace: production", f"namespace: {name}"))
    yield Desk(plane, name)
    plane.kubectl("delete", "namespace", name, "--wait=false")


def test_a_sweep_from_the_asking_to_the_answer(desk: Desk) -> None:
    for user, roles in {"jane": ("view", "edit"), "omar": ("view", "edit", "approve")}.items():
        for role in roles:
            desk.grant(user, f"certstorage-{role}")
    desk.wait_until_guarded()
    code, said = desk.run("request sweep certificates --sample-rate 20%", user="jane")
    assert (code, said.count("is filed.")) == (0, 1)
    name = said.split()[0]
    (spec,) = desk.requests()
    assert (spec["requestedBy"], spec["type"], spec["sampleRate"]) == ("jane", "Sweep", "20%")

    plan = {"phase": "Pending", "message": "a person approves", "plan": ["stop writes"], "planHash": "9f86d081884c7d65"}
    desk.status("certsr", name, plan)
    code, said = desk.run(f"approve {name} --yes", user="jane")
    assert code == 3
    where = f"-n {desk.namespace}"
    assert "jane may not ask for this: a CertStorageRequest of type Approval needs the verb approval on" in said
    assert f"kubectl auth can-i approval certstoragepolicies.{GROUP}/certificates {where}" in said

    code, said = desk.run(f"approve {name} --yes", user="omar")
    assert (code, "  1. stop writes" in said) == (0, True)
    (answer,) = [spec for spec in desk.requests() if spec["type"] == "Approval"]
    assert answer["approves"] == {"requestName": name, "planHash": "9f86d081884c7d65", "decision": "Approve"}
    assert answer["requestedBy"] == "omar"


def test_what_is_so_and_why(desk: Desk) -> None:
    assert desk.run("why certificates")[0] == 1
    at = "2026-11-23T03:10:12Z"
    ready = {"type": "Ready", "status": "True", "reason": "ReadsFromS3", "message": "reads come from S3"}
    desk.status(
        "certsp", "certificates", {"conditions": [{**ready, "lastTransitionTime": at}], "observedGeneration": 1}
    )
    code, said = desk.run("why certificates")
    assert (code, "Reads come from S3." in said) == (0, True)
    assert f"There is no Deployment deltacrown in namespace {desk.namespace}." in said
    assert "ReadsFromS3" in desk.run("status")[1]
    assert json.loads(desk.run("status certificates -o json")[1])["ready"] == "True"


def test_events_are_its_history(desk: Desk) -> None:
    for index, name in enumerate(("certificates", "another")):
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"e{index}", "namespace": desk.namespace},
            "involvedObject": {"kind": "CertStoragePolicy", "name": name, "namespace": desk.namespace},
            "type": "Warning",
            "reason": "OutageReadsLocal",
            "message": f"about {name}",
            "lastTimestamp": "2026-11-23T03:10:12Z",
        }
        desk.plane.kubectl("create", "-f", "-", stdin=json.dumps(body))
    code, said = desk.run("history certificates")
    assert (code, "about certificates" in said, "about another" in said) == (0, True, False)


def test_who_has_no_rights_is_told_which_is_missing(desk: Desk) -> None:
    code, said = desk.run("status", user="nobody")
    assert code == 3
    plural = f"certstoragepolicies.{GROUP}"
    assert f"nobody may not list {plural} in namespace {desk.namespace}: ask for the role view there" in said
    path = desk.plane.user_kubeconfig("nobody")
    assert (
        f"nobody may not list {plural} in all namespaces: name one with -n" in run(f"status -A --kubeconfig {path}")[1]
    )


def test_what_the_schema_refuses_is_told_in_its_words(desk: Desk) -> None:
    code, said = desk.run("request sweep certificates --sample-rate 0%")
    assert code == 3
    assert 'spec.sampleRate must be a percentage above 0% and up to 100%, with its sign: write "10%"' in said
    assert desk.requests() == []


def test_names_that_are_not_there(desk: Desk) -> None:
    assert "is it certificates?" in desk.run("why certificate")[1]
    server = connect(kubeconfig=str(desk.plane.kubeconfig))
    with pytest.raises(CliError, match="there is no namespace nowhere-at-all"):
        server.create(REQUESTS, "nowhere-at-all", {**body(), "metadata": {"generateName": "x-"}})


def body() -> dict[str, Any]:
    spec = {"policyName": "certificates", "type": "Return", "reason": "test"}
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": "CertStorageRequest", "spec": spec}


def test_a_cluster_without_our_kinds_is_told_apart_from_one_without_the_object(desk: Desk) -> None:
    server = connect(kubeconfig=str(desk.plane.kubeconfig))
    unknown = Resource(GROUP, "v9", POLICIES.plural, POLICIES.kind)
    with pytest.raises(CliError, match=r"its CRDs are not installed; install them \(kubectl apply -k crds"):
        server.list(unknown, desk.namespace)


def test_lists_are_read_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    server = connect(kubeconfig=str(desk.plane.kubeconfig))
    for index in range(5):
        server.create(REQUESTS, desk.namespace, {**body(), "metadata": {"name": f"r{index}"}})
    assert [item["metadata"]["name"] for item in server.list(REQUESTS, desk.namespace)] == [f"r{i}" for i in range(5)]
    assert server.list(EVENTS, desk.namespace, fields="involvedObject.name=none") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"users": [{"name": "admin", "user": {"token": "expired"}}]},
            "does not know who you are; log in as for kubectl",
        ),
        ({"server": "https://127.0.0.1:1"}, "no answer from https://127.0.0.1:1 (context certstorage-component): "),
        ({"server": "http://127.0.0.1:1"}, "Connection refused"),
    ],
)
def test_no_way_in(plane: ControlPlane, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    config = yaml.safe_load(plane.kubeconfig.read_text())
    if "server" in change:
        config["clusters"][0]["cluster"]["server"] = change["server"]
    else:
        (user,) = config["users"]
        user["user"] = change["users"][0]["user"]
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    code, told = run(f"status --kubeconfig {path}")
    assert code == 3
    assert said in told
    assert told.count("\n") == 1


def test_kubectl_finds_it(desk: Desk) -> None:
    here = Path(sys.executable).parent
    command: list[str | Path] = [here / "kubectl", "certstorage", "status", "certificates", "-n", desk.namespace]
    env = {**os.environ, "PATH": f"{here}:{os.environ['PATH']}", "KUBECONFIG": str(desk.plane.kubeconfig)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{desk.namespace}/certificates  Deployment deltacrown  mode Enforce\n")
