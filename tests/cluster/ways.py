"""Which cluster a clone uses: the one the user named, kind, or a node of our own; decided at ``up`` and remembered."""

import shutil
from pathlib import Path
from typing import Protocol

from tests.cluster.builder import docker_answers
from tests.cluster.errors import ClusterError
from tests.cluster.existing import Existing
from tests.cluster.images import Image
from tests.cluster.kind import Kind
from tests.cluster.kubectl import write_wrapper
from tests.cluster.node import Node
from tests.cluster.paths import ROOT

NODE, KIND, CONTEXT = "node", "kind", "context:"


class Way(Protocol):
    """One way to a cluster. Methods may be called in any state and after any crash."""

    @property
    def kubeconfig(self) -> Path:
        """Cluster administrator."""

    @property
    def client(self) -> tuple[str, ...]:
        """The kubectl that fits the cluster's version."""

    @property
    def audit_log(self) -> Path | None:
        """One JSON object a line, as config/audit-policy.yaml says; None where it cannot be had."""

    def require(self) -> None:
        """Raise ClusterError saying what is missing, before anything is made."""

    def up(self) -> None:
        """Bring the cluster to readiness."""

    def down(self) -> None:
        """End it and remove all that was made for it."""

    def load(self, image: Image) -> None:
        """Bring an image to where Pods find it."""

    def health(self) -> dict[str, bool]:
        """Which parts work."""


def choose(context: str | None, *, docker: bool, kind: bool) -> str:
    """The name of the way: a context only when it was named, kind only when both its halves are there."""
    if context:
        return CONTEXT + context
    return KIND if docker and kind else NODE


def way(name: str, root: Path = ROOT) -> Way:
    """The way of that name."""
    if name.startswith(CONTEXT):
        return Existing(name.removeprefix(CONTEXT), root)
    return Kind(root) if name == KIND else Node(root)


def remembered(root: Path = ROOT) -> str | None:
    """The name of the way this clone's cluster was brought up; None when there is no cluster."""
    file = root / ".cluster/way"
    return file.read_text() if file.exists() else None


def current(root: Path = ROOT) -> Way:
    """This clone's cluster. Raises ClusterError when it was not brought up."""
    name = remembered(root)
    if name is None:
        raise ClusterError("the cluster is not up: make cluster-up")
    return way(name, root)


def up(context: str | None = None, root: Path = ROOT) -> Way:
    """Bring this clone's cluster up, or heal it. Raises ClusterError when it is up in another way than asked for."""
    before = remembered(root)
    if before is None:
        name = choose(context, docker=docker_answers(), kind=shutil.which("kind") is not None)
    elif context and before != CONTEXT + context:
        raise ClusterError(f"the cluster is up as {before!r}, not as context {context!r}: make cluster-down first")
    else:
        name = before
    chosen = way(name, root)
    chosen.require()
    state = root / ".cluster"
    state.mkdir(exist_ok=True)
    (state / "way").write_text(name)
    chosen.up()
    write_wrapper(state / "kubectl", chosen.client, chosen.kubeconfig)
    return chosen
