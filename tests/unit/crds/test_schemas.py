"""The schemas themselves: bounded, documented, and in agreement with the code that reads and writes the objects."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_type_hints

import jsonschema
import pytest

from certstorage.api.conditions import ConditionType
from certstorage.api.requests import RequestType
from certstorage.api.signals import SignalName, Verdict
from crds.reference import KINDS, load, split_default, version

Schema = dict[str, Any]

PERCENT = r"^[0-9]{1,3}([.][0-9]{1,4})?%$"


def schema_of(plural: str) -> Schema:
    found: Schema = version(load(plural))["schema"]["openAPIV3Schema"]
    return found


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema below this one with its path; items are under `path[]`, values of a map under `path{}`."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}" if path else name)
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


ALL = [(plural, path, schema) for plural in KINDS for path, schema in nodes(schema_of(plural)) if path != "metadata"]


def at(plural: str, path: str) -> Schema:
    (found,) = [schema for kind, where, schema in ALL if kind == plural and where == path]
    return found


def bounded(path: str, schema: Schema) -> bool:
    match schema["type"]:
        case "string":
            return path in {"apiVersion", "kind"} or bool({"maxLength", "enum", "format"} & schema.keys())
        case "array":
            return schema["maxItems"] <= 200 and schema["x-kubernetes-list-type"] in {"atomic", "set", "map"}
        case "object" if "additionalProperties" in schema:
            return bool(schema["maxProperties"] <= 16)
        case "integer" if path.startswith("spec."):
            return {"minimum", "maximum"} <= schema.keys()
    return True


def test_every_field_is_bounded_and_none_is_free_form() -> None:
    assert [(plural, path) for plural, path, schema in ALL if not bounded(path, schema)] == []
    assert not any(key.startswith("x-kubernetes-preserve") for _, _, schema in ALL for key in schema)


def test_every_field_is_described() -> None:
    silent = [
        (plural, path)
        for plural, path, schema in ALL
        if path not in {"apiVersion", "kind"} and not schema.get("description", "").endswith(".")
    ]
    assert silent == []


def test_descriptions_name_the_default_that_holds() -> None:
    told = {(plural, path): split_default(schema["description"])[1] for plural, path, schema in ALL}
    real = {(plural, path): schema.get("default", {}) for plural, path, schema in ALL}
    assert told == {where: None if default == {} else str(default) for where, default in real.items()}


def test_choices_are_explained() -> None:
    unexplained = [
        (plural, path, word)
        for plural, path, schema in ALL
        for word in schema.get("enum", ())
        if word not in schema["description"]
    ]
    assert unexplained == []


def test_messages_name_the_field_and_the_mend() -> None:
    mend = re.compile(r"\b(write|use|make|delete|name|leave|keep|add|copied|copy|must be|must not|may not)\b")
    found = [
        (path or "metadata.name", rule["message"])
        for _, path, s in ALL
        for rule in s.get("x-kubernetes-validations", ())
    ]
    assert len(found) > 30
    assert [(path, text) for path, text in found if path not in text or not mend.search(text) or "\n" in text] == []


def test_percentages_are_one_type() -> None:
    found = [schema for _, path, schema in ALL if path.startswith("spec.") and "%" in str(schema.get("pattern"))]
    assert len(found) == 7
    assert {schema["pattern"] for schema in found} == {PERCENT}
    assert all(PERCENT in schema["x-kubernetes-validations"][0]["rule"] for schema in found)


def test_the_same_cron_rule_holds_for_every_schedule() -> None:
    one, other = at(KINDS[0], "spec.validation.schedule"), at(KINDS[0], "spec.sweep.window.schedule")
    assert one["x-kubernetes-validations"][0]["rule"] == other["x-kubernetes-validations"][0]["rule"]


def test_nothing_but_storage_takes_a_url() -> None:
    urls = {path for plural, path, schema in ALL if "isURL" in str(schema.get("x-kubernetes-validations"))}
    assert urls == {"spec.storage.endpoint", "spec.postMortemURL"}


def test_only_the_storage_version_is_served_with_a_status_subresource() -> None:
    for plural in KINDS:
        only = version(load(plural))
        assert only["served"]
        assert only["storage"]
        assert only["subresources"] == {"status": {}}


def resolve(schema: Schema, path: str) -> Schema:
    """The schema that a printer column shows."""
    for step in re.sub(r"\[\?\(@\.\w+==\"\w+\"\)\]", "[]", path.removeprefix(".")).split("."):
        name, is_list = step.removesuffix("[]"), step.endswith("[]")
        schema = schema["properties"][name]
        if is_list:
            schema = schema["items"]
    return schema


@pytest.mark.parametrize("plural", KINDS)
def test_columns_show_fields_that_exist(plural: str) -> None:
    for column in version(load(plural))["additionalPrinterColumns"]:
        if column["jsonPath"] == ".metadata.creationTimestamp":
            continue
        shown = resolve(schema_of(plural), column["jsonPath"])
        assert column["type"] == (
            "date" if shown.get("format") == "date-time" and column["type"] == "date" else shown["type"]
        )
        for name in re.findall(r"@\.name==\"(\w+)\"", column["jsonPath"]):
            assert name in set(SignalName)
        for name in re.findall(r"@\.type==\"(\w+)\"", column["jsonPath"]):
            assert name in set(ConditionType)


def test_the_words_that_the_code_uses_are_documented() -> None:
    policies, requests, _ = KINDS
    for path, words in {
        "status.signals[].name": SignalName,
        "status.signals[].verdict": Verdict,
        "status.conditions": ConditionType,
    }.items():
        for word in words:
            assert word.value in at(policies, path)["description"]
    assert {kind.value for kind in RequestType} == set(at(requests, "spec.type")["enum"])


def strict(schema: Schema) -> Schema:
    """The schema, refusing what the API server would prune."""
    closed = dict(schema)
    if "properties" in closed:
        closed["properties"] = {name: strict(child) for name, child in closed["properties"].items()}
        closed["additionalProperties"] = False
    if "items" in closed:
        closed["items"] = strict(closed["items"])
    return closed


def test_a_status_with_every_field_set_is_kept_whole(everything: Any) -> None:
    from certstorage.api import status, status_json

    assert get_type_hints(status.Status).keys() == everything(status.Status).__dataclass_fields__.keys()
    written = status_json.to_dict(everything(status.Status))
    jsonschema.validate(written, strict(schema_of(KINDS[0])["properties"]["status"]))


def test_a_request_status_with_every_field_set_is_kept_whole(everything: Any) -> None:
    from certstorage.api import requests

    full = everything(requests.RequestStatus)
    written = requests.status_to_dict(full, {}, datetime(2026, 11, 23, tzinfo=UTC))
    jsonschema.validate(written, strict(schema_of(KINDS[1])["properties"]["status"]))
    body = {
        "metadata": {"name": "r", "uid": "u", "creationTimestamp": "2026-11-23T03:10:00Z"},
        "spec": {"type": "Sweep"},
        "status": written,
    }
    seen = requests.read_request(body)
    assert seen is not None
    assert seen.status == full


def test_an_incident_status_with_every_field_set_is_kept_whole(everything: Any) -> None:
    from certstorage.api import incident_json, incidents
    from certstorage.api.policy import parse

    policy = parse(
        {
            "metadata": {"namespace": "production", "name": "certificates", "uid": "p"},
            "spec": {"targetRef": {"name": "deltacrown"}, "storage": {"bucket": "certificates"}},
        }
    )
    full = everything(incidents.IncidentStatus)
    written = incident_json.to_dict(full, policy, "deployment-1")
    jsonschema.validate(written, strict(schema_of(KINDS[2])["properties"]["status"]))
    assert incident_json.read_incident({"metadata": {"name": "i", "uid": "u"}, "status": written}).status == full
