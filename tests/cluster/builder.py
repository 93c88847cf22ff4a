"""Builds stages of the Dockerfile: with Docker for those who use kind, with buildah, which needs no daemon, elsewhere.

What this host's pip and TLS need (an index, a certificate authority) is lent to the build and is not part of any image.
"""

import ast
import gzip
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.cluster import oci, packages
from tests.cluster.binaries import locked
from tests.cluster.errors import ClusterError, CommandError
from tests.cluster.oci import RunConfig
from tests.cluster.paths import ROOT, cache_dir
from tests.cluster.shell import holds_overlays, run

UPSTREAM_BASE = "python:3.13-slim"
"""The Dockerfile's default base."""

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
"""What a base made here consists of, where no registry of images answers."""

PULL_SECONDS = 180.0
LENT_PIP_SETTINGS = ("cert", "default-timeout", "extra-index-url", "index-url", "proxy", "timeout", "trusted-host")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's bundle, here and in the build."""


class Builder(Protocol):
    """Turns a stage of the Dockerfile into an archive."""

    @property
    def base(self) -> str:
        """What the images are built on; goes into their hash."""

    def build(self, name: str, target: str, archive: Path) -> None:
        """Build ``target`` under ``name`` into ``archive``. Raises CommandError with the end of the build's output."""


@cache
def choose() -> Builder:
    """Docker for those who use kind, buildah elsewhere. Raises ClusterError when it cannot be had."""
    if docker_answers() and shutil.which("kind"):
        return Docker()
    if os.geteuid() != 0:
        raise ClusterError("building images needs root here: run with sudo -E, or have Docker and kind")
    packages.ensure(packages.IMAGES)
    return Buildah(cache_dir() / "buildah")


def docker_answers() -> bool:
    """True when a Docker daemon is there for us."""
    try:
        run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=10)
    except ClusterError:
        return False
    return True


class Docker:
    """``docker build`` with BuildKit."""

    base = UPSTREAM_BASE

    def build(self, name: str, target: str, archive: Path) -> None:
        with _lent_settings() as lent:
            _watch(["docker", "build", f"--target={target}", f"--tag={name}", *lent, "."])
        saved = archive.with_suffix(".docker")
        run(["docker", "save", f"--output={saved}", name])
        oci.from_docker(saved, archive, name)
        saved.unlink()


@dataclass(frozen=True, slots=True)
class Buildah:
    """``buildah build`` on a storage of our own in ``folder``; needs root."""

    folder: Path

    @property
    def base(self) -> str:
        """The upstream image where it can be pulled, a Debian made on this machine where it cannot."""
        made_here = self.folder / f"base-{SUITE}-{platform.machine()}.tar"
        if made_here.exists():
            return f"oci-archive:{made_here}"
        with locked(self.folder / "base.lock"):
            if not made_here.exists():
                try:
                    self._buildah("pull", "--policy=missing", UPSTREAM_BASE, timeout=PULL_SECONDS)
                except ClusterError:
                    _make_base(made_here)
                else:
                    return UPSTREAM_BASE
        return f"oci-archive:{made_here}"

    def build(self, name: str, target: str, archive: Path) -> None:
        with _lent_settings() as lent, locked(self.folder / "build.lock"):
            options = ["--isolation=chroot", "--network=host", "--layers", f"--target={target}", f"--tag={name}"]
            _watch([*self._command("build"), *options, *lent, f"--build-arg=BASE={self.base}", "."])
            unfinished = archive.with_suffix(".new")
            unfinished.unlink(missing_ok=True)
            self._buildah("push", name, f"oci-archive:{unfinished}:{name}")
            unfinished.rename(archive)

    def _buildah(self, *arguments: str, timeout: float | None = None) -> str:
        return run([*self._command(arguments[0]), *arguments[1:]], timeout=timeout)

    def _command(self, verb: str) -> list[str]:
        driver = "overlay" if holds_overlays(self.folder) else "vfs"
        where = [f"--root={self.folder / 'root'}", f"--runroot={self.folder / 'run'}", f"--storage-driver={driver}"]
        return ["buildah", *where, verb]


def _make_base(archive: Path) -> None:
    """Debian with Python, from its packages: about a minute."""
    print(f"no registry of images answers: making a base of Debian {SUITE} packages", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        root = Path(scratch) / "root.tar"
        run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, root])
        layer = gzip.compress(root.read_bytes(), compresslevel=1, mtime=0)
    config = RunConfig(env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    oci.write_archive(archive, name="localhost/certstorage-base:dev", layer=layer, config=config)


@contextmanager
def _lent_settings() -> Iterator[list[str]]:
    """Options that lend a build what the host's pip and TLS use, as secrets, which no layer keeps."""
    settings = pip_settings(run([sys.executable, "-m", "pip", "config", "list"]))
    known = (settings.get("cert"), os.environ.get("SSL_CERT_FILE"), CERTIFICATES)
    bundle = next((path for path in known if path and Path(path).is_file()), None)
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "pip.conf"
        lines = {**settings, "cert": CERTIFICATES} if bundle else settings
        configuration.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items()))
        yield [f"--secret=id=pip,src={configuration}", *([f"--secret=id=ca,src={bundle}"] if bundle else [])]


def pip_settings(listing: str) -> dict[str, str]:
    """What of ``pip config list`` a build needs: where packages are and how to trust it. The environment comes last."""
    found: dict[str, str] = {}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        name, separator, value = line.partition("=")
        key = name.rpartition(".")[2]
        if separator and key in LENT_PIP_SETTINGS:
            found[key] = str(ast.literal_eval(value)).strip().replace("\n", "\n    ")
    return found


def _watch(command: Sequence[str]) -> None:
    """Run a build in the project; its output is shown only when it fails."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise CommandError(" ".join(command[:2]), done.returncode, done.stdout)
