"""The kind path, as far as it goes without Docker: kind's own code reads our configuration and our command lines."""

from pathlib import Path

import pytest
import yaml

from tests.cluster import CommandError, binaries
from tests.cluster.kind import CONFIG, create_command
from tests.cluster.paths import ROOT
from tests.cluster.shell import run


@pytest.mark.parametrize("version", ["v1.34.0", "v1.37.0"])
def test_kind_loads_the_configuration_and_hands_the_audit_log_to_kubeadm(version: str) -> None:
    documents = yaml.safe_load_all(run([binaries.kind_check(), CONFIG, version]))
    (server,) = [document["apiServer"] for document in documents if document["kind"] == "ClusterConfiguration"]
    arguments = server["extraArgs"]
    if isinstance(arguments, list):  # kubeadm's configuration since v1beta4
        arguments = {argument["name"]: argument["value"] for argument in arguments}
    assert arguments["audit-log-path"] == "/var/log/kubernetes/audit.log"
    assert arguments["audit-policy-file"] == "/etc/kubernetes/certstorage/audit-policy.yaml"
    assert {volume["mountPath"] for volume in server["extraVolumes"]} == {
        "/etc/kubernetes/certstorage",
        "/var/log/kubernetes",
    }


def test_what_the_node_mounts_is_in_the_project() -> None:
    (node,) = yaml.safe_load(CONFIG.read_text())["nodes"]
    mounts = {mount["containerPath"]: mount["hostPath"] for mount in node["extraMounts"]}
    assert (ROOT / mounts["/etc/kubernetes/certstorage"] / "audit-policy.yaml").is_file()
    assert mounts["/var/log/kubernetes"] == ".cluster/audit"


def test_the_loader_is_not_a_rubber_stamp(tmp_path: Path) -> None:
    wrong = tmp_path / "kind.yaml"
    wrong.write_text(CONFIG.read_text().replace("kubeadmConfigPatches", "kubeadmPatches"))
    with pytest.raises(CommandError, match="field kubeadmPatches not found"):
        run([binaries.kind_check(), wrong, "v1.37.0"])


@pytest.mark.parametrize(
    "command",
    [
        create_command("certstorage-test", Path("kubeconfig")),
        ["kind", "export", "kubeconfig", "--name=x", "--kubeconfig=y"],
        ["kind", "delete", "cluster", "--name=x", "--kubeconfig=y"],
        ["kind", "load", "image-archive", "x.tar", "--name=y"],
        ["kind", "get", "clusters"],
    ],
    ids=lambda command: " ".join(command[1:3]),
)
def test_kind_knows_our_command_lines(command: list[str]) -> None:
    # With --help nothing is done, but an unknown command or flag is refused.
    assert "Usage" in run([binaries.kind(), *command[1:], "--help"])
