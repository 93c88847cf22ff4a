"""Images as single files (OCI image layout, tarred): made without a daemon, read by containerd, kind and buildah."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}
_EPOCH = "1970-01-01T00:00:00Z"
_MEDIA = "application/vnd.oci.image"


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What stands in an image about how to run it."""

    entrypoint: Sequence[str] = ()
    user: str = ""
    working_dir: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)


def layer_of(files: Mapping[str, Path], folders: Sequence[str] = ()) -> bytes:
    """A gzipped layer: path in the image → file here, executable, and folders; the same bytes for the same input."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder.strip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
        for name, source in sorted(files.items()):
            entry = tarfile.TarInfo(name.strip("/"))
            entry.size, entry.mode = source.stat().st_size, 0o755
            with source.open("rb") as content:
                tar.addfile(entry, content)
    return gzip.compress(plain.getvalue(), compresslevel=6, mtime=0)


def write_archive(target: Path, *, name: str, layer: bytes, config: RunConfig) -> None:
    """Write a one-layer image that is called ``name`` wherever it is loaded."""
    settings: dict[str, object] = {"WorkingDir": config.working_dir}
    if config.entrypoint:
        settings["Entrypoint"] = list(config.entrypoint)
    if config.user:
        settings["User"] = config.user
    if config.env:
        settings["Env"] = [f"{key}={value}" for key, value in config.env.items()]
    description = json.dumps(
        {
            "architecture": ARCHITECTURE.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": settings,
            # buildah counts the layers by the history.
            "history": [{"created": _EPOCH, "created_by": "certstorage"}],
            "created": _EPOCH,
            "rootfs": {"type": "layers", "diff_ids": [_digest(gzip.decompress(layer))]},
        }
    ).encode()
    _write(target, name, description, [layer])


def from_docker(source: Path, target: Path, name: str) -> None:
    """Turn what ``docker save`` wrote into the same kind of archive, its layers compressed as a registry keeps them."""
    with tarfile.open(source) as tar:
        (image,) = json.loads(_read(tar, "manifest.json"))
        description = _read(tar, image["Config"])
        layers = [_read(tar, layer) for layer in image["Layers"]]
    zipped = [layer if layer.startswith(b"\x1f\x8b") else gzip.compress(layer, 6, mtime=0) for layer in layers]
    _write(target, name, description, zipped)


def _write(target: Path, name: str, description: bytes, layers: Sequence[bytes]) -> None:
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": _descriptor("config.v1+json", description),
            "layers": [_descriptor("layer.v1.tar+gzip", layer) for layer in layers],
        }
    ).encode()
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    index = {"schemaVersion": 2, "manifests": [{**_descriptor("manifest.v1+json", manifest), "annotations": names}]}
    unfinished = target.with_suffix(".new")
    with tarfile.open(unfinished, mode="w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        for blob in (*layers, description, manifest):
            _add(tar, f"blobs/{_digest(blob).replace(':', '/')}", blob)
        _add(tar, "index.json", json.dumps(index).encode())
    unfinished.rename(target)


@dataclass(frozen=True, slots=True)
class ArchiveFacts:
    """What an archive says of itself."""

    digest: str
    """Of the manifest, as containerd shows it."""
    compressed_bytes: int
    """All layers together, as a registry would store them."""
    settings: Mapping[str, Any]
    """How it is run: User, Entrypoint, Env, …"""


def read_archive(path: Path) -> ArchiveFacts:
    """Look into an archive that holds one image."""
    with tarfile.open(path) as tar:
        entry, manifest = _manifest(tar)
        description = json.loads(_blob(tar, manifest["config"]["digest"]))
    return ArchiveFacts(entry, sum(layer["size"] for layer in manifest["layers"]), description["config"])


def file_names(path: Path) -> set[str]:
    """Every file and folder of an archive's layers, without a leading slash."""
    names: set[str] = set()
    with tarfile.open(path) as tar:
        for layer in _manifest(tar)[1]["layers"]:
            with tarfile.open(fileobj=io.BytesIO(_blob(tar, layer["digest"]))) as content:
                names |= {name.removeprefix("./").strip("/") for name in content.getnames()}
    return names


def _manifest(tar: tarfile.TarFile) -> tuple[str, dict[str, Any]]:
    (entry,) = json.loads(_read(tar, "index.json"))["manifests"]
    return entry["digest"], json.loads(_blob(tar, entry["digest"]))


def _blob(tar: tarfile.TarFile, digest: str) -> bytes:
    return _read(tar, f"blobs/{digest.replace(':', '/')}")


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    for spelling in (name, f"./{name}"):
        if spelling in tar.getnames() and (file := tar.extractfile(spelling)) is not None:
            return file.read()
    raise KeyError(name)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))


def _descriptor(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": f"{_MEDIA}.{kind}", "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
