"""Two copies of a tree, one on disk and one in memory."""

from pathlib import Path

import pytest

from tests.unit.validator.fakes import Copies


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    """An empty tree and an empty bucket."""
    root = tmp_path / "certificates"
    root.mkdir()
    return Copies(root)
