"""The command line: what one guesses is right, and what is wrong is said before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from certstorage.validator.main import run


def leave(*arguments: str) -> int:
    """Run it; the exit code."""
    with pytest.raises(SystemExit) as left:
        raise SystemExit(run(list(arguments)))
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names nothing."""
    for name in ("CERT_S3_BUCKET", "CERT_S3_PREFIX", "CERT_LOCAL_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize("command", ["check", "recover", "reconcile", "repair", "probe", "merge"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(command, "--help") == 0
    said = capsys.readouterr().out
    assert f"example:\n  s3-backfill-validator {command}" in said
    assert "--" in said


def test_help_names_commands_and_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--help") == 0
    said = capsys.readouterr().out
    for word in ("check", "recover", "reconcile", "repair", "probe", "merge", "exit codes", "CERT_S3_BUCKET"):
        assert word in said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--version") == 0
    assert capsys.readouterr().out.startswith("s3-backfill-validator ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "usage"),
        (("--sample-rate", "0.01"), "CERT_S3_BUCKET"),
        (("check", "--bucket", "b"), "CERT_LOCAL_PATH"),
        (("check", "--sample-rate", "2"), "sample-rate"),
        (("--no-such-option",), "no-such-option"),
        (("nonsense",), "nonsense"),
        (("check", "--shard", "2/2"), "--shard"),
        (("check", "--shard", "x"), "--shard"),
        (("recover", "--bucket", "b", "--root", "/", "--since", "yesterday"), "RFC 3339"),
        (("recover", "--bucket", "b", "--root", "/", "--since", "2026-11-23T04:00:00"), "time zone"),
        (("recover", "--bucket", "b", "--root", "/", "--since", "2999-01-01T00:00:00Z"), "future"),
        (("repair", "--bucket", "b", "--root", "/", "--from-report", "/nowhere.json"), "/nowhere.json"),
        (("merge", "/nowhere.json"), "/nowhere.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_usage_is_3_and_says_what(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave(*arguments) == 3
    said = capsys.readouterr()
    assert says in said.err + said.out


def test_a_tree_that_is_not_there_is_inconclusive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("check", "--bucket", "b", "--root", str(tmp_path / "none")) == 2
    assert "LocalTreeUnreadable" in capsys.readouterr().err
