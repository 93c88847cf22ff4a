"""Nothing is wrong: both copies are always equal, whoever writes what through which replica."""

import asyncio
import random

import aiohttp
import pytest

from deploy.demo.loadgen.ledger import Ledger
from deploy.demo.loadgen.pdf import certificate
from deploy.demo.loadgen.settings import from_environment
from deploy.demo.loadgen.tally import Tally
from deploy.demo.loadgen.traffic import Traffic, sessions
from tests.component.demo.parts import House, Service, until

PDF = certificate("One", filler=random.Random(1), padding=400)


async def test_a_certificate_is_stored_twice_and_deleted_twice(house: House) -> None:
    app = await house.start()
    url = f"{app.url}/certificates/batch-1/cert_1.pdf"
    async with aiohttp.ClientSession() as client:
        assert (await client.put(url, data=PDF)).status == 204
        assert house.local() == house.remote() == {"batch-1/cert_1.pdf": PDF}
        read = await client.get(url)
        assert (read.status, read.headers["X-Certificate-Source"], await read.read()) == (200, "s3", PDF)
        assert read.content_type == "application/pdf"
        assert (await client.delete(url)).status == 204
        assert house.local() == house.remote() == {}
        assert (await client.get(url)).status == 404
        assert (await client.delete(url)).status == 404
    assert await app.counted() == {"save": 1, "write": 1, "write_success": 1, "read": 2, "delete": 2}


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [("cert.pdf", b"not a pdf", 422), ("cert.txt", PDF, 400), (".locks/cert.pdf", PDF, 400)],
)
async def test_what_is_no_certificate_is_refused(house: House, name: str, body: bytes, status: int) -> None:
    app = await house.start()
    async with aiohttp.ClientSession() as client:
        assert (await client.put(f"{app.url}/certificates/{name}", data=body)).status == status
    assert house.local() == {}


async def test_replicas_that_overwrite_one_name_at_once_leave_equal_copies(house: House) -> None:
    apps = [await house.start() for _ in range(3)]
    rng = random.Random(2)
    versions = [certificate(f"Version {number}", filler=rng, padding=2000) for number in range(45)]
    async with aiohttp.ClientSession() as client:

        async def save(number: int) -> None:
            url = f"{apps[number % 3].url}/certificates/contended.pdf"
            assert (await client.put(url, data=versions[number])).status == 204

        await asyncio.gather(*(save(number) for number in range(len(versions))))
    assert house.local()["contended.pdf"] in versions
    assert house.local() == house.remote()


async def test_after_a_burst_both_copies_are_what_the_clients_stored(house: House) -> None:
    apps = [await house.start() for _ in range(3)]
    tally, ledger = Tally(), Ledger(remembered_deletes=1000)

    def done(op: str) -> int:
        return int(tally.report()["totals"][op]["ok"])

    async with Service(*(app.port for app in apps)) as service:
        settings = from_environment(
            {
                "CERT_LOAD_URL": service.url,
                "CERT_S3_PREFIX": house.prefix,
                "CERT_LOAD_READS_PER_SECOND": "60",
                "CERT_LOAD_SAVES_PER_SECOND": "40",
                "CERT_LOAD_DELETES_PER_SECOND": "10",
                "CERT_LOAD_OBJECTS": "60",
                "CERT_LOAD_SEED": "3",
            }
        )
        async with sessions(settings) as clients:
            traffic = Traffic(settings, ledger, tally, clients)
            running = asyncio.create_task(traffic.run())

            async def enough() -> bool:
                return done("read") >= 150 and done("overwrite") >= 60 and done("delete") >= 20

            await until("a burst of every operation", enough, 60)
            traffic.stop()
            await running
    assert tally.report()["errors"]["total"] == 0
    snapshot = ledger.snapshot()
    assert not snapshot.uncertain
    local, remote = house.local(), house.remote()
    assert local == remote
    assert local.keys() == snapshot.expected.keys()
    counted = [await app.counted() for app in apps]
    assert all(one["read"] > 0 for one in counted), "every replica served"
    assert not any(name.endswith(("fail", "fallback")) for one in counted for name in one)


async def test_flags_off_leave_s3_alone(house: House) -> None:
    app = await house.start(CERT_S3_READ_PRIMARY="false", CERT_S3_DUAL_WRITE="false", LOG_LEVEL="DEBUG")
    url = f"{app.url}/certificates/cert.pdf"
    async with aiohttp.ClientSession() as client:
        assert (await client.put(url, data=PDF)).status == 204
        read = await client.get(url)
        assert (read.headers["X-Certificate-Source"], await read.read()) == ("local", PDF)
    assert house.remote() == {}
    metrics = await app.metrics()
    assert metrics["cert_s3_get_seconds_count"] == 0
    assert await app.counted() == {"save": 1, "read": 1}


async def test_log_level_decides_what_is_told(house: House) -> None:
    quiet, loud = await house.start(LOG_LEVEL="WARNING"), await house.start(LOG_LEVEL="DEBUG")
    async with aiohttp.ClientSession() as client:
        for app in (quiet, loud):
            await client.put(f"{app.url}/certificates/cert.pdf", data=PDF)
    assert quiet.program.log.read_text() == ""
    assert "DEBUG s3_save name=cert.pdf seconds=" in loud.program.log.read_text()


async def test_a_volume_that_cannot_be_written_is_not_ready(house: House) -> None:
    app = await house.start()
    house.tree.rmdir()
    async with aiohttp.ClientSession() as client:
        assert (await client.get(f"{app.url}/readyz")).status == 503
        assert (await client.get(f"{app.url}/healthz")).status == 200
