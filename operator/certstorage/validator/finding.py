"""One thing that was looked at around the bucket."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `state`: "ok", "warning", or "unknown" where it could not be read (and why)."""

    name: str
    state: str
    detail: str

    def json(self) -> dict[str, str]:
        """For the report."""
        return asdict(self)
