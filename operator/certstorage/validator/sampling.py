"""Which keys have their bytes read: a window of key hashes that moves on with every epoch.

Both sides, every shard and every repetition choose the same keys from the same salt, rate and epoch; after 1/rate
epochs every key was read once.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

_SPAN = 1 << 64


def places(salt: str = "") -> Callable[[str], int]:
    """Where a key stands on the circle of 2**64 places."""
    secret = salt.encode()[:64]
    return lambda key: int.from_bytes(blake2b(key.encode(), digest_size=8, key=secret).digest(), "big")


_shard_place = places("shard")


class Shard(NamedTuple):
    """One of `parts` parts of all keys, by their hash; `part` counts from 0."""

    part: int = 0
    parts: int = 1

    def has(self, key: str) -> bool:
        """Whether a key belongs to it."""
        return self.parts == 1 or _shard_place(key) % self.parts == self.part


WHOLE = Shard()
"""All keys."""


class Window(NamedTuple):
    """A share `rate` of the circle, beginning where the windows of all earlier epochs ended."""

    rate: float
    epoch: int = 0
    salt: str = ""

    @property
    def start(self) -> float:
        """Where it begins, as a share of the circle."""
        return math.fmod(self.epoch * self.rate, 1.0)

    def distance(self, key: str) -> float:
        """How far behind the start of the window a key stands, from 0 to 1: below `rate` is inside."""
        return self.distances()(key)

    def distances(self) -> Callable[[str], float]:
        """`distance` for many keys."""
        start, place = int(self.start * _SPAN), places(self.salt)
        return lambda key: ((place(key) - start) % _SPAN) / _SPAN


class Chosen(NamedTuple):
    """A key to read: how far it stands behind the start of the window, whether inside, and its mark if one is kept."""

    distance: float
    key: str
    inside: bool = True
    mark: bytes = b""


class Sampler:
    """Collects the sample of a stream: the whole window, and the keys that follow it up to a least number.

    So the sample is every key no farther than `reach` behind the start of the window, whatever came in which order.
    """

    def __init__(self, window: Window, least: int) -> None:
        self.window = window
        self.least = least
        self.seen = 0
        self._distance = window.distances()
        self._inside: list[Chosen] = []
        self._behind: list[tuple[float, Chosen]] = []

    def offer(self, key: str, mark: bytes = b"") -> None:
        """Consider one more key."""
        self.seen += 1
        distance = self._distance(key)
        if distance < self.window.rate:
            self._inside.append(Chosen(distance, key, True, mark))
            while self._behind and len(self._inside) + len(self._behind) > self.least:
                heapq.heappop(self._behind)
        elif len(self._inside) + len(self._behind) < self.least:
            heapq.heappush(self._behind, (-distance, Chosen(distance, key, False, mark)))
        elif self._behind and -self._behind[0][0] > distance:
            heapq.heapreplace(self._behind, (-distance, Chosen(distance, key, False, mark)))

    def sample(self) -> list[Chosen]:
        """The keys to read, nearest to the start first."""
        return sorted([*self._inside, *(chosen for _, chosen in self._behind)])

    @property
    def reach(self) -> float:
        """The distance up to which every key is in the sample; 1 when all are."""
        if len(self._inside) + len(self._behind) == self.seen:
            return 1.0
        return max(self.window.rate, -self._behind[0][0] if self._behind else 0.0)
