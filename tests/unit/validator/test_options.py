"""The command line where the environment says what is not given on it."""

from __future__ import annotations

import pytest

from certstorage.validator.options import parse


@pytest.mark.parametrize(
    ("variable", "arguments", "seconds"),
    [("", [], 60), ("300", [], 300), ("300", ["--min-age", "5"], 5)],
    ids=["by default", "by the variable", "by the option"],
)
def test_how_old_a_difference_must_be_to_count(
    monkeypatch: pytest.MonkeyPatch, variable: str, arguments: list[str], seconds: float
) -> None:
    monkeypatch.setenv("CERT_MIN_AGE", variable)
    assert parse(["check", *arguments]).min_age == seconds


def test_an_age_that_is_no_number_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CERT_MIN_AGE", "a while")
    with pytest.raises(SystemExit) as ended:
        parse(["check"])
    assert ended.value.code == 3
    assert "'a while' is not a number" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_help_is_as_wide_as_the_terminal_and_no_wider_than_can_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        parse(["check", "--help"])
    options = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  -") or " " * 20 in line]
    assert min(columns, 110) - 20 < max(map(len, options)) <= min(columns, 110)
