"""The schema's defaults and the parser's are the same, and the parser reads every field that the schema has."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from certstorage.api import policy
from crds.reference import KINDS, load, version

SAMPLES = Path(__file__).resolve().parents[3] / "deploy" / "samples"
SCHEMA = version(load(KINDS[0]))["schema"]["openAPIV3Schema"]
NOT_READ = {"spec.targetRef.apiVersion", "spec.targetRef.kind"}
"""The schema leaves one choice for these."""

Json = Any


def sample(name: str) -> Json:
    body = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    body["metadata"] |= {"uid": "0b5e", "generation": 1}
    return body


def defaulted(value: Json, schema: Json) -> Json:
    """What the API server makes of a value: absent fields get their schema's default, all the way down."""
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, child in schema.get("properties", {}).items():
        if name not in filled and "default" in child:
            filled[name] = child["default"]
        if name in filled:
            filled[name] = defaulted(filled[name], child)
    return filled


def test_defaults_agree() -> None:
    bare = sample("minimal")
    full = defaulted(bare, SCHEMA)
    assert full["spec"]["recovery"]["holdSeconds"] == 600
    assert policy.parse(full) == policy.parse(bare)


def test_defaults_of_a_window_agree() -> None:
    bare = sample("minimal")
    bare["spec"]["sweep"] = {"window": {"schedule": "0 2 * * 6", "durationSeconds": 7200}}
    assert policy.parse(defaulted(bare, SCHEMA)) == policy.parse(bare)


def leaves(value: Json, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from leaves(child, f"{path}.{name}")
    else:
        yield path


def changed(value: Json, schema: Json) -> Json:
    """Another value of the same kind."""
    match value:
        case int():
            return value + 1
        case list():
            return [*value, "more"]
        case str() if "enum" in schema:
            return next(word for word in schema["enum"] if word != value)
        case str() if value.endswith("%"):
            return "2.5%"
    return f"{value}x"


@pytest.mark.parametrize("path", [path for path in leaves(sample("full")["spec"], "spec") if path not in NOT_READ])
def test_the_parser_reads_every_field(path: str) -> None:
    before, after = sample("full"), copy.deepcopy(sample("full"))
    *parents, last = path.split(".")
    table, schema = after, SCHEMA
    for name in parents:
        table, schema = table[name], schema["properties"][name]
    table[last] = changed(table[last], schema.get("properties", {}).get(last, {}))
    assert policy.parse(before) != policy.parse(after)


def test_the_full_sample_shows_every_field() -> None:
    def fields(schema: Json, path: str) -> Iterator[str]:
        children = schema.get("properties", {})
        if not children:
            yield path
        for name, child in children.items():
            yield from fields(child, f"{path}.{name}")

    shown = {path.replace(".alertLabels.team", ".alertLabels") for path in leaves(sample("full")["spec"], "spec")}
    assert shown == set(fields(SCHEMA["properties"]["spec"], "spec"))
