"""`python -m loadgen`: traffic until SIGTERM; /metrics, /report, /summary, and /readyz once the first are stored."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from typing import Any

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from .ledger import Ledger
from .settings import Settings, SettingsError, from_environment
from .tally import Tally
from .traffic import Traffic, sessions

_REMEMBERED_DELETES = 1000


def application(traffic: Traffic, ledger: Ledger, tally: Tally, prefix: str) -> web.Application:
    """What can be asked of the load generator."""

    def summary() -> dict[str, Any]:
        return {"prefix": prefix + traffic.names_start_with, "seeded": traffic.seeded.is_set(), **tally.report()}

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(tally.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def report(_request: web.Request) -> web.Response:
        now = ledger.snapshot()
        return web.json_response(
            {
                **summary(),
                "expected": {prefix + name: digest for name, digest in now.expected.items()},
                "absent": [prefix + name for name in now.absent],
                "uncertain": [prefix + name for name in now.uncertain],
            }
        )

    async def short(_request: web.Request) -> web.Response:
        return web.json_response(summary())

    async def ready(_request: web.Request) -> web.Response:
        if not traffic.seeded.is_set():
            return web.Response(status=503, text="storing the first certificates\n")
        return web.Response(text="ok\n")

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", metrics),
            web.get("/report", report),
            web.get("/summary", short),
            web.get("/readyz", ready),
        ]
    )
    return app


async def generate(settings: Settings) -> None:
    """Traffic until SIGTERM or SIGINT; what is under way then still ends."""
    ledger, tally = Ledger(remembered_deletes=_REMEMBERED_DELETES), Tally()
    async with sessions(settings) as clients:
        traffic = Traffic(settings, ledger, tally, clients)
        runner = web.AppRunner(
            application(traffic, ledger, tally, settings.prefix), access_log=None, shutdown_timeout=1
        )
        await runner.setup()
        await web.TCPSite(runner, port=settings.port).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, traffic.stop)
        try:
            await traffic.run()
        finally:
            await runner.cleanup()


def main() -> int:
    """Run; 3 when the environment cannot be used."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level="INFO", stream=sys.stdout, format="%(asctime)sZ %(levelname)s %(message)s")
    try:
        settings = from_environment()
    except SettingsError as error:
        print(f"loadgen: {error}", file=sys.stderr)
        return 3
    asyncio.run(generate(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
