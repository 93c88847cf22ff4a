"""What the environment says: read once at start, as such applications do. A changed flag takes a restart."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ON = ("true", "1", "yes")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(ValueError):
    """A variable that is missing or cannot be read; the message names it."""


def flag(value: str) -> bool:
    """Whether a flag is on: `true`, `1` and `yes` in any case; anything else, the empty value too, is off."""
    return value.lower() in _ON


@dataclass(frozen=True, slots=True)
class Settings:
    """Where both copies are and which of them is read. Timeouts in seconds, for one attempt of three."""

    bucket: str
    prefix: str
    local_path: Path
    local_quota_bytes: int | None
    """How much the volume may hold; None where its own size is the limit."""
    endpoint: str | None
    region: str
    read_primary: bool
    dual_write: bool
    log_level: str
    connect_timeout: float
    read_timeout: float
    port: int
    lame_duck_seconds: float
    """After SIGTERM connections are still taken, until for so long nobody has asked for a certificate."""
    lame_duck_most_seconds: float
    """But for no longer than this."""
    drain_seconds: float
    """After that, how long requests under way may still take."""


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: the bucket is missing, or a number or the log level cannot be read.
    """
    bucket = environ.get("CERT_S3_BUCKET", "")
    if not bucket:
        raise SettingsError("CERT_S3_BUCKET is missing")
    level = environ.get("LOG_LEVEL", "").upper() or "INFO"
    if level not in _LEVELS:
        raise SettingsError(f"LOG_LEVEL must be one of {', '.join(_LEVELS)}, not {level!r}")
    prefix = environ.get("CERT_S3_PREFIX", "certificates/").strip("/")
    return Settings(
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
        local_path=Path(environ.get("CERT_LOCAL_PATH", "/mnt/media/certificates")),
        local_quota_bytes=round(_number(environ, "CERT_LOCAL_QUOTA_BYTES", 0.0)) or None,
        endpoint=environ.get("AWS_ENDPOINT_URL_S3") or None,
        region=environ.get("AWS_REGION") or "us-east-1",
        read_primary=flag(environ.get("CERT_S3_READ_PRIMARY", "")),
        dual_write=flag(environ.get("CERT_S3_DUAL_WRITE", "")),
        log_level=level,
        connect_timeout=_number(environ, "CERT_S3_CONNECT_TIMEOUT", 2.0),
        read_timeout=_number(environ, "CERT_S3_READ_TIMEOUT", 5.0),
        port=int(_number(environ, "CERT_PORT", 8000)),
        lame_duck_seconds=_number(environ, "CERT_LAME_DUCK_SECONDS", 3.0),
        lame_duck_most_seconds=_number(environ, "CERT_LAME_DUCK_MOST_SECONDS", 30.0),
        drain_seconds=_number(environ, "CERT_DRAIN_SECONDS", 45.0),
    )


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number, not {text!r}") from None
    if not 0 < value < float("inf"):
        raise SettingsError(f"{name} must be more than 0, not {text!r}")
    return value
