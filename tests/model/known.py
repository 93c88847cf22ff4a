"""Results kept by the identity of the arguments: states share most of their parts, and a part's hash costs more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
MOST_KNOWN = 200_000


class Known(Generic[Result]):
    """A pure function that computes once for the same objects; they are kept, so that their ids stay theirs."""

    def __init__(self, function: Callable[..., Result]) -> None:
        self.function = function
        self._known: dict[tuple[int, ...], tuple[tuple[Any, ...], Result]] = {}

    def __call__(self, *args: Any) -> Result:
        ids = tuple(map(id, args))
        known = self._known.get(ids)
        if known is not None:
            return known[1]
        result = self.function(*args)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[ids] = args, result
        return result

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()
