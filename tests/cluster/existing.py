"""A cluster that somebody else made and that the user named: used, never made, never ended."""

import shutil
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.images import Image
from tests.cluster.kubectl import PROGRAM, answers
from tests.cluster.paths import ROOT
from tests.cluster.shell import run


class Existing:
    """A context of the user's kubeconfig."""

    audit_log: Path | None = None
    """Where such a cluster keeps its audit log is not known."""

    def __init__(self, context: str, root: Path = ROOT) -> None:
        self.context = context
        self.client = PROGRAM
        self.state = root / ".cluster"
        self.kubeconfig = self.state / "kubeconfig"

    def require(self) -> None:
        """Raise ClusterError when the user has no such context."""
        self._read()

    def up(self) -> None:
        """Copy that one context. Raises ClusterError when its apiserver does not answer."""
        self.state.mkdir(exist_ok=True)
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(self._read())
        if not answers(self.kubeconfig):
            raise ClusterError(f"the apiserver of context {self.context} does not answer")

    def _read(self) -> str:
        return run([*PROGRAM, "config", "view", "--minify", "--flatten", f"--context={self.context}"])

    def down(self) -> None:
        """Forget the context; the cluster and what runs in it stay."""
        shutil.rmtree(self.state, ignore_errors=True)

    def load(self, image: Image) -> None:
        """Into a kind cluster; others must be able to pull the image from somewhere."""
        if not self.context.startswith("kind-"):
            raise ClusterError(
                f"images cannot be loaded into context {self.context}: push {image.name} where it pulls from "
                "(python -m tests.cluster image makes the archive)"
            )
        name = self.context.removeprefix("kind-")
        run(["kind", "load", "image-archive", str(image.archive()), f"--name={name}"])

    def health(self) -> dict[str, bool]:
        """Whether the apiserver answers."""
        return {"kube-apiserver": answers(self.kubeconfig)}
