"""The Debian packages that the node and the image builds need: installed when we may, named exactly when we may not."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.binaries import locked
from tests.cluster.errors import ClusterError
from tests.cluster.paths import cache_dir
from tests.cluster.shell import run

CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
POLICY = Path("/usr/sbin/policy-rc.d")

NODE = ("containerd", "ctr", "runc", "ptp", "nft", "ip", "nsenter", "openssl")
IMAGES = ("buildah", "mmdebstrap")
PROMETHEUS_2 = tuple(f"/usr/bin/{name}" for name in ("prometheus", "promtool", "prometheus-alertmanager", "amtool"))
"""Debian's own Prometheus 2.42 and Alertmanager 0.25, beside the ones built from source."""

_PACKAGE_OF = {
    "ctr": "containerd",
    "ptp": "containernetworking-plugins",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "/usr/bin/prometheus": "prometheus",
    "/usr/bin/promtool": "prometheus",
    "/usr/bin/prometheus-alertmanager": "prometheus-alertmanager",
    "/usr/bin/amtool": "prometheus-alertmanager",
}


def cni_folder() -> Path | None:
    """Where the network plugins are; None when they are not installed."""
    return next((folder for folder in CNI_FOLDERS if (folder / "ptp").exists()), None)


def missing(tools: Sequence[str]) -> list[str]:
    """The packages, sorted, of those tools that are not there."""

    def there(tool: str) -> bool:
        return cni_folder() is not None if tool == "ptp" else shutil.which(tool) is not None

    return sorted({_PACKAGE_OF.get(tool, tool) for tool in tools if not there(tool)})


def ensure(tools: Sequence[str]) -> None:
    """Install what is missing. Raises ClusterError with the command to run unless we are root on Debian."""
    packages = missing(tools)
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError(f"missing on this machine: {', '.join(packages)}; run: sudo {' '.join(_command(packages))}")
    print(f"installing {' '.join(packages)}", file=sys.stderr, flush=True)
    with locked(cache_dir() / "apt.lock"), services_stay_off():
        options = ["-o", "DPkg::Lock::Timeout=600", "-q"]
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        if any("Candidate: (none)" in run(["apt-cache", "policy", package]) for package in packages) or not _lists():
            run(["apt-get", *options, "update"], env=quiet)
        run([*_command(packages), *options], env=quiet)
    if still := missing(tools):
        raise ClusterError(f"installed, yet not found: {', '.join(still)}")


def prometheus_2(program: str) -> Path:
    """One of PROMETHEUS_2 by its name, all of them installed. Raises ClusterError as `ensure` does."""
    ensure(PROMETHEUS_2)
    return Path("/usr/bin") / program


def _command(packages: Sequence[str]) -> list[str]:
    return ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def _lists() -> bool:
    return any(Path("/var/lib/apt/lists").glob("*Packages*"))


@contextmanager
def services_stay_off(policy: Path = POLICY) -> Iterator[None]:
    """Debian starts a service when its package arrives, unless this file says no; one that is there is left alone."""
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)
