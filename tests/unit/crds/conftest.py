"""Builds an instance of any of our dataclasses with every field set."""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest

MOMENT = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
SAMPLES: dict[type, object] = {str: "word", int: 7, float: 0.5, bool: True, datetime: MOMENT}


def build(kind: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return build(next(each for each in arguments if each is not types.NoneType))
    if origin is tuple:
        return (build(arguments[0]),)
    if origin is Mapping:
        keys = (
            list(arguments[0])
            if isinstance(arguments[0], type) and issubclass(arguments[0], Enum)
            else [build(arguments[0])]
        )
        return {key: build(arguments[1]) for key in keys}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{each.name: build(hints[each.name]) for each in dataclasses.fields(kind)})
    return SAMPLES[kind]


@pytest.fixture
def everything() -> Callable[[Any], Any]:
    """``everything(Status)``: a value of that type with every field set, so that new fields are tried by themselves."""
    return build
