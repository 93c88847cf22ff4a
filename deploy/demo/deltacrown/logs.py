"""Plain lines that people and tools both read: time, level, event, `key=value`."""

from __future__ import annotations

import logging
import sys
import time

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s"


def set_up(level: str) -> None:
    """Log to standard output in UTC at `level`; of the S3 client only its retries, and those at DEBUG."""
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler])
    for noisy in ("botocore", "boto3", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("botocore.retries").setLevel(level)
    logging.getLogger("aiohttp.access").setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)
