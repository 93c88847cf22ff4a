"""Programs built from pinned Go modules, once for all clones of a user.

``kube()``, ``prometheus()``, ``promtool()``, ``alertmanager()``, ``amtool()``, ``pause()`` and ``kind_check()`` return
paths and build what is missing; a second process that wants the same program waits for the first. A folder of the cache
is named by a hash of everything that goes into the build and appears at once, complete, by a rename.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.cluster.errors import ClusterError, CommandError
from tests.cluster.paths import HERE, cache_dir
from tests.cluster.shell import run, tail

MINIMUM_GO = (1, 26)


@dataclass(frozen=True, slots=True)
class GoProgram:
    """One Go module of this folder and what is built from it."""

    name: str
    what: str
    packages: tuple[str, ...]
    tags: str = ""
    stamp: Callable[[Path], str] = lambda _: ""
    """Linker flags that set the version, from the module's go.mod."""

    @property
    def module(self) -> Path:
        return HERE / "go" / self.name


def required_version(module: Path, path: str) -> str:
    """The version of a dependency that a module's go.mod pins."""
    found = re.search(rf"^\s*{re.escape(path)} (v\S+)", (module / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ClusterError(f"{module / 'go.mod'} does not require {path}")
    return found.group(1)


def _kubernetes_stamp(module: Path) -> str:
    version = required_version(module, "k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".", 2)
    package = "k8s.io/component-base/version"
    return f"-X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"


def _prometheus_stamp(module: Path) -> str:
    # The module is published as v0.316.0 where the program is called 3.16.0.
    _, packed, patch = required_version(module, "github.com/prometheus/prometheus").removeprefix("v").split(".")
    return f"-X github.com/prometheus/common/version.Version={int(packed) // 100}.{int(packed) % 100}.{patch}"


def _alertmanager_stamp(module: Path) -> str:
    version = required_version(module, "github.com/prometheus/alertmanager").removeprefix("v")
    return f"-X github.com/prometheus/common/version.Version={version}"


KUBE = GoProgram("kube", "Kubernetes (about 6 minutes of CPU)", (".",), stamp=_kubernetes_stamp)
PROMETHEUS = GoProgram(
    "prometheus",
    "Prometheus (about 4 minutes of CPU)",
    ("github.com/prometheus/prometheus/cmd/prometheus", "github.com/prometheus/prometheus/cmd/promtool"),
    tags="remove_all_sd,enable_kubernetes_sd",
    stamp=_prometheus_stamp,
)
ALERTMANAGER = GoProgram(
    "alertmanager",
    "Alertmanager (about 1 minute of CPU)",
    ("github.com/prometheus/alertmanager/cmd/alertmanager", "github.com/prometheus/alertmanager/cmd/amtool"),
    stamp=_alertmanager_stamp,
)
PAUSE = GoProgram("pause", "the pause program", (".",))
PROBE = GoProgram("probe", "the cluster tests' own workload", (".",))
KIND = GoProgram("kind", "kind and its configuration loader", (".", "sigs.k8s.io/kind"))


def kube() -> Path:
    """All of Kubernetes; the first argument chooses: etcd, kube-apiserver, …, kubelet, kube-proxy, coredns, kubectl."""
    return built(KUBE) / "kube"


def prometheus() -> Path:
    """Prometheus 3.16 with Kubernetes discovery and no user interface (use ``/-/ready``, never ``/``)."""
    return built(PROMETHEUS) / "prometheus"


def promtool() -> Path:
    """promtool of the same Prometheus."""
    return built(PROMETHEUS) / "promtool"


def alertmanager() -> Path:
    """Alertmanager 0.28."""
    return built(ALERTMANAGER) / "alertmanager"


def amtool() -> Path:
    """amtool of the same Alertmanager."""
    return built(ALERTMANAGER) / "amtool"


def pause() -> Path:
    """The static program that holds a Pod's namespaces."""
    return built(PAUSE) / "pause"


def probe() -> Path:
    """The static program that the cluster's own tests run in Pods."""
    return built(PROBE) / "probe"


def kind_check() -> Path:
    """A program that loads and validates a kind configuration with kind's own code."""
    return built(KIND) / "certstorage-check"


def kind() -> Path:
    """kind itself, for tests of our command lines; users bring their own."""
    return built(KIND) / "kind"


@cache
def built(program: GoProgram) -> Path:
    """The folder with a program's executables. Raises ClusterError when it cannot be built."""
    inputs = build_inputs(program, _go_version())
    done = cache_dir() / f"{program.name}-{inputs}"
    if not done.exists():
        with locked(cache_dir() / f"{program.name}.lock"):
            if not done.exists():
                _build(program, done)
    return done


def build_inputs(program: GoProgram, toolchain: str) -> str:
    """Twelve hex digits that change with anything that changes the executables."""
    digest = hashlib.sha256(repr((toolchain, platform.machine(), program.packages, program.tags)).encode())
    for source in sorted(program.module.rglob("*")):
        if source.suffix in {".go", ".mod", ".sum"}:
            digest.update(f"{source.relative_to(program.module)}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel gives it back when we end in whatever way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@cache
def _go_version() -> str:
    if shutil.which("go") is None:
        raise ClusterError(
            f"go is not installed: Go {MINIMUM_GO[0]}.{MINIMUM_GO[1]} or newer builds the cluster's programs"
        )
    version = run(["go", "env", "GOVERSION"], cwd=KUBE.module).strip()
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < MINIMUM_GO:
        raise ClusterError(
            f"{version} is installed: Go {MINIMUM_GO[0]}.{MINIMUM_GO[1]} or newer builds the cluster's programs"
        )
    return version


def _build(program: GoProgram, done: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=f".{program.name}-") as scratch:
        output, log = Path(scratch) / "bin", Path(scratch) / "log"
        command = ["nice", "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-tags", program.tags]
        command += ["-ldflags", f"-s -w {program.stamp(program.module)}", "-o", f"{output}/", *program.packages]
        with log.open("w") as messages:
            build = subprocess.Popen(
                command, cwd=program.module, env={**os.environ, "CGO_ENABLED": "0"}, stdout=messages, stderr=messages
            )
            _report(program, build)
        if build.returncode != 0:
            raise CommandError(f"building {program.name}", build.returncode, tail(log))
        output.rename(done)


def _report(program: GoProgram, build: subprocess.Popen[bytes]) -> None:
    """Wait for a build; one line that grows on a terminal, one line each half minute elsewhere."""
    began = time.monotonic()
    pace = 1.0 if sys.stderr.isatty() else 30.0
    while build.poll() is None:
        line = f"building {program.what}, once per machine: {time.monotonic() - began:.0f} s"
        print(
            f"\r{line}" if sys.stderr.isatty() else line,
            end="" if sys.stderr.isatty() else "\n",
            file=sys.stderr,
            flush=True,
        )
        try:
            build.wait(pace)
        except subprocess.TimeoutExpired:
            continue
    if sys.stderr.isatty():
        print(file=sys.stderr)
