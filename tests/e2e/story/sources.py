"""What the observer looks at, beside the API server and Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tests.e2e.story.facts import Clients, Switch, Told


class Load(Protocol):
    """The load generator: what its clients saw."""

    async def clients(self) -> Clients:
        """Counts since it started. Raises KubeError."""
        ...


class Faults(Protocol):
    """The fault proxy in front of S3."""

    async def switches(self) -> Sequence[Switch]:
        """All switches that its log tells of, in order. Raises KubeError."""
        ...


class Heard(Protocol):
    """The receivers of Alertmanager's messages."""

    async def told(self, since: datetime) -> Sequence[Told]:
        """Every message since a time, oldest first. Raises KubeError."""
        ...
