"""The key of a state is honest: two states of one key go on to states of the same keys, whatever happens."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.model import shell
from tests.model.environment import tidy
from tests.model.explore import Explorer, World, scaled
from tests.model.keys import Key, key
from tests.model.state import State
from tests.model.worlds import BY_NAME

PAIRS = 150


class Pairs(Explorer):
    """Keeps pairs of different states that have one key."""

    def __init__(self, world: World) -> None:
        super().__init__(world, {})
        self.pairs: list[tuple[State, State]] = []

    def _reach(self, state: State, label: str) -> bool:
        new = super()._reach(state, label)
        if not new:
            known = self.found.states[self._known[key(state)]]
            if known != state:
                self.pairs.append((known, state))
        return new


def successors(world: World, state: State) -> Iterator[tuple[str, Key]]:
    """Every state after one move or pass."""
    for move in world.moves:
        for label, after in move(state):
            yield label, key(tidy(after))
    if not state.policy_uid:
        return
    for given in world.givens:
        decision = shell.decide(state, given)
        if decision is not None:
            yield given.name, key(tidy(shell.run(state, shell.program(state, decision, given))))


@pytest.mark.parametrize("name", ["endings", "writers", "owners", "sweep", "degradation"])
def test_states_of_one_key_go_on_alike(name: str) -> None:
    world = BY_NAME[name]
    explorer = Pairs(world)
    explorer.run(most_states=1500)
    chosen = random.Random(7).sample(explorer.pairs, min(PAIRS, len(explorer.pairs)))
    assert len(chosen) == PAIRS
    with scaled(world.timing):
        for one, other in chosen:
            for (label, first), (_, second) in zip(successors(world, one), successors(world, other), strict=True):
                assert first == second, label
