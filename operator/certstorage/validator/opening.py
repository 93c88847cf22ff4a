"""What a run needs first: the settings, and the bucket under its throttle. It is loaded before everything else."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import NamedTuple

from certstorage.validator.digesters import Crew
from certstorage.validator.options import WORKERS
from certstorage.validator.s3 import S3
from certstorage.validator.settings import Settings, settings
from certstorage.validator.throttle import Bucket, Throttle


class Opened(NamedTuple):
    """Where the copies are, the way to the bucket, how many requests at once it may be asked, and who hashes."""

    settings: Settings
    throttle: Throttle
    store: S3
    workers: int
    crew: Crew


def opened(options: Namespace, crew: Crew | None = None) -> Opened:
    """Read the settings and make the clients; nothing is asked of the bucket yet. `crew`: who hashes, if begun already.

    Raises:
        UsageError: bucket or local tree are not named.
    """
    chosen = settings(os.environ, bucket=options.bucket, prefix=options.prefix, root=options.root)
    workers: int = getattr(options, "workers", WORKERS)
    throttle = Throttle(
        workers,
        requests=Bucket(getattr(options, "max_requests", 0.0)),
        data=Bucket(getattr(options, "max_mib", 0.0) * (1 << 20)),
    )
    return Opened(chosen, throttle, S3(chosen, throttle), workers, crew or Crew())
