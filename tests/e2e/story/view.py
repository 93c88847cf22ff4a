"""What a person is shown at one moment: the observer's facts and, marked as such, what the operator says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tests.e2e.story.facts import Pod
from tests.e2e.story.plot import Plot, Step
from tests.e2e.story.steps import OUTAGE


@dataclass(frozen=True, slots=True)
class Operator:
    """The policy's status in short. `until` is when the operator looks again at what holds it up."""

    reason: str = ""
    message: str = ""
    step: str = ""
    until: str = ""
    generation: int = 0
    """Of the policy, as far as the operator has acted on it."""


@dataclass(frozen=True, slots=True)
class View:
    """One moment. Ratios are between 0 and 1, None where Prometheus has none; `template` is the Deployment's env."""

    at: datetime
    began: datetime
    waiting: str = ""
    deadline: datetime | None = None
    fault: str = ""
    alerts: Mapping[str, str] = field(default_factory=dict)
    template: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 0
    hold: str = ""
    pods: tuple[Pod, ...] = ()
    saves_failing: float | None = None
    reads_falling_back: float | None = None
    recovered: float | None = None
    operations: int = 0
    client_errors: int = 0
    operator: Operator = Operator()
    job: str = ""
    incidents: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    """By name, the phase."""
    told: int = 0
    """Messages that receivers got."""
    plot: Plot = OUTAGE
    steps: tuple[Step, ...] = ()
    trouble: str = ""
    """What the observer itself could not read in this round."""
