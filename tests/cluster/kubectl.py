"""kubectl as a program of the virtual environment, so that people need not have one of their own."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.shell import run

PROGRAM = (str(Path(sys.executable).parent / "kubectl"),)


def kubectl(kubeconfig: Path, *arguments: str, stdin: str | None = None, timeout: float | None = None) -> str:
    """Standard output of kubectl. Raises CommandError when it fails."""
    return run([*PROGRAM, f"--kubeconfig={kubeconfig}", *arguments], stdin=stdin, timeout=timeout)


def answers(kubeconfig: Path) -> bool:
    """True when the apiserver is ready to serve."""
    try:
        kubectl(kubeconfig, "get", "--raw=/readyz", timeout=10)
    except ClusterError:
        return False
    return True


def write_wrapper(path: Path, client: Sequence[str], kubeconfig: Path) -> None:
    """A script that is kubectl for one cluster and leaves the user's own configuration alone."""
    path.write_text(f'#!/bin/sh\nexec {shlex.join([*client, f"--kubeconfig={kubeconfig}"])} "$@"\n')
    path.chmod(0o755)
