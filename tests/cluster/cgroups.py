"""The control group below which all Pods of a node run: version 1, version 2, and hosts with both."""

import os
from pathlib import Path

from tests.cluster.errors import ClusterError

MOUNT = Path("/sys/fs/cgroup")
WANTED = ("cpu", "cpuset", "hugetlb", "io", "memory", "pids")


def make(name: str, mount: Path = MOUNT) -> None:
    """Make the group in every hierarchy. Raises ClusterError where groups may not be made."""
    try:
        for root in _roots(mount):
            if (available := root / "cgroup.controllers").exists():
                controllers = [f"+{name}" for name in available.read_text().split() if name in WANTED]
                (root / "cgroup.subtree_control").write_text(" ".join(controllers))
            (root / name).mkdir(exist_ok=True)
    except OSError as error:
        raise ClusterError(f"control groups cannot be made on this machine: {error}") from error


def remove(name: str, mount: Path = MOUNT) -> bool:
    """Remove the group and all below it; False while one of them still has a process that is ending."""
    for root in _roots(mount):
        for folder, _, _ in os.walk(root / name, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                return False
    return True


def _roots(mount: Path) -> list[Path]:
    """The root of each hierarchy: the mount itself in version 2, its folders (no links) in version 1."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return [folder for folder in sorted(mount.iterdir()) if folder.is_dir() and not folder.is_symlink()]
