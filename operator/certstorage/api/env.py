"""Environment variables of someone else's container, as they are seen and as they were."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FlagState(StrEnum):
    """Every state one environment variable of a Pod template can be in."""

    TRUE = "true"
    FALSE = "false"
    OTHER = "other"
    EMPTY = "empty"
    ABSENT = "absent"
    VALUE_FROM = "valueFrom"
    DUPLICATED = "duplicated"


UNWRITABLE = frozenset({FlagState.VALUE_FROM, FlagState.DUPLICATED})
"""States that no patch of ours may touch: the API refuses the first and mends the second halfway (measured)."""


@dataclass(frozen=True, slots=True)
class EnvVar:
    """One variable: its state, its literal value when it has one, and the field manager that wrote the value."""

    state: FlagState
    value: str | None = None
    manager: str = ""

    @classmethod
    def literal(cls, value: str | None, manager: str = "") -> EnvVar:
        """The variable with this literal value; None means that there is no such entry."""
        if value is None:
            return cls(FlagState.ABSENT, None, manager)
        if value == "":
            return cls(FlagState.EMPTY, "", manager)
        folded = value.strip().lower()
        state = {"true": FlagState.TRUE, "false": FlagState.FALSE}.get(folded, FlagState.OTHER)
        return cls(state, value, manager)
