"""Every rule and every promtool case, on each version of promtool that must agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rules.run import VERSIONS, check, version, write_tests


@pytest.mark.parametrize("major", VERSIONS)
def test_every_case_passes(major: str, tmp_path: Path) -> None:
    get: Callable[[], Path] = VERSIONS[major]
    promtool = get()
    assert version(promtool).startswith(f"{major}.")
    complaints = check(promtool, write_tests(tmp_path))
    assert complaints == ""
