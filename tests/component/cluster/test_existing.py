"""A context that the user named: used as it is, and left as it was."""

from pathlib import Path

import pytest

from tests.cluster import ClusterError, CommandError, ControlPlane, current
from tests.cluster.kubectl import kubectl
from tests.cluster.ways import remembered, up


@pytest.fixture
def own_context(apiserver: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("KUBECONFIG", str(apiserver.kubeconfig))
    return "certstorage-component"


def test_a_named_context_is_used_and_outlives_down(apiserver: ControlPlane, own_context: str, tmp_path: Path) -> None:
    before = apiserver.kubeconfig.read_text()
    cluster = up(own_context, tmp_path)
    assert remembered(tmp_path) == "context:certstorage-component"
    assert current(tmp_path).health() == {"kube-apiserver": True}
    assert "kube-system" in kubectl(cluster.kubeconfig, "get", "namespaces")
    assert cluster.kubeconfig.stat().st_mode & 0o077 == 0
    cluster.down()
    assert not (tmp_path / ".cluster").exists()
    assert apiserver.kubeconfig.read_text() == before
    assert "kube-system" in apiserver.kubectl("get", "namespaces")


def test_an_unknown_context_leaves_nothing_behind(own_context: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        up("nowhere", tmp_path)
    assert not (tmp_path / ".cluster").exists()


def test_a_context_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    kubectl(config, "config", "set-cluster", "dead", "--server=https://127.0.0.1:1")
    kubectl(config, "config", "set-context", "dead", "--cluster=dead")
    monkeypatch.setenv("KUBECONFIG", str(config))
    with pytest.raises(ClusterError, match="the apiserver of context dead does not answer"):
        up("dead", tmp_path)
