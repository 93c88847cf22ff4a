"""The receipt of a validator Job: what its Pod said in its termination message.

A Job that is Complete proves nothing by itself (measured: the condition can be written by anybody who may patch the
Job's status); only a receipt with the nonce of the open attempt does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certstorage.api.reading import Fields, InvalidFieldError

SCHEMA = "certstorage/receipt/v1"
MAX_BYTES = 4096
"""The kubelet cuts a termination message here."""


class ReceiptVerdict(StrEnum):
    """What the validator found; it never guesses."""

    PASSED = "PASS"
    FAILED = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class InvalidReceiptError(ValueError):
    """The termination message is no receipt; the message says why."""


class PatternKind(StrEnum):
    """What mismatches have in common (scenario 3, step 2)."""

    NONE = "none"
    SINGLE = "single"
    BATCH = "batch"
    RANDOM = "random"
    INSUFFICIENT = "insufficient"
    """Too few to tell: they are re-uploaded and more is compared."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a probe looked at; `state` is ok, warning or unknown."""

    name: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """One validator run. Ratios are between 0 and 1; times are UTC; counts are objects.

    `command` is recover, check, repair or probe. `pattern_axis` and `pattern_value` name a batch (`prefix`, `day`,
    `hour` or `size`); `examples` are keys that differ. Of a probe, `steps` maps each S3 operation to `ok` or why not,
    `facts` are region, lifecycle, access log, clock and network path, `get_p95_seconds` is None where nothing was read.
    """

    command: str
    nonce: str
    inputs_hash: str
    verdict: ReceiptVerdict
    detail: str
    message: str
    started_at: datetime
    finished_at: datetime
    mismatch: float = 0.0
    upper_bound: float = 1.0
    sampled: int = 0
    population: int = 0
    mismatches: int = 0
    unverified: int = 0
    errors: int = 0
    at_risk_open: int = 0
    probe: str = "skipped"
    uploaded: int = 0
    resolved: int = 0
    pattern: PatternKind = PatternKind.NONE
    pattern_axis: str = ""
    pattern_value: str = ""
    report: str = ""
    examples: tuple[str, ...] = ()
    steps: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    get_p95_seconds: float | None = None
    shard: str = ""
    """`2/8` where it speaks for one part of the keys only: never a verdict about them all."""


def load(text: str) -> Receipt:
    """Read a termination message.

    Raises:
        InvalidReceiptError: it is not a receipt of a schema that is known, or a field is not of its kind.
    """
    if len(text.encode()) > MAX_BYTES:
        raise InvalidReceiptError(f"termination message of more than {MAX_BYTES} bytes")
    try:
        raw = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidReceiptError(f"termination message is not JSON: {error}") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise InvalidReceiptError(f"termination message is not a {SCHEMA}")
    try:
        return _parse(Fields(raw, "receipt"))
    except InvalidFieldError as error:
        raise InvalidReceiptError(str(error)) from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _percent(fields: Fields, key: str, default: float) -> float:
    value = fields.raw.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 100:
        raise InvalidFieldError(f"{fields.path}.{key}: expected a number of percent, found {value!r}")
    return float(value) / 100


def _at_risk_open(fields: Fields) -> int:
    """A recovery that says nothing of what was at risk has not looked at it."""
    return fields.number("atRiskOpen") if fields.text("command") == "recover" else fields.number("atRiskOpen", 0)


def _parse(fields: Fields) -> Receipt:
    started, finished = fields.time("startedAt"), fields.time("finishedAt")
    if started is None or finished is None or finished < started:
        raise InvalidFieldError(f"{fields.path}: startedAt and finishedAt are needed, in this order")
    pattern = fields.table("pattern")
    return Receipt(
        command=fields.text("command"),
        nonce=fields.text("nonce"),
        inputs_hash=fields.text("inputsHash"),
        verdict=fields.choice("verdict", ReceiptVerdict),
        detail=fields.text("detail", ""),
        message=fields.text("message", ""),
        started_at=started,
        finished_at=finished,
        mismatch=_percent(fields, "mismatchPercent", 0.0),
        upper_bound=_percent(fields, "upperBoundPercent", 100.0),
        sampled=fields.number("sampled", 0),
        population=fields.number("population", 0),
        mismatches=fields.number("mismatches", 0),
        unverified=fields.number("unverified", 0),
        errors=fields.number("errors", 0),
        at_risk_open=_at_risk_open(fields),
        probe=fields.text("probe", "skipped"),
        uploaded=fields.number("uploaded", 0),
        resolved=fields.number("resolved", 0),
        pattern=pattern.choice("kind", PatternKind, PatternKind.NONE),
        pattern_axis=pattern.text("axis", ""),
        pattern_value=pattern.text("value", ""),
        report=fields.text("report", ""),
        examples=fields.words("examples"),
        steps=fields.texts("steps"),
        facts=tuple(
            Fact(one.text("name"), one.text("state"), one.text("detail", "")) for one in fields.tables("findings")
        ),
        get_p95_seconds=_seconds(fields, "getP95Seconds"),
        shard=fields.text("shard", ""),
    )


def _seconds(fields: Fields, key: str) -> float | None:
    value = fields.raw.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise InvalidFieldError(f"{fields.path}.{key}: expected seconds, found {value!r}")
    return float(value)
