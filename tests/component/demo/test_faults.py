"""Every fault as the application sees it: counted as the contract says, and never an error to a client."""

import asyncio
import random
import time

import aiohttp
import pytest

from deploy.demo.loadgen.pdf import certificate
from tests.component.demo.parts import App, House, until

RNG = random.Random(4)
OLD = certificate("Old", filler=RNG, padding=400)
NEW = certificate("New", filler=RNG, padding=400)
HASTY = {"CERT_S3_CONNECT_TIMEOUT": "0.5", "CERT_S3_READ_TIMEOUT": "0.5"}


async def live(app: App, name: str) -> tuple[int, str, bytes, int, int]:
    """Read, overwrite, delete: the three statuses, and what the read gave."""
    url = f"{app.url}/certificates/{name}"
    async with aiohttp.ClientSession() as client:
        read = await client.get(url)
        body = await read.read()
        saved = await client.put(url, data=NEW)
        deleted = await client.delete(url)
        return read.status, read.headers["X-Certificate-Source"], body, saved.status, deleted.status


@pytest.mark.parametrize("fault", ["reset", "error503", "partial=100", "blackhole"])
async def test_s3_fails_and_no_client_notices(house: House, fault: str) -> None:
    house.store("kept-alive.pdf", OLD)
    house.store("a.pdf", OLD)
    app = await house.start(**HASTY)
    async with aiohttp.ClientSession() as client:
        assert (await client.get(f"{app.url}/certificates/kept-alive.pdf")).status == 200
    before = await app.counted()
    assert before == {"read": 1}

    await house.world.switch(fault)
    assert await live(app, "a.pdf") == (200, "local", OLD, 204, 204)
    assert await app.counted() == {
        "read": 2,
        "read_fallback": 1,
        "save": 1,
        "save_fail": 1,
        "write": 1,
        "delete": 1,
        "delete_fail": 1,
    }
    assert (await app.metrics())["cert_s3_get_seconds_count"] == 1, "failed reads have no latency"
    assert house.local().keys() == {"kept-alive.pdf"}
    assert house.remote() == {"kept-alive.pdf": OLD, "a.pdf": OLD}, "S3 fell behind"

    await house.world.switch("pass")
    async with aiohttp.ClientSession() as client:
        read = await client.get(f"{app.url}/certificates/kept-alive.pdf")
        assert read.headers["X-Certificate-Source"] == "s3"


async def test_a_black_hole_is_in_flight_and_holds_up_nothing_else(house: House) -> None:
    house.store("a.pdf", OLD)
    reads_s3 = await house.start(CERT_S3_CONNECT_TIMEOUT="1", CERT_S3_READ_TIMEOUT="1")
    reads_local = await house.start(CERT_S3_READ_PRIMARY="false", **HASTY)
    await house.world.switch("blackhole")
    async with aiohttp.ClientSession() as client:
        hanging = [
            asyncio.create_task(client.get(f"{reads_s3.url}/certificates/a.pdf")),
            *(
                asyncio.create_task(client.put(f"{reads_local.url}/certificates/new-{number}.pdf", data=NEW))
                for number in range(40)
            ),
        ]

        async def all_hang() -> bool:
            read = (await reads_s3.metrics())['cert_s3_in_flight{op="read"}']
            return read == 1 and (await reads_local.metrics())['cert_s3_in_flight{op="save"}'] == 40

        await until("one read and forty saves wait for S3", all_hang)
        began = time.monotonic()
        assert (await client.get(f"{reads_s3.url}/readyz")).status == 200
        assert (await client.get(f"{reads_local.url}/readyz")).status == 200
        read = await client.get(f"{reads_local.url}/certificates/a.pdf")
        assert (read.headers["X-Certificate-Source"], await read.read()) == ("local", OLD)
        assert not hanging[0].done(), "reads of S3 wait for their three attempts"
        assert time.monotonic() - began < 3
        first, *saves = await asyncio.gather(*hanging)
        assert (first.status, await first.read()) == (200, OLD)
        assert [save.status for save in saves] == [204] * 40
    assert len(house.local()) == 41
    assert (await reads_s3.metrics())['cert_s3_in_flight{op="read"}'] == 0
    assert (await reads_local.metrics())['cert_s3_in_flight{op="save"}'] == 0


async def test_a_delay_is_latency_and_no_failure(house: House) -> None:
    house.store("a.pdf", OLD)
    app = await house.start()
    await house.world.switch("delay=600")
    assert await live(app, "a.pdf") == (200, "s3", OLD, 204, 204)
    assert await app.counted() == {"read": 1, "save": 1, "write": 1, "write_success": 1, "delete": 1}
    metrics = await app.metrics()
    assert metrics['cert_s3_get_seconds_bucket{le="0.5"}'] == 0
    assert metrics["cert_s3_get_seconds_count"] == 1
    assert house.local() == house.remote() == {}


async def test_some_of_the_reads_fall_back_when_some_requests_fail(house: House) -> None:
    house.store("a.pdf", OLD)
    app = await house.start()
    await house.world.switch("partial=60")
    async with aiohttp.ClientSession() as client:

        async def read() -> tuple[int, str]:
            response = await client.get(f"{app.url}/certificates/a.pdf")
            return response.status, response.headers["X-Certificate-Source"]

        seen = await asyncio.gather(*(read() for _ in range(60)))
    assert set(seen) == {(200, "s3"), (200, "local")}
    assert (await app.counted())["read_fallback"] == seen.count((200, "local"))


async def test_so_many_saves_fail_and_reads_and_deletes_do_not(house: House) -> None:
    app = await house.start()
    await house.world.switch("put:failing=20")
    async with aiohttp.ClientSession() as client:
        for number in range(20):
            url = f"{app.url}/certificates/cert-{number}.pdf"
            assert (await client.put(url, data=NEW)).status == 204
            assert (await (await client.get(url)).read()) == NEW
            assert (await client.delete(url)).status == 204
    counted = await app.counted()
    assert counted["save_fail"] == 4
    assert counted["write"] - counted["write_success"] == 4
    assert counted["read_fallback"] == 4, "what was not saved to S3 is read from local disk"
    assert "delete_fail" not in counted


async def test_a_lost_answer_is_a_failure_that_leaves_both_copies_equal(house: House) -> None:
    app = await house.start()
    await house.world.switch("put:lost=50")
    async with aiohttp.ClientSession() as client:
        for number in range(6):
            assert (await client.put(f"{app.url}/certificates/cert-{number}.pdf", data=NEW)).status == 204
    assert (await app.counted())["save_fail"] == 3
    assert len(house.local()) == 6
    assert house.local() == house.remote()


async def test_deletes_that_are_denied_fail_at_once_and_leave_the_object(house: House) -> None:
    house.store("a.pdf", OLD)
    app = await house.start()
    await house.world.switch("delete:denied")
    async with aiohttp.ClientSession() as client:
        assert (await client.delete(f"{app.url}/certificates/a.pdf")).status == 204
    assert await app.counted() == {"delete": 1, "delete_fail": 1}
    assert "code=AccessDenied" in app.program.log.read_text()
    assert (house.local(), house.remote()) == ({}, {"a.pdf": OLD})


async def test_with_the_read_flag_off_a_fault_is_not_met_by_reads(house: House) -> None:
    house.store("a.pdf", OLD)
    app = await house.start(CERT_S3_READ_PRIMARY="false", **HASTY)
    await house.world.switch("error503")
    assert await live(app, "a.pdf") == (200, "local", OLD, 204, 204)
    assert await app.counted() == {
        "read": 1,
        "save": 1,
        "save_fail": 1,
        "write": 1,
        "delete": 1,
        "delete_fail": 1,
    }


async def test_failures_name_the_key_and_s3s_code(house: House) -> None:
    app = await house.start()
    await house.world.switch("error503")
    async with aiohttp.ClientSession() as client:
        await client.put(f"{app.url}/certificates/a.pdf", data=NEW)
    log = app.program.log.read_text()
    assert "WARNING s3_save_failed name=a.pdf seconds=" in log
    assert "code=SlowDown" in log
