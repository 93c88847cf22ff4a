"""Writes the help texts in docs/validator.md as the program prints them: `python tests/unit/validator/page.py`.

`make validator-docs` runs it; a test compares the page with it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "validator.md"
COLUMNS = "100"

_HELP = re.compile(r"(<!-- help: (?P<line>[^>]+) -->\n```console\n)(?:[^`]|`(?!``))*```\n")


def printed(line: str) -> str:
    """What the program prints for a command line."""
    from certstorage.validator.options import parse

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            parse(line.split())
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return said.getvalue()


def render(page: str) -> str:
    """The page with every help text as it is now."""
    return _HELP.sub(
        lambda match: f"{match[1]}$ s3-backfill-validator {match['line']}\n{printed(match['line'])}```\n", page
    )


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "operator")]
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
