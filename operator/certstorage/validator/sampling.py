"""Which keys have their bytes read: a window of key hashes that moves on with every epoch.

Both sides, every shard and every repetition choose the same keys from the same salt, rate and epoch; after 1/rate
epochs every key was read once.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

_SPAN = 1 << 64


def place(key: str, salt: str = "") -> int:
    """Where a key stands in the circle of 2**64 places."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big")


@dataclass(frozen=True, slots=True)
class Window:
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
        return ((place(key, self.salt) - int(self.start * _SPAN)) % _SPAN) / _SPAN


@dataclass(slots=True)
class Sampler:
    """Collects the sample of a stream: the whole window, and the keys that follow it up to a least number."""

    window: Window
    least: int
    inside: list[str] = field(default_factory=list)
    seen: int = 0
    _next: list[tuple[float, str]] = field(default_factory=list)

    def offer(self, key: str) -> None:
        """Consider one more key."""
        self.seen += 1
        distance = self.window.distance(key)
        if distance < self.window.rate:
            self.inside.append(key)
            while self._next and len(self.inside) + len(self._next) > self.least:
                heapq.heappop(self._next)
        elif len(self.inside) + len(self._next) < self.least:
            heapq.heappush(self._next, (-distance, key))
        elif self._next and -self._next[0][0] > distance:
            heapq.heapreplace(self._next, (-distance, key))

    def sample(self) -> list[str]:
        """The keys to read, those of the window first, then the nearest behind it."""
        return [*self.inside, *(key for _, key in sorted(self._next, reverse=True))]


def sample_of(keys: Iterable[str], window: Window, least: int) -> list[str]:
    """The sample of some keys."""
    sampler = Sampler(window, least)
    for key in keys:
        sampler.offer(key)
    return sampler.sample()
