"""Addresses, configuration and command lines of the node."""

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from tests.cluster.init import NodeSpec
from tests.cluster.nodeconfig import RANGE, choose_cable, config_files, parts

ADDRESS = "10.213.0.2"


def networks(*texts: str) -> list[IPv4Network]:
    return [IPv4Network(text) for text in texts]


def test_the_place_depends_on_the_clone() -> None:
    first, second = choose_cable("00000000", []), choose_cable("00000001", [])
    assert first is not None
    assert second is not None
    assert (str(first.host), str(first.node)) == ("10.213.0.1", "10.213.0.2")
    assert (str(second.host), str(second.node)) == ("10.213.0.5", "10.213.0.6")


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        (networks("10.213.0.0/30"), "10.213.0.4/30"),
        (networks("10.213.0.2/32", "10.213.0.4/30"), "10.213.0.8/30"),
        (networks("10.213.0.0/24"), "10.213.1.0/30"),
        (networks("0.0.0.0/0", "10.0.0.0/8"), "10.213.0.0/30"),
        (networks("192.168.0.0/16"), "10.213.0.0/30"),
    ],
)
def test_taken_addresses_are_left_alone(taken: list[IPv4Network], chosen: str) -> None:
    cable = choose_cable("00000000", taken)
    assert cable is not None
    assert str(cable.network) == chosen


def test_the_search_goes_round() -> None:
    last = f"{2**14 - 1:x}"
    cable = choose_cable(last, networks("10.213.255.252/30"))
    assert cable is not None
    assert str(cable.network) == "10.213.0.0/30"


def test_no_address_is_no_address() -> None:
    assert choose_cable("00000000", [RANGE]) is None


def test_every_file_is_what_its_reader_parses() -> None:
    files = config_files(ADDRESS, cni=Path("/usr/lib/cni"), snapshotter="native", cgroup="/certstorage-x")
    assert yaml.safe_load(files["kubelet.yaml"])["cgroupRoot"] == "/certstorage-x"
    assert yaml.safe_load(files["kube-proxy.yaml"])["mode"] == "nftables"
    assert json.loads(files["cni/10-pods.conflist"])["plugins"][0]["type"] == "ptp"
    assert 'snapshotter = "native"' in files["containerd.toml"]
    assert 'bin_dir = "/usr/lib/cni"' in files["containerd.toml"]
    assert f"bind {ADDRESS}" in files["Corefile"]


def test_what_needs_another_part_waits_for_it() -> None:
    after = {part.name: part.after for part in parts(ADDRESS, containerd=Path("/usr/bin/containerd"))}
    assert after["etcd"] is None
    assert after["kube-apiserver"] == ("127.0.0.1", 2379)
    assert {after[name] for name in after if name not in {"etcd", "kube-apiserver", "containerd"}} == {(ADDRESS, 6443)}


def test_the_spec_survives_the_pipe() -> None:
    spec = NodeSpec(
        folder="/f",
        programs="/p",
        interface="eth0",
        address=f"{ADDRESS}/30",
        parts=parts(ADDRESS, containerd=Path("/usr/bin/containerd")),
    )
    assert NodeSpec.from_json(spec.to_json()) == spec
