"""The self-built node: real Pods, and back to work after the loss of any part."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.cluster import ClusterError, images, nodeconfig
from tests.cluster.node import Node
from tests.cluster.processes import Process
from tests.cluster.registry import find
from tests.cluster.shell import until

PARTS = [part.name for part in nodeconfig.parts("192.0.2.1", containerd=Path("containerd"))]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with two Pods behind a Service and a shared volume."""
    node = Node(tmp_path_factory.mktemp("clone"))
    node.up()
    try:
        node.load(images.PROBE)
        node.kubectl("apply", "-f", str(Path(__file__).parent / "workload.yaml"))
        node.kubectl("-n", "trial", "rollout", "status", "deployment/web", "--timeout=90s")
        yield node
    finally:
        node.down()


@pytest.fixture
def job(node: Node) -> Iterator[Callable[..., str]]:
    """Run the probe with these arguments as a Job, as root with the shared volume at /shared, and give its output."""
    made: list[str] = []

    def run(*arguments: str) -> str:
        name = f"probe-{len(made)}"
        made.append(name)
        container = {
            "name": "probe",
            "image": images.PROBE.name,
            "args": arguments,
            "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
            "securityContext": {"runAsUser": 0},
        }
        volume = {"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}}
        pod = {"restartPolicy": "Never", "containers": [container], "volumes": [volume]}
        spec = {"backoffLimit": 0, "template": {"spec": pod}}
        body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "trial"}, "spec": spec}
        node.kubectl("apply", "-f", "-", stdin=json.dumps(body))
        node.kubectl("-n", "trial", "wait", f"job/{name}", "--for=condition=Complete", "--timeout=60s")
        return node.kubectl("-n", "trial", "logs", f"job/{name}")

    node.kubectl("label", "namespace", "trial", "pod-security.kubernetes.io/enforce=baseline", "--overwrite")
    yield run
    for name in made:
        node.kubectl("-n", "trial", "delete", "job", name)


def processes(node: Node) -> dict[str, Process]:
    """The parts that run, by name, as the host knows them."""
    entry = find(node.id)
    assert entry is not None
    children = Path(f"/proc/{entry.pid}/task/{entry.pid}/children").read_text().split()
    found = {}
    for pid in map(int, children):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        name = words[1] if words[0].endswith("/kube") else Path(words[0]).name
        if name in PARTS and (process := Process.of(pid)):
            found[name] = process
    return found


def the_service_answers(node: Node) -> bool:
    try:
        with urllib.request.urlopen(f"http://{node.address}:30080/", timeout=2) as answer:
            return bool(answer.read().startswith(b"web-"))
    except OSError:
        return False


def test_pods_find_a_service_by_name(job: Callable[..., str]) -> None:
    assert job("get", "http://web.trial").startswith("web-")
    assert job("get", "http://web.trial.svc.cluster.local").startswith("web-")


def test_pods_share_a_volume(job: Callable[..., str]) -> None:
    job("write", "/shared/certificate", "all that matters")
    assert job("read", "/shared/certificate") == "all that matters"


def test_the_host_reaches_node_ports(node: Node) -> None:
    until("an answer at the node port", lambda: the_service_answers(node), seconds=10)


def test_the_host_itself_stays_as_it_is(node: Node, tmp_path: Path) -> None:
    mounts = Path("/proc/self/mounts").read_text()
    assert str(node.state) not in mounts
    assert not Path("/var/lib/certstorage-demo").exists()


def test_up_on_a_running_node_changes_nothing(node: Node) -> None:
    before = processes(node)
    node.up()
    assert processes(node) == before
    assert set(before) == set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_is_back_after_up(node: Node, part: str) -> None:
    lost = processes(node)[part]
    lost.send(SIGKILL)
    until(f"the end of {part}", lambda: not lost.alive, seconds=10)
    node.up()
    assert processes(node)[part] != lost
    until("an answer of the Service", lambda: the_service_answers(node), seconds=30)


def test_everything_killed_at_once_is_back_after_up(node: Node) -> None:
    entry = find(node.id)
    assert entry is not None
    parts = processes(node)
    entry.process.send(SIGKILL)
    until("the end of every part", lambda: not any(part.alive for part in parts.values()), seconds=30)
    assert not any(node.health().values())
    node.up()
    until("an answer of the Service", lambda: the_service_answers(node), seconds=90)
    assert node.kubectl("-n", "trial", "get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}") == "2"


def test_a_copied_state_is_not_acted_on(node: Node, tmp_path: Path) -> None:
    copy = Node(tmp_path)
    copy.state.mkdir()
    (copy.state / "owner").write_text(str(node.root))
    for act in (copy.up, copy.down):
        with pytest.raises(ClusterError, match="was copied from"):
            act()
    assert all(node.health().values())
