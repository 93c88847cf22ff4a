"""What the operator reads: one JSON object in the termination message of the Pod, never more than the kubelet keeps."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

SCHEMA = "certstorage/receipt/v1"
MAX_BYTES = 4096
DEFAULT_PATH = Path("/dev/termination-log")


def fitted(receipt: dict[str, object]) -> bytes:
    """The receipt as JSON of at most MAX_BYTES: examples go first, then the message is cut."""
    receipt = dict(receipt)
    examples = list(map(str, receipt.get("examples") or []))  # type: ignore[call-overload]
    while True:
        data = json.dumps({**receipt, "examples": examples}, separators=(",", ":")).encode()
        if len(data) <= MAX_BYTES:
            return data
        if examples:
            examples.pop()
        elif receipt.get("message"):
            receipt["message"] = str(receipt["message"])[: max(0, len(str(receipt["message"])) - 200)]
        else:
            raise ValueError("a receipt of more than 4 KiB without its examples")


def write(receipt: dict[str, object], path: Path) -> None:
    """Write it in place: the kubelet mounts this very file.

    Raises:
        OSError: it cannot be written.
    """
    path.write_bytes(fitted(receipt))


def default_path(environ: Mapping[str, str]) -> Path | None:
    """CERT_TERMINATION_MESSAGE, else the kubelet's default where there is one to write to."""
    if named := environ.get("CERT_TERMINATION_MESSAGE"):
        return Path(named)
    return DEFAULT_PATH if DEFAULT_PATH.is_file() and os.access(DEFAULT_PATH, os.W_OK) else None
