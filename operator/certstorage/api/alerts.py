"""Alerts of the operator's own, told to people through Alertmanager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """The `severity` label by which the shipped Alertmanager configuration routes."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alert:
    """One level-triggered alert: in force for as long as it is in the set that is posted.

    Identity is `name` plus `labels` (namespace, policy, incident …); annotations may change without making another
    alert. `starts_at` is UTC. `annotations` carry `summary` (what happened), `description` (what was done),
    `action` (what is asked of the reader) and `command` (what to run).
    """

    name: str
    severity: Severity
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: datetime | None = None

    @property
    def identity(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What makes two alerts the same one."""
        return self.name, tuple(sorted({**self.labels, "severity": self.severity.value}.items()))
