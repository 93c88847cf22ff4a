"""One thing that was looked at around the bucket."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing looked at. `state`: "ok", "warning", or "unknown" where it could not be read (and why)."""

    name: str
    state: str
    detail: str

    def json(self) -> dict[str, str]:
        """For the report."""
        return self._asdict()
