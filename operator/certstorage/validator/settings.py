"""Where the two copies are: read once from the environment and the command line, trusted after."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

OWN_PREFIX = ".certstorage/"
"""Keys of the validator itself (canaries, quarantine, reports). Never part of a census."""


class UsageError(ValueError):
    """The command line or the environment is not usable; the message names the setting and the mend."""


class Settings(NamedTuple):
    """The local tree and the bucket it is written to a second time.

    `prefix` is empty or ends in "/". `root/<rest>` is the local copy of `<prefix><rest>`.
    `own_prefix` holds what the validator writes for itself.
    """

    bucket: str
    prefix: str
    root: Path
    endpoint: str | None = None
    region: str = "us-east-1"
    own_prefix: str = OWN_PREFIX
    ca_bundle: Path | None = None
    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    """How long an answer may stand still, not how long it may take."""


def settings(
    environ: Mapping[str, str] = os.environ,
    *,
    bucket: str | None = None,
    prefix: str | None = None,
    root: Path | None = None,
) -> Settings:
    """Read the settings; arguments win over the environment.

    Raises:
        UsageError: no bucket or no local path is named, or a timeout is no number of seconds.
    """
    bucket = bucket or environ.get("CERT_S3_BUCKET", "")
    local = str(root) if root else environ.get("CERT_LOCAL_PATH", "")
    if not bucket:
        raise UsageError("no bucket: set CERT_S3_BUCKET or give --bucket")
    if not local:
        raise UsageError("no local tree: set CERT_LOCAL_PATH or give --root")
    return Settings(
        bucket=bucket,
        prefix=directory(environ.get("CERT_S3_PREFIX", "") if prefix is None else prefix),
        root=Path(local),
        endpoint=environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or None,
        region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        own_prefix=directory(environ.get("CERT_S3_OWN_PREFIX", OWN_PREFIX)),
        connect_seconds=_seconds(environ, "CERT_S3_CONNECT_TIMEOUT", 5.0),
        read_seconds=_seconds(environ, "CERT_S3_READ_TIMEOUT", 30.0),
        ca_bundle=Path(environ["AWS_CA_BUNDLE"]) if environ.get("AWS_CA_BUNDLE") else None,
    )


def directory(prefix: str) -> str:
    """A key prefix with its closing slash: "certificates" and "certificates/" mean the same; "" is the whole bucket."""
    prefix = prefix.strip("/")
    return f"{prefix}/" if prefix else ""


def _seconds(environ: Mapping[str, str], name: str, otherwise: float) -> float:
    text = environ.get(name, "")
    try:
        seconds = float(text) if text else otherwise
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < math.inf:
        raise UsageError(f"{name}={text!r} is not a number of seconds")
    return seconds
