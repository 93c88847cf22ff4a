"""Two clones on one machine, and what is left of a node when it was taken down."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.cluster.cgroups import MOUNT
from tests.cluster.node import Node
from tests.cluster.processes import Process
from tests.cluster.registry import find
from tests.cluster.shell import run


def namespaces_of(node: Node) -> set[str]:
    """The namespaces that the node's first process made."""
    entry = find(node.id)
    assert entry is not None
    return {str((Path(f"/proc/{entry.pid}/ns") / kind).readlink()) for kind in ("pid", "mnt", "net")}


def left_of(node: Node, namespaces: set[str]) -> dict[str, list[str]]:
    """Everything on this machine that lives in the node's namespaces or carries its name."""
    left: dict[str, Sequence[str | Path]] = {
        "processes": [
            link.parts[2]
            for link in Path("/proc").glob("[0-9]*/ns/*")
            if _target(link) in namespaces and Process.of(int(link.parts[2]))
        ],
        "mounts": [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(node.root) in line],
        "interfaces": [path.name for path in Path("/sys/class/net").glob(f"*{node.id}*")],
        "control groups": [*MOUNT.glob(f"certstorage-{node.id}"), *MOUNT.glob(f"*/certstorage-{node.id}")],
        "folders": [path for path in (node.state, Path(f"/run/certstorage/{node.id}.json")) if path.exists()],
    }
    return {kind: [str(what) for what in found] for kind, found in left.items() if found}


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # a process that just ended, or one of the system that shows its namespaces to nobody


def firewall() -> str:
    return run(["nft", "list", "tables"])


def forwarding() -> str:
    return Path("/proc/sys/net/ipv4/ip_forward").read_text()


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Callable[[str], Node]]:
    """Give the node of a clone of that name, not yet up; all are taken down in the end."""
    made: list[Node] = []

    def new(name: str) -> Node:
        (tmp_path / name).mkdir(exist_ok=True)
        made.append(Node(tmp_path / name))
        return made[-1]

    yield new
    for node in made:
        node.down()


@pytest.mark.timeout(400)
def test_two_clones_do_not_meet_and_leave_nothing_behind(clone: Callable[[str], Node]) -> None:
    one, other = clone("one"), clone("other")
    host = firewall(), forwarding()
    one.up()
    other.up()
    assert one.address != other.address
    one.kubectl("create", "namespace", "only-here")
    assert "only-here" not in other.kubectl("get", "namespaces")
    assert (firewall(), forwarding()) == host

    namespaces = namespaces_of(one)
    assert left_of(one, namespaces).keys() == {"processes", "interfaces", "control groups", "folders"}
    one.down()
    assert left_of(one, namespaces) == {}
    assert all(other.health().values())
    other.down()
    assert (firewall(), forwarding()) == host


def test_a_node_whose_clone_was_deleted_is_ended_from_a_new_clone_at_the_same_place(
    clone: Callable[[str], Node], tmp_path: Path
) -> None:
    node = clone("here")
    node.up()
    namespaces = namespaces_of(node)
    node.state.rename(tmp_path / "deleted")
    clone("here").down()
    assert left_of(node, namespaces) == {}
