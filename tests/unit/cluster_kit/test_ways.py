"""Which cluster is used, decided from what the machine offers."""

from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.existing import Existing
from tests.cluster.images import OPERATOR
from tests.cluster.kind import Kind
from tests.cluster.kubectl import write_wrapper
from tests.cluster.node import Node
from tests.cluster.paths import ROOT, clone_id
from tests.cluster.shell import run
from tests.cluster.ways import choose, current, remembered, up, way


@pytest.mark.parametrize(
    ("context", "docker", "kind", "chosen"),
    [
        (None, False, False, "node"),
        (None, True, False, "node"),
        (None, False, True, "node"),
        (None, True, True, "kind"),
        ("", True, True, "kind"),
        ("staging", True, True, "context:staging"),
        ("staging", False, False, "context:staging"),
    ],
)
def test_the_choice(context: str | None, docker: bool, kind: bool, chosen: str) -> None:
    assert choose(context, docker=docker, kind=kind) == chosen


def test_a_name_leads_back_to_its_way(tmp_path: Path) -> None:
    existing = way("context:a:b/c", tmp_path)
    assert isinstance(existing, Existing)
    assert existing.context == "a:b/c"
    assert isinstance(way("kind", tmp_path), Kind)
    assert isinstance(way("node", tmp_path), Node)


def test_without_a_cluster_the_next_command_is_named(tmp_path: Path) -> None:
    assert remembered(tmp_path) is None
    with pytest.raises(ClusterError, match="make cluster-up"):
        current(tmp_path)


def test_a_cluster_is_not_exchanged_for_a_context_by_the_way(tmp_path: Path) -> None:
    (tmp_path / ".cluster").mkdir()
    (tmp_path / ".cluster/way").write_text("node")
    with pytest.raises(ClusterError, match="make cluster-down first"):
        up("staging", tmp_path)


def test_images_do_not_go_into_a_cluster_of_unknown_make(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="cannot be loaded into context staging"):
        Existing("staging", tmp_path).load(OPERATOR)


def test_clones_have_names_of_their_own(tmp_path: Path) -> None:
    assert clone_id(ROOT) == clone_id(ROOT)
    assert clone_id(tmp_path) != clone_id(ROOT)
    assert len(f"cs-{clone_id()}") <= 15  # the longest name of a network interface


def test_the_wrapper_passes_everything_on_and_quotes_what_needs_it(tmp_path: Path) -> None:
    script = tmp_path / "kubectl"
    write_wrapper(script, ["printf", "<%s>"], tmp_path / "a folder" / "kubeconfig")
    assert run([script, "get", "po ds"]) == f"<--kubeconfig={tmp_path}/a folder/kubeconfig><get><po ds>"
