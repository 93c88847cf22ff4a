"""The cluster by kind, for machines where Docker's daemon answers and kind is installed."""

import shutil
import sys
from pathlib import Path

from tests.cluster.images import Image
from tests.cluster.kubectl import PROGRAM, answers, kubectl
from tests.cluster.paths import HERE, ROOT, clone_id
from tests.cluster.shell import run

CONFIG = HERE / "kind.yaml"
READY_SECONDS = 300


class Kind:
    """One kind cluster, named after the clone."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.name = f"certstorage-{clone_id(root)}"
        self.state = root / ".cluster"
        self.kubeconfig = self.state / "kubeconfig"
        self.client = PROGRAM
        self.audit_log = self.state / "audit/audit.log"

    def require(self) -> None:
        """Nothing: kind was chosen because it is there."""

    def up(self) -> None:
        """Create the cluster, or start it again when its container stopped."""
        if self._exists():
            run(["docker", "start", f"{self.name}-control-plane"])
            run(["kind", "export", "kubeconfig", f"--name={self.name}", f"--kubeconfig={self.kubeconfig}"])
        else:
            log = self.state / "audit/audit.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()  # the apiserver, root in its container, keeps the owner of a file that is there
            print(f"creating the kind cluster {self.name}: a minute or two", file=sys.stderr, flush=True)
            run(create_command(self.name, self.kubeconfig), cwd=self.root)
        wait = ["wait", "node", "--all", "--for=condition=Ready", f"--timeout={READY_SECONDS}s"]
        kubectl(self.kubeconfig, *wait)

    def down(self) -> None:
        """Delete the cluster and this clone's state."""
        run(["kind", "delete", "cluster", f"--name={self.name}", f"--kubeconfig={self.kubeconfig}"])
        shutil.rmtree(self.state, ignore_errors=True)

    def load(self, image: Image) -> None:
        """Bring an image to the cluster's node."""
        run(["kind", "load", "image-archive", str(image.archive()), f"--name={self.name}"])

    def health(self) -> dict[str, bool]:
        """Whether the apiserver answers."""
        return {"kube-apiserver": answers(self.kubeconfig)}

    def _exists(self) -> bool:
        return self.name in run(["kind", "get", "clusters"]).split()


def create_command(name: str, kubeconfig: Path) -> list[str]:
    """What creates a cluster; kind finds the relative paths of its configuration from the project's root."""
    options = [f"--name={name}", f"--config={CONFIG}", f"--kubeconfig={kubeconfig}", f"--wait={READY_SECONDS}s"]
    return ["kind", "create", "cluster", *options]
