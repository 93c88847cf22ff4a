"""Typed reading of JSON objects, once, at the edge: every complaint names the field, what is wrong and the mend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

E = TypeVar("E", bound=StrEnum)

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%")


class InvalidFieldError(ValueError):
    """A field is missing or not of its kind; the message starts with the field's path."""


class Fields:
    """One JSON object under a path such as `spec.recovery`; the methods read its fields with their types."""

    def __init__(self, raw: Mapping[str, object], path: str) -> None:
        self.raw, self.path = raw, path

    def _bad(self, key: str, expected: str) -> InvalidFieldError:
        found = "nothing" if self.raw.get(key) is None else repr(self.raw[key])
        return InvalidFieldError(f"{self.path}.{key}: expected {expected}, found {found[:80]}")

    def has(self, key: str) -> bool:
        """Whether the field is there and not null."""
        return self.raw.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        value = self.raw.get(key)
        if value is None:
            value = default
        if not isinstance(value, str):
            raise self._bad(key, "text")
        return value

    def number(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        """A whole number, `least` or more."""
        value = self.raw.get(key)
        if value is None:
            value = default
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._bad(key, f"a whole number, {least} or more")
        return value

    def ratio(self, key: str, default: str | None = None) -> float:
        """A percentage written as text, such as `0.5%`, as a ratio between 0 and 1."""
        match = _PERCENT.fullmatch(self.text(key, default))
        if match is None or float(match[1]) > 100:
            raise self._bad(key, "a percentage between 0% and 100%, such as 0.5%")
        return float(match[1]) / 100

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        """One of the members of an enumeration."""
        try:
            return kind(self.text(key, default))
        except ValueError as error:
            raise self._bad(key, "one of " + ", ".join(kind)) from error

    def choices(self, key: str, kind: type[E]) -> tuple[E, ...]:
        """A list of members of an enumeration; absent reads as empty."""
        try:
            return tuple(kind(word) for word in self.words(key))
        except ValueError as error:
            raise self._bad(key, "a list of " + ", ".join(kind)) from error

    def time(self, key: str) -> datetime | None:
        """An RFC 3339 time in UTC, or None where the field is absent."""
        value = self.raw.get(key)
        if value is None:
            return None
        try:
            parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            parsed = None
        if parsed is None or parsed.tzinfo is None:
            raise self._bad(key, "an RFC 3339 time")
        return parsed.astimezone(UTC)

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.raw.get(key, default)
        if not isinstance(value, bool):
            raise self._bad(key, "true or false")
        return value

    def table(self, key: str, *, required: bool = False) -> Fields:
        """A nested object; an absent one reads as empty unless it is required."""
        value = self.raw.get(key)
        if value is None and not required:
            value = {}
        if not isinstance(value, dict):
            raise self._bad(key, "an object")
        return Fields(value, f"{self.path}.{key}")

    def texts(self, key: str) -> dict[str, str]:
        """A map of strings."""
        value = self.raw.get(key) or {}
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise self._bad(key, "a map of text")
        return dict(value)

    def words(self, key: str) -> tuple[str, ...]:
        """A list of strings; absent reads as empty."""
        value = self.raw.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._bad(key, "a list of text")
        return tuple(value)

    def tables(self, key: str) -> list[Fields]:
        """A list of objects; absent reads as empty."""
        value = self.raw.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._bad(key, "a list of objects")
        return [Fields(item, f"{self.path}.{key}[{index}]") for index, item in enumerate(value)]


def rfc3339(value: datetime) -> str:
    """A UTC time as Kubernetes writes it, with whole seconds: `2026-11-23T03:10:00Z`."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_milli(value: datetime) -> str:
    """A UTC time with milliseconds, where order within one second matters."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def percent(ratio: float) -> str:
    """A ratio as people read it: `0.5%`, `100%`; at most two decimals, trailing zeros left away."""
    text = f"{ratio * 100:.2f}".rstrip("0").rstrip(".")
    return f"{text or '0'}%"
