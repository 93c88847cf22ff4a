"""Every write to someone else's Deployment names the exact places that it changes, and nothing else."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st

from certstorage.api.decision import TargetPatch
from certstorage.api.hold import ANNOTATION, Hold, load
from certstorage.cluster.patches import release_patch, target_patch
from certstorage.cluster.port import Json
from tests.unit.cluster.objects import container, make_deployment

HOLD = Hold("policy-1", "certificates", "deployment-1", "incident", datetime(2026, 11, 23, tzinfo=UTC))
NAMES = ["CERT_S3_READ_PRIMARY", "CERT_S3_DUAL_WRITE", "LOG_LEVEL", "CERT_S3_READ_TIMEOUT"]


def applied(deployment: Json, patch: TargetPatch) -> Json:
    """What RFC 6902 makes of it, by an implementation that is not ours."""
    found: Json = jsonpatch.apply_patch(copy.deepcopy(deployment), target_patch(patch, deployment, "web"))
    return found


def written(hold: Hold | None, replicas: int | None = None, /, **env: str | None) -> TargetPatch:
    return TargetPatch("deployment-1", "7", hold, env, replicas)


def test_flag_hold_and_replicas_are_one_write_on_the_version_that_was_read() -> None:
    deployment = make_deployment()
    patch = target_patch(written(HOLD, 0, CERT_S3_READ_PRIMARY="false"), deployment, "web")
    assert patch[0] == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    after = applied(deployment, written(HOLD, 0, CERT_S3_READ_PRIMARY="false"))
    assert container(after)["env"][0] == {"name": "CERT_S3_READ_PRIMARY", "value": "false"}
    assert load(after["metadata"]["annotations"][ANNOTATION]) == HOLD
    assert after["spec"]["replicas"] == 0


def test_a_container_without_env_gets_one_and_loses_it_again() -> None:
    deployment = make_deployment()
    del container(deployment)["env"]
    after = applied(deployment, written(None, LOG_LEVEL="DEBUG"))
    assert container(after)["env"] == [{"name": "LOG_LEVEL", "value": "DEBUG"}]
    assert container(applied(after, written(None, LOG_LEVEL=None))) == container(deployment)


def test_other_annotations_stay() -> None:
    deployment = make_deployment()
    deployment["metadata"]["annotations"] = {"team": "x"}
    held = applied(deployment, written(HOLD))
    assert held["metadata"]["annotations"]["team"] == "x"
    assert applied(held, written(None)) == deployment


def test_letting_go_of_no_hold_changes_nothing() -> None:
    deployment = make_deployment()
    assert applied(deployment, written(None)) == deployment


def entries(names: list[str]) -> list[Json]:
    return [{"name": name, "value": f"old {name}"} for name in names]


@given(
    env=st.lists(st.sampled_from([*NAMES, "A", "B", "A", "C"]), max_size=8),
    wanted=st.dictionaries(st.sampled_from(NAMES), st.sampled_from([None, "", "true", "\u00e9\n"]), max_size=4),
)
def test_what_is_not_named_keeps_its_bytes_and_its_order(env: list[str], wanted: dict[str, str | None]) -> None:
    unique = [name for index, name in enumerate(env) if name not in NAMES or name not in env[:index]]
    deployment = make_deployment(env=entries(unique))
    after = applied(deployment, written(HOLD, **wanted))
    kept = [one for one in container(after).get("env", []) if one["name"] not in wanted]
    assert kept == [one for one in entries(unique) if one["name"] not in wanted]
    values = {one["name"]: one["value"] for one in container(after).get("env", [])}
    for name, value in wanted.items():
        assert values.get(name) == value
    back = {name: f"old {name}" if name in unique else None for name in wanted}
    removed = {name for name, value in wanted.items() if value is None and name in unique}
    if not removed and unique:
        assert applied(after, written(None, **back))["spec"] == deployment["spec"]


def test_release_drops_our_entries_from_the_end_and_nothing_else() -> None:
    deployment = make_deployment()
    ours, theirs = {"manager": "certstorage-operator"}, {"manager": "helm"}
    deployment["metadata"]["managedFields"] = [ours, theirs, {**ours, "operation": "Apply"}]
    after = jsonpatch.apply_patch(copy.deepcopy(deployment), release_patch(deployment))
    assert after["metadata"]["managedFields"] == [theirs]
    assert release_patch(after) == []
