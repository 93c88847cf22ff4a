"""Writes the output below each command in docs/cli.md: `python tests/unit/cli/page.py` (make cli-docs).

A block's commands run against the documents that the comment before it names; a test compares the page with this.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "cli.md"
WIDTH = 100

_BLOCK = re.compile(r"(<!-- documents: (?P<names>[^>]+) -->\n```console\n\$ (?P<line>[^\n]+)\n)[^`]*```\n")


def render(page: str) -> str:
    """The page with every output as the program prints it now."""
    from tests.unit.cli.world import FakeKube, documents, run

    def block(match: re.Match[str]) -> str:
        kube = FakeKube(documents(*match["names"].split()))
        ran = run(kube, match["line"].removeprefix("kubectl certstorage"), width=WIDTH)
        return f"{match[1]}{ran.out}{ran.err}```\n"

    return _BLOCK.sub(block, page)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "operator")]
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
