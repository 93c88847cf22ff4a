"""Everything that whole stories write of our own kinds fits the schemas, with no field that would be pruned."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from crds.reference import KINDS, load, version
from tests.fakes.cluster import Call
from tests.unit.shell.test_every_phase import a_degradation, a_sweep, an_outage
from tests.unit.shell.test_rights import inconsistency, outage, sweep

Schema = dict[str, Any]


def strict(schema: Schema) -> Schema:
    """The schema, refusing what the API server would silently leave out."""
    found = {key: value for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        found["properties"] = {name: strict(child) for name, child in schema["properties"].items()}
        found["additionalProperties"] = False
    if "items" in schema:
        found["items"] = strict(schema["items"])
    return found


VALIDATORS = {
    (plural, part): jsonschema.Draft202012Validator(
        strict(version(load(plural))["schema"]["openAPIV3Schema"]["properties"][part])
    )
    for plural in KINDS
    for part in ("spec", "status")
}


async def calls() -> list[Call]:
    told = [await tell() for tell in (an_outage, a_degradation, a_sweep)]
    return [
        *(call for story in told for call in story.scene.cluster.calls),
        *await outage(),
        *await sweep(),
        *await inconsistency(),
    ]


def complaints(plural: str, part: str, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATORS[plural, part].iter_errors(value)]


async def test_every_status_and_every_spec_fits() -> None:
    written: dict[tuple[str, str], set[str]] = {}
    for call in await calls():
        if call.plural not in KINDS or not call.writes:
            continue
        part = "status" if call.subresource else "spec"
        if call.verb in ("create", "replace"):
            written.setdefault((call.plural, part), set()).add(json.dumps(call.body.get(part, {}), sort_keys=True))
    assert {plural for plural, part in written if part == "status"} == set(KINDS)
    found = {
        (plural, part, complaint)
        for (plural, part), values in written.items()
        for value in values
        for complaint in complaints(plural, part, json.loads(value))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("status", "complaint"),
    [({"phase": "x" * 33}, "too long"), ({"odd": 1}, "unexpected"), ({"expiresAt": 7}, "not of type")],
)
def test_what_does_not_fit_is_found(status: dict[str, Any], complaint: str) -> None:
    assert complaint in complaints("certstoragerequests", "status", status)[0]
