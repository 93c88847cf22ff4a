"""Programs and images: named by what goes into them, made once."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.cluster import binaries, images, oci
from tests.cluster.binaries import GoProgram, build_inputs, required_version
from tests.cluster.builder import pip_settings
from tests.cluster.errors import ClusterError
from tests.cluster.images import Image
from tests.cluster.oci import RunConfig


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "certstorage"


def test_versions_are_pinned_in_one_place() -> None:
    assert images.PROMETHEUS.name.endswith(f":{_packed(required_version(binaries.PROMETHEUS.module, _PROMETHEUS))}")
    alertmanager = required_version(binaries.ALERTMANAGER.module, "github.com/prometheus/alertmanager")
    assert images.ALERTMANAGER.name.endswith(f":{alertmanager}")
    assert binaries.KUBE.stamp(binaries.KUBE.module).endswith(
        "gitVersion=v1.34.4 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
    )
    assert binaries.PROMETHEUS.stamp(binaries.PROMETHEUS.module).endswith("Version=3.16.0")


_PROMETHEUS = "github.com/prometheus/prometheus"


def _packed(version: str) -> str:
    _, minor, patch = version.split(".")
    return f"v{int(minor) // 100}.{int(minor) % 100}.{patch}"


def test_a_dependency_that_is_not_there_is_said() -> None:
    with pytest.raises(ClusterError, match="does not require"):
        required_version(binaries.KUBE.module, "example.org/none")


def test_the_hash_follows_everything_that_makes_a_program() -> None:
    program = binaries.PAUSE
    tagged = GoProgram(program.name, program.what, program.packages, tags="other")
    hashes = {build_inputs(program, "go1.26.1"), build_inputs(program, "go1.26.2"), build_inputs(tagged, "go1.26.1")}
    assert len(hashes) == 3
    assert build_inputs(program, "go1.26.1") in hashes


def test_an_image_is_made_once_for_the_same_inputs(cache: Path) -> None:
    made: list[Path] = []
    inputs = ["1"]

    def build(path: Path) -> None:
        made.append(path)
        path.touch()
        os.utime(path, (len(made), len(made)))  # two files of one tick of the kernel's clock have the same age

    image = Image("localhost/thing:dev", lambda: inputs[-1], build)
    assert image.archive() == image.archive() == cache / "images/thing-dev-1.tar"
    assert len(made) == 1
    for changed in "23456":
        inputs.append(changed)
        image.archive()
    assert len([*(cache / "images").glob("*.tar")]) == images.KEPT
    assert not made[0].exists()


def test_images_are_found_by_their_short_names() -> None:
    assert images.named("certstorage-demo") is images.DEMO
    assert images.named("localhost/certstorage-demo:dev") is images.DEMO
    with pytest.raises(ClusterError, match=r"no image 'web'; there are localhost/certstorage-operator:dev"):
        images.named("web")


def test_an_archive_says_what_was_put_in(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    layer = oci.layer_of({"/bin/program": program}, folders=["tmp"])
    assert layer == oci.layer_of({"/bin/program": program}, folders=["tmp"])
    config = RunConfig(entrypoint=["/bin/program"], user="65532", env={"A": "b"})
    archive = tmp_path / "image.tar"
    oci.write_archive(archive, name="localhost/x:dev", layer=layer, config=config)
    facts = oci.read_archive(archive)
    assert facts.compressed_bytes == len(layer)
    with tarfile.open(archive) as tar:
        manifest = json.loads(_blob(tar, facts.digest))
        description = json.loads(_blob(tar, manifest["config"]["digest"]))
    assert description["config"] == {"WorkingDir": "/", "Entrypoint": ["/bin/program"], "User": "65532", "Env": ["A=b"]}
    assert len(description["rootfs"]["diff_ids"]) == len(description["history"]) == 1


def test_what_docker_saved_becomes_the_same_kind_of_archive(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    layer = gzip.decompress(oci.layer_of({"/bin/program": program}))
    parts = {
        "c.json": json.dumps({"config": {"User": "1"}, "rootfs": {"type": "layers", "diff_ids": []}}).encode(),
        "l/layer.tar": layer,
        "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["x:y"], "Layers": ["l/layer.tar"]}]).encode(),
    }
    with tarfile.open(tmp_path / "saved.tar", "w") as tar:
        for name, content in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    oci.from_docker(tmp_path / "saved.tar", tmp_path / "image.tar", "localhost/x:dev")
    assert oci.read_archive(tmp_path / "image.tar").settings == {"User": "1"}
    assert oci.file_names(tmp_path / "image.tar") == {"bin/program"}


def _blob(tar: tarfile.TarFile, digest: str) -> bytes:
    file = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
    assert file is not None
    return file.read()


def test_only_what_a_build_needs_of_pip_is_lent() -> None:
    listing = """\
:env:.index-url='https://env.example/simple'
global.index-url='https://global.example/simple'
global.cert='/etc/bundle.pem'
global.find-links='/opt/wheels'
global.extra-index-url='\\nhttps://one.example\\nhttps://two.example'
install.user='true'
"""
    assert pip_settings(listing) == {
        "index-url": "https://env.example/simple",
        "cert": "/etc/bundle.pem",
        "extra-index-url": "https://one.example\n    https://two.example",
    }
