"""A rollout drops no request; a Pod that is killed does, and the clients say so."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp

from deploy.demo.loadgen.ledger import Ledger
from deploy.demo.loadgen.pdf import certificate
from deploy.demo.loadgen.settings import from_environment
from deploy.demo.loadgen.tally import Tally
from deploy.demo.loadgen.traffic import Traffic, sessions
from tests.component.demo.parts import House, Service, until

PDF = certificate("One", filler=random.Random(1), padding=400)


@asynccontextmanager
async def users(service: Service, prefix: str) -> AsyncIterator[Tally]:
    """Traffic on a service, for as long as the block lasts; then what was under way has ended."""
    settings = from_environment(
        {
            "CERT_LOAD_URL": service.url,
            "CERT_S3_PREFIX": prefix,
            "CERT_LOAD_READS_PER_SECOND": "25",
            "CERT_LOAD_SAVES_PER_SECOND": "10",
            "CERT_LOAD_DELETES_PER_SECOND": "2",
            "CERT_LOAD_OBJECTS": "20",
            "CERT_LOAD_SEED": "5",
        }
    )
    tally = Tally()
    async with sessions(settings) as clients:
        traffic = Traffic(settings, Ledger(remembered_deletes=100), tally, clients)
        running = asyncio.create_task(traffic.run())
        await asyncio.wait_for(traffic.seeded.wait(), 60)
        try:
            yield tally
        finally:
            traffic.stop()
            await running


def done(tally: Tally) -> int:
    return sum(counts["ok"] for counts in tally.report()["totals"].values())


async def more(tally: Tally, count: int) -> None:
    """Wait until so many more requests were answered as they should be."""
    target = done(tally) + count

    async def reached() -> bool:
        return done(tally) >= target

    await until(f"{count} more requests", reached, 60)


async def ended(check: Callable[[], int | None]) -> int:
    async def over() -> bool:
        return check() is not None

    await until("a told application ends", over, 60)
    code = check()
    assert code is not None
    return code


async def test_a_rolling_restart_under_load_loses_no_request(house: House) -> None:
    """Every replica is replaced as a Deployment does it, while S3 is slow and so requests are always under way."""
    old = [await house.start() for _ in range(3)]
    async with Service(*(app.port for app in old)) as service:
        async with users(service, house.prefix) as tally:
            await house.world.switch("delay=300")
            await more(tally, 60)
            for app in old:
                replacement = await house.start(CERT_S3_READ_PRIMARY="false")
                service.backends.append(replacement.port)
                app.program.process.terminate()
                # Services forget a Pod late: it is still given new connections while it already leaves
                await more(tally, 20)
                service.backends.remove(app.port)
            assert [await ended(app.program.process.poll) for app in old] == [0, 0, 0]
            await more(tally, 30)
        report = tally.report()
    assert report["errors"]["last"] == []
    assert report["totals"]["read"]["skipped"] == 0
    await house.world.switch("pass")
    assert house.local() == house.remote()


async def test_each_answer_of_a_pod_that_leaves_says_that_its_connection_ends(house: House) -> None:
    app = await house.start()
    house.store("one.pdf", PDF)
    one = f"{app.url}/certificates/one.pdf"

    async with aiohttp.ClientSession() as client:

        async def ends(method: str, url: str, data: bytes | None = None) -> bool:
            async with client.request(method, url, data=data) as response:
                await response.read()
                return response.headers.get("Connection") == "close"

        assert not await ends("GET", one)
        app.program.process.terminate()
        await until("the lame duck", lambda: ends("GET", one))
        assert await ends("PUT", one, data=PDF)
        assert await ends("PUT", one, data=b"not a PDF")
        assert await ends("POST", one)
        assert await ends("GET", f"{app.url}/certificates/other.pdf")
        assert await ends("GET", f"{app.url}/metrics")
        assert await ends("DELETE", one)


async def test_a_service_that_forgets_a_pod_late_loses_no_request(house: House) -> None:
    """As on a busy machine: new connections come for much longer than the quiet that ends the lame duck."""
    app, replacement = await house.start(CERT_LAME_DUCK_SECONDS="2.5"), await house.start()
    async with Service(app.port) as service:
        async with users(service, house.prefix) as tally:
            app.program.process.terminate()
            told = asyncio.get_running_loop().time()
            await more(tally, 220)
            assert asyncio.get_running_loop().time() - told > 2 * 2.5
            service.backends[:] = [replacement.port]
            assert await ended(app.program.process.poll) == 0
            await more(tally, 20)
        assert tally.report()["errors"]["last"] == []
    assert "quiet=True" in app.program.log.read_text()


async def test_a_pod_that_is_never_forgotten_leaves_all_the_same(house: House) -> None:
    app = await house.start(CERT_LAME_DUCK_SECONDS="0.5", CERT_LAME_DUCK_MOST_SECONDS="1.5")
    async with Service(app.port) as service, users(service, house.prefix):
        app.program.process.terminate()
        assert await ended(app.program.process.poll) == 0
    assert "WARNING closing after_seconds=1.5 quiet=False" in app.program.log.read_text()


async def test_requests_that_hang_in_a_black_hole_outlive_the_order_to_leave(house: House) -> None:
    app = await house.start(CERT_S3_CONNECT_TIMEOUT="1", CERT_S3_READ_TIMEOUT="1", CERT_LAME_DUCK_SECONDS="0.1")
    replacement = await house.start(CERT_S3_READ_PRIMARY="false", CERT_S3_DUAL_WRITE="false")
    async with Service(app.port) as service, users(service, house.prefix) as tally:
        await house.world.switch("blackhole")

        async def hanging() -> bool:
            metrics = await app.metrics()
            return metrics['cert_s3_in_flight{op="read"}'] >= 5 and metrics['cert_s3_in_flight{op="save"}'] >= 3

        await until("requests hang", hanging)
        service.backends[:] = [replacement.port]
        app.program.process.terminate()
        assert await ended(app.program.process.poll) == 0
        kinds = tally.report()["errors"]["byKind"]
    # connections that were idle may be lost here, where the lame duck is shorter than the clients keep them; none that
    # was waiting for its answer
    assert kinds["timeout"] == kinds["http"] == kinds["missing"] == kinds["wrong_bytes"] == 0


async def test_a_pod_that_is_killed_is_noticed(house: House) -> None:
    app = await house.start()
    replacement = await house.start()
    async with Service(app.port) as service:
        async with users(service, house.prefix) as tally:
            await house.world.switch("delay=200")
            await more(tally, 20)
            service.backends.append(replacement.port)
            app.program.kill()
            service.backends.remove(app.port)
            await more(tally, 20)
        errors = tally.report()["errors"]
    assert errors["byKind"]["connection"] > 0
    assert errors["last"][0]["key"].startswith(house.prefix)
