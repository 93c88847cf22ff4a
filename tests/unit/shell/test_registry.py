"""Who stands against whom: the older policy of one Deployment, and any other on the same objects."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from certstorage.api.policy import Policy, parse
from certstorage.registry import Registry


def policy(name: str, target: str = "app", created: str = "2026-01-01T00:00:00Z", **storage: Any) -> Policy:
    return parse(
        {
            "metadata": {"namespace": "ns", "name": name, "uid": f"uid-{name}", "creationTimestamp": created},
            "spec": {"targetRef": {"name": target}, "storage": {"bucket": name, **storage}},
        }
    )


def test_the_older_one_acts_and_the_uid_decides_within_a_second() -> None:
    registry = Registry()
    old, twin, new = policy("b"), policy("c"), policy("a", created="2026-01-01T00:00:01Z")
    assert registry.put(new) == set()
    assert registry.put(old) == {new.key}
    registry.put(twin)
    assert registry.neighbours(old).same_target == ""
    assert registry.neighbours(twin).same_target == "ns/b"
    assert registry.neighbours(new).same_target == "ns/b"
    assert registry.drop(old.key) == {new.key, twin.key}
    assert registry.neighbours(twin).same_target == ""
    assert set(registry.of_target("ns", "app")) == {new.key, twin.key}


def test_another_namespace_is_another_deployment() -> None:
    registry = Registry()
    registry.put(policy("a"))
    assert registry.of_target("other", "app") == ()


def test_overlapping_prefixes_of_one_bucket() -> None:
    registry = Registry()
    wide = policy("wide", "x", bucket="b", prefix="cert")
    narrow = policy("narrow", "y", bucket="b", prefix="certificates/pdf/")
    beside = policy("beside", "z", bucket="b", prefix="other/")
    elsewhere = policy("elsewhere", "w", bucket="b", prefix="cert", endpoint="https://s3.example/")
    for one in (wide, narrow, beside, elsewhere):
        registry.put(one)
    assert registry.neighbours(wide).same_storage == "ns/narrow"
    assert registry.neighbours(narrow).same_storage == "ns/wide"
    assert registry.neighbours(beside).same_storage == ""
    assert registry.neighbours(elsewhere).same_storage == ""


def test_the_same_policy_again_concerns_nobody_and_a_moved_one_both_sides() -> None:
    registry = Registry()
    one, two = policy("one", "x", bucket="b"), policy("two", "y", bucket="b")
    registry.put(one)
    assert registry.put(two) == {one.key}
    assert registry.put(two) == set()
    assert registry.put(policy("two", "y", bucket="c")) == {one.key}
    assert registry.neighbours(one).same_storage == ""
    assert registry.drop(("ns", "nobody")) == set()


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.text("xy/", max_size=4)), max_size=12))
def test_overlap_is_what_comparing_every_pair_finds(given_policies: list[tuple[str, str]]) -> None:
    registry = Registry()
    prefixes: dict[str, str] = {}
    for name, prefix in given_policies:
        registry.put(policy(name, f"app-{name}", bucket="b", prefix=prefix))
        prefixes[name] = prefix
    for name, prefix in prefixes.items():
        overlap = {
            f"ns/{other}"
            for other, theirs in prefixes.items()
            if other != name and (theirs.startswith(prefix) or prefix.startswith(theirs))
        }
        found = registry.get(("ns", name))
        assert found is not None
        shared = registry.neighbours(found).same_storage
        assert shared == min(overlap, default="")
    for name in prefixes:
        registry.drop(("ns", name))
    assert len(registry) == 0
