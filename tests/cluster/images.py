"""The images of the demo and the tests, each a file in the user's cache named by a hash of what went into it."""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import binaries, builder, oci
from tests.cluster.binaries import locked
from tests.cluster.errors import ClusterError
from tests.cluster.oci import RunConfig
from tests.cluster.paths import ROOT, cache_dir

KEPT = 5
"""Archives of one name that stay in the cache."""

_DEPENDENCIES = ("Dockerfile", ".dockerignore", "requirements.lock", "requirements-dev.lock")


@dataclass(frozen=True, slots=True)
class Image:
    """An image and how it comes to be."""

    name: str
    inputs: Callable[[], str]
    """A hash of everything that goes into it."""
    build: Callable[[Path], None]
    """Writes the archive."""

    def archive(self) -> Path:
        """The archive in the cache; built when its inputs were not seen before."""
        folder = cache_dir() / "images"
        short = re.sub(r"[^a-z0-9]+", "-", self.name.removeprefix("localhost/"))
        path = folder / f"{short}-{self.inputs()}.tar"
        if not path.exists():
            with locked(folder / f"{short}.lock"):
                if not path.exists():
                    print(f"making {self.name}", file=sys.stderr, flush=True)
                    self.build(path)
                    # Other clones have images of their own, so the last few stay.
                    for old in sorted(folder.glob(f"{short}-*.tar"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
                        old.unlink()
        return path


def _from_dockerfile(name: str, target: str, sources: Sequence[str]) -> Image:
    return Image(
        name,
        inputs=lambda: _hash_of(*_DEPENDENCIES, *sources),
        build=lambda path: builder.choose().build(name, target, path),
    )


def _from_programs(
    name: str, programs: Callable[[], Sequence[Path]], config: RunConfig, folders: Sequence[str]
) -> Image:
    def build(path: Path) -> None:
        layer = oci.layer_of({f"/bin/{program.name}": program for program in programs()}, folders)
        oci.write_archive(path, name=name, layer=layer, config=config)

    def inputs() -> str:
        # The folder of a built program is named by everything that went into it.
        return hashlib.sha256(repr(([program.parent.name for program in programs()], config)).encode()).hexdigest()[:12]

    return Image(name, inputs, build)


_PACKAGE = ("pyproject.toml", "README.md", "LICENSE", "operator", "scripts")
OPERATOR = _from_dockerfile("localhost/certstorage-operator:dev", "operator", _PACKAGE)
DEMO = _from_dockerfile(
    "localhost/certstorage-demo:dev",
    "demo",
    tuple(f"deploy/demo/{program}" for program in ("deltacrown", "loadgen", "faultproxy", "receivers")),
)
PROMETHEUS = _from_programs(
    "localhost/prometheus:v3.16.0",
    lambda: (binaries.prometheus(), binaries.promtool()),
    RunConfig(entrypoint=("/bin/prometheus",), user="65534:65534", working_dir="/prometheus"),
    folders=("prometheus", "tmp"),
)
ALERTMANAGER = _from_programs(
    "localhost/alertmanager:v0.28.1",
    lambda: (binaries.alertmanager(), binaries.amtool()),
    RunConfig(entrypoint=("/bin/alertmanager",), user="65534:65534", working_dir="/alertmanager"),
    folders=("alertmanager", "tmp"),
)
PAUSE = _from_programs(
    "localhost/pause:dev",
    lambda: (binaries.pause(),),
    RunConfig(entrypoint=("/bin/pause",), user="65535:65535"),
    folders=(),
)
PROBE = _from_programs(
    "localhost/probe:dev",
    lambda: (binaries.probe(),),
    RunConfig(entrypoint=("/bin/probe",), user="65532:65532"),
    folders=(),
)
ALL = (OPERATOR, DEMO, PROMETHEUS, ALERTMANAGER)


def named(name: str) -> Image:
    """The image of that name, with or without ``localhost/`` and tag. Raises ClusterError for an unknown one."""
    for image in ALL:
        if name in {image.name, image.name.removeprefix("localhost/").partition(":")[0]}:
            return image
    raise ClusterError(f"no image {name!r}; there are {', '.join(image.name for image in ALL)}")


def _hash_of(*paths: str) -> str:
    digest = hashlib.sha256(builder.choose().base.encode())
    for file in _files(paths):
        digest.update(f"{file.relative_to(ROOT)}\0{os.access(file, os.X_OK)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _files(paths: Sequence[str]) -> Iterator[Path]:
    for path in paths:
        for file in [ROOT / path] if (ROOT / path).is_file() else sorted((ROOT / path).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file
