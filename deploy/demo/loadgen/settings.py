"""How much of what, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(ValueError):
    """A variable that cannot be read; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Rates are per second. Seconds in `timeout`: longer than the application may take when S3 swallows requests."""

    url: str
    prefix: str
    reads: float
    saves: float
    deletes: float
    objects: int
    """How many certificates to begin with, and to keep: deleted ones are replaced by new ones, no more are added."""
    archive: int
    """How many more are stored once and then left alone: nobody reads, overwrites or deletes them."""
    users: int
    """Sessions, each with connections of its own, so that all Pods of a Service are used."""
    timeout: float
    most_under_way: int
    """Requests at a time; what would be more is skipped and counted."""
    port: int
    seed: int | None


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsError."""
    prefix = environ.get("CERT_S3_PREFIX", "certificates/").strip("/")
    seed = environ.get("CERT_LOAD_SEED", "")
    return Settings(
        url=environ.get("CERT_LOAD_URL", "http://deltacrown").rstrip("/"),
        prefix=f"{prefix}/" if prefix else "",
        reads=_number(environ, "CERT_LOAD_READS_PER_SECOND", 12),
        saves=_number(environ, "CERT_LOAD_SAVES_PER_SECOND", 3),
        deletes=_number(environ, "CERT_LOAD_DELETES_PER_SECOND", 0.5),
        objects=int(_number(environ, "CERT_LOAD_OBJECTS", 400)),
        archive=int(_number(environ, "CERT_LOAD_ARCHIVE", 0)),
        users=int(_number(environ, "CERT_LOAD_USERS", 6, least=1)),
        timeout=_number(environ, "CERT_LOAD_TIMEOUT_SECONDS", 60, least=0.1),
        most_under_way=int(_number(environ, "CERT_LOAD_MOST_UNDER_WAY", 800, least=1)),
        port=int(_number(environ, "CERT_LOAD_PORT", 8080)),
        seed=int(seed) if seed.isdecimal() else None,
    )


def _number(environ: Mapping[str, str], name: str, default: float, least: float = 0) -> float:
    text = environ.get(name, "")
    try:
        value = float(text) if text else float(default)
    except ValueError:
        raise SettingsError(f"{name} must be a number, not {text!r}") from None
    if not least <= value < float("inf"):
        raise SettingsError(f"{name} must be {least:g} or more, not {text!r}")
    return value
