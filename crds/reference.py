"""Writes docs/api.md from the three CustomResourceDefinitions: `python crds/reference.py` (make api-docs).

The schemas are the truth; this page only lays them out. A test compares the page with what this would write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "api.md"
KINDS = ("certstoragepolicies", "certstoragerequests", "certstorageincidents")

Schema = dict[str, Any]

_DEFAULT = re.compile(r'\s*Default: (?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))\.$')

_HEAD = """\
# API reference

`storage.deltacrown.io/v1alpha1`. Written from the schemas in `crds/` by `make api-docs`;
`kubectl explain` shows the same.

- A field marked **required** has no default. Percentages are text with their sign (`0.5%`), durations whole seconds.
- Beside the rules listed under each kind, types, ranges and the listed words are checked by the API server.
- `kubectl get certstorage -A` lists all three kinds.
"""


class Row(NamedTuple):
    """One field: its path below spec or status, its schema, and whether it must be given."""

    path: str
    schema: Schema
    required: bool


@cache
def load(plural: str) -> Schema:
    """The CustomResourceDefinition of this plural name."""
    loaded: Schema = yaml.safe_load((HERE / f"{plural}.yaml").read_text(encoding="utf-8"))
    return loaded


def version(crd: Schema) -> Schema:
    """Its one version."""
    (only,) = crd["spec"]["versions"]
    found: Schema = only
    return found


def split_default(description: str) -> tuple[str, str | None]:
    """A description without its last sentence `Default: …`, and the value that this sentence names."""
    match = _DEFAULT.search(description)
    if match is None:
        return description, None
    return description[: match.start()], match["plain"] if match["quoted"] is None else match["quoted"]


def rows(schema: Schema, path: str = "", required: bool = False) -> Iterator[Row]:
    """The schema's fields, depth first in the order of the file; a list's items are under `path[]`."""
    if path:
        yield Row(path, schema, required)
    for name, child in schema.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        yield from rows(child, below, name in schema.get("required", ()))
    if schema.get("type") == "array" and "properties" in schema["items"]:
        items = schema["items"]
        for name, child in items["properties"].items():
            yield from rows(child, f"{path}[].{name}", name in items.get("required", ()))


def messages(schema: Schema) -> Iterator[str]:
    """What the CEL rules say, in the order of the file."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield rule["message"]
    for child in schema.get("properties", {}).values():
        yield from messages(child)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from messages(schema[key])


def _bounds(schema: Schema, least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is None and high is None:
        return ""
    if low is None:
        return f" ≤ {high}"
    return f" ≥ {low}" if high is None else f" {low} to {high}"


def kind_of(schema: Schema) -> str:
    """A field's type with its bounds, as people read it."""
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("format") == "date-time":
        return "time"
    if schema["type"] == "integer":
        return "integer" + _bounds(schema, "minimum", "maximum")
    if schema["type"] == "array":
        item = "object" if "properties" in schema["items"] else kind_of(schema["items"])
        return f"list of {item}, ≤ {schema['maxItems']}"
    if "additionalProperties" in schema:
        return f"map of {kind_of(schema['additionalProperties'])}"
    return str(schema["type"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _table(part: Schema, *, defaults: bool) -> Iterator[str]:
    yield "| field | type | default | meaning |" if defaults else "| field | type | meaning |"
    yield "|---|---|---|---|" if defaults else "|---|---|---|"
    for row in rows(part):
        meaning, _ = split_default(row.schema["description"])
        given = row.schema.get("default")
        default = "**required**" if row.required else "" if given in (None, {}) else f"`{given}`"
        cells = [f"`{row.path}`", kind_of(row.schema), *([default] if defaults else []), meaning]
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _section(crd: Schema) -> Iterator[str]:
    names, only = crd["spec"]["names"], version(crd)
    schema = only["schema"]["openAPIV3Schema"]
    yield f"## {names['kind']}"
    yield ""
    yield f"`kubectl get {names['shortNames'][0]}` · {schema['description']}"
    for part in ("spec", "status"):
        yield ""
        yield f"### {names['kind']}: {part}"
        yield ""
        yield schema["properties"][part]["description"]
        yield ""
        yield from _table(schema["properties"][part], defaults=part == "spec")
    yield ""
    yield f"### {names['kind']}: rules"
    yield ""
    yield "What is refused, in the words of the API server:"
    yield ""
    yield from (f"- {message}" for message in messages(schema))
    yield ""
    yield f"### {names['kind']}: columns"
    yield ""
    columns = only["additionalPrinterColumns"]
    plain = [f"`{column['name']}`" for column in columns if not column.get("priority")]
    wide = [f"`{column['name']}`" for column in columns if column.get("priority")]
    yield f"`kubectl get` shows {', '.join(plain)}; `-o wide` also {', '.join(wide)}."


def render() -> str:
    """The whole page."""
    parts = ["\n".join(_section(load(plural))) for plural in KINDS]
    return _HEAD + "\n" + "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
