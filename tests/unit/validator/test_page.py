"""docs/validator.md shows what the program prints, names all there is, and its example keeps the contract."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

from certstorage.api.receipt import ReceiptVerdict, load
from certstorage.cluster.jobseen import EXIT_CODES
from certstorage.validator.facts import Cause
from certstorage.validator.options import USAGE
from certstorage.validator.store import Fault
from certstorage.validator.verdict import Rule, Status, Stratum, decide
from tests.unit.validator.page import PAGE, ROOT, printed, render

TEXT = PAGE.read_text("utf-8")
SOURCES = ROOT / "operator" / "certstorage" / "validator"
REPORT = json.loads((ROOT / "docs/schemas/validator-report-v1.json").read_text())
RECEIPT = json.loads((ROOT / "docs/schemas/validator-receipt-v1.json").read_text())


def test_the_help_texts_are_current() -> None:
    assert render(TEXT) == TEXT, "run: make validator-docs"


def test_every_command_is_on_the_page() -> None:
    _, _, commands = printed("--help").partition("  COMMAND\n")
    names = re.findall(r"^    (\w+) ", commands, re.MULTILINE)
    assert len(names) == 6
    for name in names:
        assert f"<!-- help: {name} --help -->" in TEXT


@pytest.mark.parametrize("status", Status)
def test_the_exit_codes_are_those_of_the_program_and_of_the_operator(status: Status) -> None:
    assert f"| {status.exit_code} | {status} |" in TEXT
    assert EXIT_CODES[ReceiptVerdict(status.value)] == status.exit_code


def test_wrong_usage_has_its_code() -> None:
    assert f"| {USAGE} | |" in TEXT


def cell(name: str) -> bool:
    """Whether a word stands in the first column of a table."""
    return re.search(rf"^\|[^|]*`{re.escape(name)}`[^|]*\|", TEXT, re.MULTILINE) is not None


@pytest.mark.parametrize("field", REPORT["properties"])
def test_every_field_of_the_report_is_explained(field: str) -> None:
    assert cell(field)


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause])
def test_every_cause_is_explained(cause: Cause) -> None:
    assert cell(cause)


def reasons() -> set[str]:
    """Every reason of a verdict that the sources have: what is written in them LikeThis, and the single words."""
    found = {str(fault) for fault in Fault}
    for name in ("verdict", "guards", "check", "recover", "repair", "session", "outcome", "main"):
        for node in ast.walk(ast.parse((SOURCES / f"{name}.py").read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and re.fullmatch(r"(?:[A-Z][a-z0-9]+){2,}", text):
                found.add(text)
    return found | {"Clean", "Mismatches", "Errors", "Interrupted"}


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_every_reason_is_explained(reason: str) -> None:
    assert cell(reason)


def test_every_variable_that_is_read_is_explained() -> None:
    read = {
        name for path in SOURCES.glob("*.py") for name in re.findall(r'"((?:CERT|AWS)_[A-Z0-9_]+)"', path.read_text())
    }
    assert len(read) > 10
    for name in read:
        assert cell(name)


def test_what_is_said_of_2000_objects_is_so() -> None:
    nothing = Stratum(0, 0, 0)
    assert decide(nothing, Stratum(100_000, 2_000, 4), Rule()).status is Status.PASS
    assert decide(nothing, Stratum(100_000, 2_000, 5), Rule()).status is not Status.PASS


# --- the contract


def example() -> str:
    """The validator of another kind."""
    found = re.search(r"<!-- contract -->\n```sh\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("compare", "code", "verdict", "open_ones"),
    [
        ("echo 400 0", 0, ReceiptVerdict.PASSED, 0),
        ("echo 400 7", 1, ReceiptVerdict.FAILED, 7),
        ("exit 9", 2, ReceiptVerdict.INCONCLUSIVE, 0),
    ],
)
def test_the_example_keeps_the_contract(
    tmp_path: Path, compare: str, code: int, verdict: ReceiptVerdict, open_ones: int
) -> None:
    for name, text in (("check", example()), ("team-compare", f"#!/bin/sh\n{compare}\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    message = tmp_path / "termination-log"
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CERT_LOCAL_PATH": "/mnt/media/certificates",
        "CERT_S3_BUCKET": "deltacrown-certificates",
        "CERT_S3_PREFIX": "certificates/",
        "CERT_RECEIPT_NONCE": "nonce-1",
        "CERT_RECEIPT_INPUTS_HASH": "hash-1",
        "CERT_TERMINATION_MESSAGE": str(message),
    }
    arguments = ["recover", "--since", "2026-11-23T02:55:05Z", "--output", "bucket"]
    ran = subprocess.run([tmp_path / "check", *arguments], env=environment, check=False, timeout=30)
    receipt = load(message.read_text())
    jsonschema.Draft202012Validator(RECEIPT).validate(json.loads(message.read_text()))
    assert (ran.returncode, receipt.verdict) == (code, verdict)
    assert (receipt.command, receipt.nonce, receipt.inputs_hash) == ("recover", "nonce-1", "hash-1")
    assert receipt.at_risk_open == open_ones
