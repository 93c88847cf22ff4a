"""docs/explored.md: each scenario's steps and the transitions between them, as the exploration found them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from certstorage.api.scenarios import Scenario
from tests.model.explore import NOTHING
from tests.model.run import ARTIFACT

PAGE = Path(__file__).parents[2] / "docs" / "explored.md"

HEAD = """# States that are reached

Written by `make states` from what the exploration of the core found (`make test-model`): every step of every scenario
that is reachable, and every transition between two passes. A test compares this page with the next exploration. A
transition may skip steps: status may be lost, and an operator may die between any two calls.
"""


def page(steps: Iterable[tuple[str, str, str]]) -> str:
    """The page: one diagram a scenario, as Mermaid draws it."""
    parts = [HEAD]
    found = sorted(set(steps))
    for scenario in Scenario:
        edges = [(before, after) for name, before, after in found if name == scenario and before != after]
        if not edges:
            continue
        lines = [f"    {_node(before)} --> {_node(after)}" for before, after in edges]
        parts.append("\n".join([f"## {scenario}", "", "```mermaid", "stateDiagram-v2", *lines, "```", ""]))
    return "\n".join(parts)


def _node(step: str) -> str:
    return "[*]" if step == NOTHING else step


def main() -> None:
    """Write the page from the artifact of the last exploration."""
    document = json.loads(ARTIFACT.read_text())
    PAGE.write_text(page(tuple(one) for one in document["steps"]))


if __name__ == "__main__":
    main()
