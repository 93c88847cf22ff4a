"""Modules that say `FAST_TIME = True` wait without waiting: for timers alone, never for a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.fakes.fasttime import FastLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    module = item.getparent(pytest.Module)
    fast = module is not None and getattr(module.obj, "FAST_TIME", False)
    return {"fast": FastLoop} if fast else {"real": asyncio.new_event_loop}
