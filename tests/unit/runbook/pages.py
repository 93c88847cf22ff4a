"""The pages of docs/ that are made from the core: `make core-docs` writes them, tests compare them."""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from certstorage.api import reasons
from certstorage.api.reasons import Reason
from certstorage.runbook.rows import ROWS
from tests.unit.runbook.defaults import defaults_page

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
STORIES = ROOT / "tests" / "e2e"
RUNBOOK = "operator/certstorage/runbook"

MODULES: Mapping[str, str] = {
    "metrics/save-fail": "degradation",
    "metrics/read-fallback": "read_fallback",
    "metrics/delete-fail": "deletes",
    "metrics/write-success": "writes",
    "metrics/mismatch": "inconsistency",
    "scenario-1/symptoms": "outage",
    "scenario-1/step-1": "aftermath",
    "scenario-1/step-2": "outage",
    "scenario-1/step-3": "merge",
    "scenario-1/step-4": "disk",
    "scenario-1/post-1": "recovery",
    "scenario-1/post-2": "attempt",
    "scenario-1/post-3": "recovery",
    "scenario-1/post-4": "returning",
    "scenario-2/symptoms": "degradation",
    "scenario-2/step-1": "causes",
    "scenario-2/step-2": "borrowing",
    "scenario-2/step-3": "borrowing",
    "scenario-2/step-4": "merge",
    "scenario-2/cause-1": "causes",
    "scenario-2/cause-2": "causes",
    "scenario-2/cause-3": "causes",
    "scenario-2/post-1": "borrowing",
    "scenario-2/post-2": "degradation",
    "scenario-3/symptoms": "inconsistency",
    "scenario-3/step-1": "mismatches",
    "scenario-3/step-2-single": "inconsistency",
    "scenario-3/step-2-batch": "inconsistency",
    "scenario-3/step-2-random": "mismatches",
    "scenario-3/step-3": "inconsistency",
    "scenario-3/step-4": "inconsistency",
    "scenario-3/escalation": "inconsistency",
    "scenario-3/provide": "mismatches",
    "scenario-4/symptoms": "read_fallback",
    "scenario-4/cause-1": "read_fallback",
    "scenario-4/cause-2": "causes",
    "scenario-4/cause-3": "causes",
    "scenario-4/diagnose-1": "causes",
    "scenario-4/diagnose-2": "causes",
    "scenario-4/diagnose-3": "causes",
    "scenario-4/mitigate-1": "read_fallback",
    "scenario-4/mitigate-2": "read_fallback",
    "scenario-4/mitigate-3": "read_fallback",
    "sweep/when-outage": "triggers",
    "sweep/when-backfill": "triggers",
    "sweep/when-quarterly": "triggers",
    "sweep/step-1": "sweep_request",
    "sweep/step-2": "sweep",
    "sweep/step-3": "sweep",
    "sweep/step-4": "sweep",
    "sweep/step-5": "sweep_record",
    "contacts/sre": "contacts",
    "contacts/platform": "contacts",
    "contacts/aws": "contacts",
    "checklist/incident-log": "checklist",
    "checklist/validator": "checklist",
    "checklist/thresholds": "checklist",
    "checklist/root-cause": "checklist",
    "checklist/runbook": "checklist",
    "checklist/post-mortem": "checklist",
}
"""By row, the module of the core that does it."""

PEOPLE: Mapping[str, str] = {
    "scenario-1/step-1": "the incident's ticket text: look at https://status.aws.amazon.com/, which has no interface",
    "scenario-4/mitigate-1": "the incident's summary: migrate the bucket to the same region",
    "scenario-4/mitigate-2": "the incident's summary: review VPC routing, NAT gateway performance",
    "contacts/aws": "an alert with contact: aws-support, and the text of the case in the incident",
    "checklist/incident-log": "the item's message: when done, add IncidentLog to spec.checklist",
    "checklist/thresholds": "the item's message: when done, add Thresholds to spec.checklist",
    "checklist/root-cause": "the item's message: write spec.rootCause and spec.mitigation",
    "checklist/runbook": "the item's message: when done, add Runbook to spec.checklist",
    "checklist/post-mortem": "the item's message where it is due: put its address into spec.postMortemURL",
}
"""Rows that only a person can do, and the message by which the operator asks."""

TITLES = {
    "metrics": "Key metrics to track",
    "scenario-1": "Scenario 1: S3 outage",
    "scenario-2": "Scenario 2: partial degradation",
    "scenario-3": "Scenario 3: data inconsistency",
    "scenario-4": "Scenario 4: high read fallback rate",
    "sweep": "Integrity sweep",
    "contacts": "Emergency contacts",
    "checklist": "Post-incident review",
}


@functools.cache
def marked_tests(folder: Path = HERE) -> dict[str, list[str]]:
    """By row, the tests of a folder that are marked with it, as `file::function`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for row in dict.fromkeys(_rows_of(node)):
                    found[row].append(f"{path.name}::{node.name}")
    return found


def _rows_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.runbook":
                yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


def runbook_map() -> str:
    """docs/runbook-map.md: every row of the runbook, who does it, and the tests that prove it."""
    tests, stories = marked_tests(), marked_tests(STORIES)
    lines = [
        "# The runbook, row by row",
        "",
        f"What of the runbook is done where (in `{RUNBOOK}`), and which tests of `tests/unit/runbook` prove it;",
        "the last column has the stories of `tests/e2e` that show it on a real cluster.",
        "Rows of `person` are a person's, and the operator asks: the message is named. Written by `make core-docs`;",
        "`tests/unit/runbook/test_map.py` fails when a row has no test that ran and passed.",
    ]
    for group, title in TITLES.items():
        columns = "| row | the runbook's words | done by | tests | end to end |"
        lines += ["", f"## {title}", "", columns, "|---|---|---|---|---|"]
        for row, words in ROWS.items():
            if row.partition("/")[0] == group:
                done = f"person: {PEOPLE[row]} (`{MODULES[row]}.py`)" if row in PEOPLE else f"`{MODULES[row]}.py`"
                names = "<br>".join(f"`{name}`" for name in tests.get(row, ()))
                told = "<br>".join(f"`{name}`" for name in stories.get(row, ()))
                lines.append(f"| `{row}` | {words} | {done} | {names} | {told} |")
    return "\n".join(lines) + "\n"


def reasons_page() -> str:
    """docs/reasons.md: every reason with what it means and what unblocks it, grouped as in the code."""
    source = Path(reasons.__file__).read_text("utf-8").splitlines()
    lines = [
        "# Reasons",
        "",
        "The `reason` of conditions, Events, requests and alerts: what it means, and what unblocks it. Written by",
        "`make core-docs` from `operator/certstorage/api/reasons.py`; `kubectl certstorage why` prints the same words.",
    ]
    names = {reason.name: reason for reason in Reason}
    for number, line in enumerate(source):
        text = line.strip()
        if text.startswith("# ---"):
            title = text.removeprefix("# ---").strip()
            lines += ["", f"## {title[0].upper()}{title[1:]}", "", "| reason | meaning |", "|---|---|"]
        name = text.partition(" = ")[0]
        if name in names and text.endswith(f'"{names[name].value}"'):
            lines.append(f"| `{names[name].value}` | {source[number + 1].strip().strip(chr(34))} |")
    return "\n".join(lines) + "\n"


def states_page() -> str:
    """docs/states.md: the state diagrams, as they stand at the head of each scenario's module."""
    lines = [
        "# States",
        "",
        "How each procedure goes from step to step. Written by `make core-docs` from the heads of the modules in",
        f"`{RUNBOOK}`; the steps are those of `status.operation` and `status.scenarios`.",
    ]
    for path in sorted((ROOT / RUNBOOK).glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        drawn = [line for line in text.splitlines() if line.startswith("    ")]
        if any("──" in line for line in drawn):
            lines += [
                "",
                f"## `{path.name}`",
                "",
                text.splitlines()[0],
                "",
                "```",
                *(line[4:] for line in drawn),
                "```",
            ]
    return "\n".join(lines) + "\n"


PAGES = {
    "docs/runbook-map.md": runbook_map,
    "docs/reasons.md": reasons_page,
    "docs/defaults.md": defaults_page,
    "docs/states.md": states_page,
}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
