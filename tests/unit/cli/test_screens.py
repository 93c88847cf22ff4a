"""What is seen, whole, in golden files: at 80 and 120 columns, and in a pipe."""

import json
from pathlib import Path

import pytest

from certstorage.cli.port import UnreachableError
from tests.unit.cli.world import FakeKube, documents, run

GOLDEN = Path(__file__).with_name("golden")

SCREENS = [
    ("healthy", "status certificates", 80),
    ("outage", "status certificates", 80),
    ("outage", "status certificates", 120),
    ("outage", "status certificates", None),
    ("exhausted", "status certificates", 80),
    ("sweeping", "status certificates", 120),
    ("backing-off", "status certificates", 80),
    ("fresh", "status invoices -n billing", 80),
    ("outage fresh missing-target", "status -A", 60),
    ("outage fresh missing-target", "status -A", 80),
    ("outage fresh missing-target", "status -A", None),
    ("exhausted missing-target", "status", 80),
    ("healthy", "why certificates", 80),
    ("outage", "why certificates", 80),
    ("outage", "why certificates", None),
    ("exhausted", "why certificates", 120),
    ("sweep-asked", "why certificates", 80),
    ("sweeping", "why certificates", 80),
    ("backing-off", "why certificates", 80),
    ("fresh", "why invoices -n billing", 80),
    ("missing-target", "why receipts", 80),
    ("history", "history certificates", 80),
    ("history", "history certificates", None),
]


@pytest.mark.parametrize(("names", "line", "width"), SCREENS)
def test_screen(names: str, line: str, width: int | None) -> None:
    seen = run(FakeKube(documents(*names.split())), line, width=width)
    assert seen.err == ""
    where = "pipe" if width is None else str(width)
    golden = GOLDEN / f"{'+'.join(names.split())}.{'-'.join(line.replace('-', '').split())}.{where}.txt"
    assert seen.out == golden.read_text("utf-8")
    assert width is None or max(map(len, seen.out.splitlines())) <= width


def test_a_command_is_never_broken() -> None:
    kube = FakeKube(documents("exhausted"))
    command = "$ kubectl certstorage request return certificates -n production\n"
    assert command in run(kube, "status certificates", width=40).out
    assert command in run(kube, "why certificates", width=40).out
    assert command in run(kube, "status certificates", width=40, colour=True).out.replace("\x1b[0m", "").replace(
        "\x1b[1;36m", ""
    )


def test_colour_is_for_terminals_only() -> None:
    kube = FakeKube(documents("outage"))
    plain, coloured = (
        run(kube, "status certificates", width=100),
        run(kube, "status certificates", width=100, colour=True),
    )
    assert "\x1b[" not in plain.out
    assert "\x1b[1;31mFalse" in coloured.out
    assert "\x1b[1;31mFiring" in coloured.out


def test_brackets_in_a_message_are_not_markup() -> None:
    (body, *_) = documents("outage")
    body["status"]["conditions"][0]["message"] = "[red]x[/red] :smile: is [bold]"
    assert "[red]x[/red] :smile: is [bold]" in run(FakeKube([body]), "status certificates").out


def test_one_policy_as_json() -> None:
    told = json.loads(run(FakeKube(documents("exhausted")), "status certificates -o json", width=20).out)
    assert told["ready"] == "False"
    assert told["asked"]["command"] == "kubectl certstorage request return certificates -n production"
    assert told["waitsFor"] == "a person to let the way back begin"
    assert told["operation"]["attempt"] == 3
    assert told["reads"]["podsAsDesired"] == 2


def test_several_policies_as_json() -> None:
    told = json.loads(run(FakeKube(documents("outage", "backing-off", "fresh")), "status -A -o json").out)
    assert [one["until"] for one in told] == [None, None, "2026-11-23T03:26:30Z"]
    assert [one["actedOn"] for one in told] == [False, True, False]
    assert json.loads(run(FakeKube([]), "status -o json").out) == []


def test_none_at_all() -> None:
    here = run(FakeKube([]), "status")
    assert (here.code, here.out) == (
        0,
        "There is no CertStoragePolicy in namespace production; see all: kubectl certstorage status -A\n",
    )
    assert run(FakeKube([]), "status -A").out == "There is no CertStoragePolicy in this cluster.\n"


class Watched:
    """A pause in which something happens to the world; the last one is Ctrl-C."""

    def __init__(self, *happenings: object) -> None:
        self.left = list(happenings)

    def __call__(self, seconds: float) -> None:
        if not self.left:
            raise KeyboardInterrupt
        happening = self.left.pop(0)
        if callable(happening):
            happening()


def test_a_watch_in_a_pipe_prints_what_has_changed() -> None:
    kube = FakeKube(documents("healthy"))

    def fails() -> None:
        kube.objects = documents("outage")

    seen = run(kube, "status certificates -w -o json", pause=Watched(None, fails, None))
    assert seen.code == 130
    assert seen.out.count('"ready": "True"') == 1
    assert seen.out.count('"ready": "False"') == 1


def test_a_watch_on_a_terminal_outlives_a_lost_connection() -> None:
    kube = FakeKube(documents("outage"))

    def lost() -> None:
        kube.refused["CertStoragePolicy"] = UnreachableError("no answer")

    def back() -> None:
        kube.refused.clear()
        kube.objects = documents("healthy")

    seen = run(kube, "status certificates -w", width=80, colour=True, pause=Watched(lost, back))
    assert seen.code == 130
    assert seen.out.index("OutageReadsLocal") < seen.out.index("Not read again: no answer")
    assert seen.out.index("Not read again: no answer") < seen.out.index("ReadsFromS3")
