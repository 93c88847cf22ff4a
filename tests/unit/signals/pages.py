"""docs/signals.md, written from the code: `make generate` does it, and a test compares."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from certstorage.api.signals import SignalName, Verdict
from certstorage.signals.failures import Trouble
from certstorage.signals.grading import PROOFS
from certstorage.signals.names import ALERT_OF_SIGNAL

PAGE = Path(__file__).parents[3] / "docs" / "signals.md"
INTRODUCTION = """\
# Signals

What the operator believes about S3, and why. A poll asks a Prometheus server at most three questions, however many
policies it serves: the rules API for state, last evaluation and health of every alert; one query for the facts and
ratios of all workloads; one for the raw counters of Pods that are checked after a return. Thresholds stand in the
alert rules ([alerts](alerts.md)), never here. Alertmanager's webhook only makes the operator poll sooner; what it
carries is not read.

A server is believed if it answers whole and in time, its clock is within 30 s of the operator's, the rules are loaded,
healthy and evaluated within four intervals, and the watchdog fires. Its quiet is no proof until the watchdog has fired
for its `warm_up_seconds`. `status.signals` of a policy shows each signal with value, verdict, since when, and what is
missing for `ClearProven`; the condition `SignalsTrusted` says whether the source can be believed at all.

Written by `make generate` from `operator/certstorage/signals`.
"""


def documented(enum: type[StrEnum]) -> Iterator[tuple[str, str]]:
    """The members of an enum with the docstrings under them."""
    (body,) = ast.parse(inspect.getsource(enum)).body
    assert isinstance(body, ast.ClassDef)
    for assigned, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(assigned, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            name = ast.unparse(assigned.targets[0])
            yield enum[name].value, " ".join(str(text.value.value).split())


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def proofs() -> Iterator[tuple[str, str, str]]:
    """Each signal with its alert and what a quiet one is proven by."""
    more = {
        SignalName.RECOVERY: "saves below 1 % of failures for five minutes, or ten minutes with little traffic",
        SignalName.GET_SLOW: "enough GETs within ten minutes",
        SignalName.LOCAL_DISK: "the gauges of the certificates' disk",
        SignalName.METRICS: "metrics that are scraped",
    }
    for name in SignalName:
        found = ALERT_OF_SIGNAL.get(name)
        alert = f"[{found}](alerts.md#{found.lower()})" if found else "none: recorded as `cert_s3:recovered`"
        yield f"`{name}`", alert, more.get(name) or PROOFS[name].missing


def page() -> str:
    """The whole page."""
    verdicts = ((f"`{name}`", text) for name, text in documented(Verdict))
    troubles = ((f"`{name}`", text) for name, text in documented(Trouble))
    return "\n".join(
        (
            INTRODUCTION,
            "## Verdicts\n",
            table(("verdict", "meaning"), verdicts),
            "## What proves that a quiet signal is well\n",
            table(("signal", "alert", "proven by"), proofs()),
            "## Why a signal is Unknown\n",
            table(("reason", "meaning, and what mends it"), troubles),
        )
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
