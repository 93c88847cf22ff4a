"""Pairs of different states that have one key, and whether they go on alike."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tests.model.environment import tidy
from tests.model.explore import Explorer, World, scaled
from tests.model.invariants import Invariant
from tests.model.keys import Key, key
from tests.model.living import without_dead_programs
from tests.model.state import SECOND, State


@dataclass
class Pair:
    """A state as a step has left it, and the one that stands for it in the exploration."""

    one: State
    other: State
    label: str


class Pairs(Explorer):
    """An exploration that keeps a fair sample of the pairs that it meets."""

    def __init__(self, world: World, most: int, invariants: Mapping[str, Invariant] = MappingProxyType({})) -> None:
        super().__init__(world, invariants)
        self.most, self.met, self.kept, self.chance = most, 0, list[Pair](), random.Random(7)

    def _reach(self, after: State, label: str) -> bool:
        new = super()._reach(after, label)
        raw = without_dead_programs(after._replace(now=after.now + SECOND))
        known = self.found.states[self._last]
        if known != raw:
            self._keep(Pair(raw, known, label))
        return new

    def _keep(self, pair: Pair) -> None:
        """Reservoir sampling: each pair that is met has the same chance."""
        self.met += 1
        if len(self.kept) < self.most:
            self.kept.append(pair)
            return
        place = self.chance.randrange(self.met)
        if place < self.most:
            self.kept[place] = pair


class Successors(Explorer):
    """Where one step leads from a state."""

    def __init__(self, world: World) -> None:
        super().__init__(world, {})
        self.reached: dict[str, Key] = {}

    def _reach(self, after: State, label: str) -> bool:
        self.reached[f"{len(self.reached)} {label}"] = key(tidy(after))
        return False

    def of(self, state: State) -> set[tuple[str, Key]]:
        """Every step, with the key of what it leads to; steps that change nothing are left out."""
        self.reached = {}
        self._expand(state)
        own = key(tidy(state))
        return {(label.split(" ", 1)[1], found) for label, found in self.reached.items() if found != own}


def unlike(explorer: Pairs) -> list[str]:
    """Of the pairs that an exploration has kept those that go on differently: the steps, and how the pair was met."""
    found = []
    successors = Successors(explorer.world)
    with scaled(explorer.world.timing):
        for pair in explorer.kept:
            one, other = successors.of(pair.one), successors.of(pair.other)
            if one != other:
                steps = sorted({label for label, _ in one ^ other})
                found.append(f"after {pair.label!r}: {steps}")
    return found
