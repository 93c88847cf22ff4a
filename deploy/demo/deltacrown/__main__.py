"""`python -m deltacrown`: serve until SIGTERM, then leave without dropping a request."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time

from aiohttp import web

from .local import LocalStore
from .logs import set_up
from .metrics import Metrics
from .remote import S3Store
from .settings import Settings, SettingsError, from_environment
from .storage import CertificateStorage
from .web import S3_READ_THREADS, WRITE_THREADS, Server

_log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Leaving: Services forget a Pod late, on a busy machine by many seconds, and nobody tells it when they have. So it
    goes on taking connections until nobody has come for `lame_duck_seconds`. Every answer says that its connection
    ends, so clients stop reusing it by themselves; only then the listener and what is idle close, and requests under
    way have `drain_seconds` to end.
    """
    local = LocalStore(settings.local_path, settings.local_quota_bytes)
    metrics = Metrics(local.disk)
    remote = S3Store(settings, connections=S3_READ_THREADS + WRITE_THREADS)
    storage = CertificateStorage(local, remote, metrics, prefix=settings.prefix, dual_write=settings.dual_write)
    server = Server(storage, local, metrics.registry, read_primary=settings.read_primary)
    runner = web.AppRunner(server.application(), shutdown_timeout=settings.drain_seconds)
    await runner.setup()
    await web.TCPSite(runner, port=settings.port, backlog=512).start()
    _log.info(
        "serving port=%d read_primary=%s dual_write=%s log_level=%s attempts_seconds=%g+%g",
        settings.port,
        settings.read_primary,
        settings.dual_write,
        settings.log_level,
        settings.connect_timeout,
        settings.read_timeout,
    )
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()
    _log.info("leaving lame_duck_seconds=%g", settings.lame_duck_seconds)
    began = time.monotonic()
    server.leave()
    quiet = await server.forgotten(settings.lame_duck_seconds, most_seconds=settings.lame_duck_most_seconds)
    _log.log(
        logging.INFO if quiet else logging.WARNING,
        "closing after_seconds=%.1f quiet=%s",
        time.monotonic() - began,
        quiet,
    )
    await runner.cleanup()
    _log.info("left")


def main() -> int:
    """Run; 3 when the environment cannot be used."""
    try:
        settings = from_environment()
    except SettingsError as error:
        print(f"deltacrown: {error}", file=sys.stderr)
        return 3
    set_up(settings.log_level)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
