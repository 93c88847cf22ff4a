"""An event loop in which waiting costs nothing: when nothing is left to do, the clock jumps to the next timer.

Tests of timeouts and intervals take milliseconds with it, and do not depend on how busy the machine is. It reaches into
asyncio's loop, as every such loop must; what it relies on is the same in all versions that this project supports.
"""

from __future__ import annotations

import asyncio
from typing import Any


class FastLoop(asyncio.SelectorEventLoop):
    """Its `time` is seconds since it began."""

    _ready: Any
    _scheduled: Any

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready:
            due = [handle.when() for handle in self._scheduled if not handle.cancelled()]
            if due:
                self._now = max(self._now, min(due))
        super()._run_once()  # type: ignore[misc]
