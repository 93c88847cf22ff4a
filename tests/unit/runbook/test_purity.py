"""The core is pure: it sees the vocabulary and the standard library, and the contract that says so can fail."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "operator" / "certstorage"
CORE = [*sorted((PACKAGE / "runbook").glob("*.py")), *sorted((PACKAGE / "api").glob("*.py"))]
FORBIDDEN_OF_THE_STANDARD_LIBRARY = {
    "asyncio", "http", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "socket", "subprocess",
    "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
"""Clocks, chance and the outside world: what is decided must follow from what was seen."""


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", CORE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_only_the_vocabulary_and_harmless_parts_of_the_standard_library(path: Path) -> None:
    ours = ("certstorage.api",) if path.parent.name == "api" else ("certstorage.api", "certstorage.runbook")
    for name in imported(path):
        top = name.partition(".")[0]
        if top == "certstorage":
            assert name.startswith(ours), f"{path.name} imports {name}"
        else:
            assert top in sys.stdlib_module_names, f"{path.name} imports {name}"
            assert top not in FORBIDDEN_OF_THE_STANDARD_LIBRARY, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_clock_is_read(path: Path) -> None:
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not called & {"now", "utcnow", "today"}


def test_no_module_is_a_hall() -> None:
    long = {path.name: count for path in CORE if (count := len(path.read_text("utf-8").splitlines())) > 345}
    assert long == {}


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("import json", True),
        ("from certstorage.api import env", True),
        ("import kubernetes", False),
        ("import yaml", False),
        ("import cronsim", False),
        ("import dateutil", False),
        ("from certstorage import config", False),
        ("from certstorage.cluster import port", False),
        ("from certstorage.signals import names", False),
    ],
)
def test_lint_imports_fails_when_the_core_imports_anything_else(tmp_path: Path, line: str, kept: bool) -> None:
    """The contract itself, on a copy of the package into which one import is written."""
    shutil.copytree(PACKAGE, tmp_path / "certstorage", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/import_contract.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    module = tmp_path / "certstorage" / "runbook" / "caps.py"
    module.write_text(module.read_text("utf-8") + f"\n{line}\n", encoding="utf-8")
    program = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run(
        [program, "--no-cache", "--config", "pyproject.toml"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode == 0) is kept, ran.stdout + ran.stderr
    verdict = next(said for said in ran.stdout.splitlines() if said.startswith("The runbook is pure"))
    assert verdict.endswith("KEPT" if kept else "BROKEN"), ran.stdout
