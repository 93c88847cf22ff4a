"""What a pass needs besides the API server: the decision, the signals, and somebody to tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from certstorage.api.decision import Decision
from certstorage.api.observed import Observation
from certstorage.api.patience import Patience
from certstorage.api.policy import Policy
from certstorage.api.signals import SignalSet
from certstorage.api.status import Status
from certstorage.cluster.act import Acted
from certstorage.cluster.observe import Snapshot
from certstorage.registry import Key


class Decide(Protocol):
    """The pure core."""

    def __call__(self, policy: Policy, seen: Observation, before: Status, now: datetime) -> Decision:
        """What to do about one policy now."""


class SignalSource(Protocol):
    """What Prometheus said at the last poll."""

    def signals(self, policy: Policy, template_hash: str) -> SignalSet:
        """The graded signals of a policy.

        A `template_hash` asks for the raw counters of the Pods of this template too, from the next poll on; it is
        given only while the new Pods are judged.
        """


class Witness(Protocol):
    """Is told what passes came to."""

    def acted(self, snapshot: Snapshot, decision: Decision, acted: Acted) -> None:
        """What was written, and what was refused."""

    def wrote(self, paperwork: Mapping[tuple[str, str], int]) -> None:
        """How many requests and incidents were written or refused, by action and result."""

    def passed(self, snapshot: Snapshot, decision: Decision) -> None:
        """A pass came to its end, and everything is recorded."""

    def failed(self, key: Key, kind: str) -> None:
        """A pass ended early; `kind` is one word."""

    def forget(self, key: Key) -> None:
        """The policy is gone."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says to passes. `instance` names this process in Events; caps are across policies."""

    validator_image: str
    allowed_env: frozenset[str]
    instance: str
    patience: Patience = field(default_factory=Patience)
    max_rollouts: int = 10
    max_sweeps: int = 1
