"""Lenient reading of JSON objects: the API server has checked them, and what an older version lacks reads as empty."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Doc:
    """One JSON object; a path is its keys in order. A value of another kind than asked for reads as absent."""

    __slots__ = ("raw",)

    def __init__(self, raw: object) -> None:
        self.raw: dict[str, object] = raw if isinstance(raw, dict) else {}

    def value(self, *path: str) -> object:
        """Whatever is at the path; None where nothing is."""
        found: object = self.raw
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def text(self, *path: str) -> str:
        """A string, empty where there is none; control characters are blanked, since a terminal would obey them."""
        found = self.value(*path)
        return _CONTROL.sub(" ", found).strip() if isinstance(found, str) else ""

    def number(self, *path: str) -> int | None:
        """A whole number."""
        found = self.value(*path)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def flag(self, *path: str) -> bool:
        """True where it says true."""
        return self.value(*path) is True

    def time(self, *path: str) -> datetime | None:
        """An RFC 3339 time, in UTC."""
        found = self.value(*path)
        if not isinstance(found, str):
            return None
        try:
            parsed = datetime.fromisoformat(found)
        except ValueError:
            return None
        return parsed.astimezone(UTC) if parsed.tzinfo else None

    def at(self, *path: str) -> Doc:
        """The object at the path, empty where there is none."""
        return Doc(self.value(*path))

    def each(self, *path: str) -> list[Doc]:
        """The objects of a list."""
        found = self.value(*path)
        return [Doc(item) for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def texts(self, *path: str) -> tuple[str, ...]:
        """The strings of a list."""
        found = self.value(*path)
        items = found if isinstance(found, list) else []
        return tuple(_CONTROL.sub(" ", item).strip() for item in items if isinstance(item, str))
