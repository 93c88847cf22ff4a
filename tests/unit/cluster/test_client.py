"""What an answer of the API server means, whoever gives it: the server itself, or something in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from certstorage.cluster.client import ApiCluster
from certstorage.cluster.port import (
    JOBS,
    SCALED_OBJECTS,
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    NotServedError,
    UnavailableError,
    UnprocessableError,
)


@asynccontextmanager
async def answering(status: int, text: str) -> AsyncIterator[ApiCluster]:
    """A cluster that answers everything so."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    settings = Configuration(host=f"http://{host}:{port}", client_session_kwargs={"trust_env": False})
    cluster = ApiCluster(ApiClient(settings), timeout_seconds=5)
    try:
        yield cluster
    finally:
        await cluster.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (404, '{"kind": "Status", "message": "jobs.batch \\"x\\" not found", "reason": "NotFound"}', NotFoundError),
        (404, "404 page not found\n", NotServedError),
        (404, "<html>no such page</html>", UnavailableError),
        (502, "404 page not found\n", UnavailableError),
        (403, '{"message": "forbidden"}', ForbiddenError),
        (409, '{"reason": "AlreadyExists"}', AlreadyExistsError),
        (409, '{"reason": "Conflict"}', ConflictError),
        (410, '{"reason": "Expired"}', GoneError),
        (422, '{"reason": "Invalid"}', UnprocessableError),
        (400, '{"reason": "BadRequest"}', UnprocessableError),
        (401, '{"reason": "Unauthorized"}', UnavailableError),
        (429, '{"reason": "TooManyRequests"}', UnavailableError),
        (500, '{"reason": "InternalError"}', UnavailableError),
        (200, "[]", UnavailableError),
        (200, "", UnavailableError),
    ],
)
async def test_what_an_answer_means(status: int, text: str, expected: type[ClusterError]) -> None:
    async with answering(status, text) as cluster:
        with pytest.raises(expected) as raised:
            await cluster.get(JOBS, "production", "x")
        assert type(raised.value) is expected
        assert "production/jobs/x" in str(raised.value)


async def test_a_group_that_is_not_served_says_nothing_of_an_object() -> None:
    async with answering(404, "404 page not found\n") as cluster:
        with pytest.raises(NotServedError):
            await cluster.list(SCALED_OBJECTS, "production")
    assert not issubclass(NotServedError, NotFoundError)


async def test_an_object_comes_as_it_is() -> None:
    async with answering(200, '{"kind": "Job"}') as cluster:
        assert await cluster.get(JOBS, "production", "x") == {"kind": "Job"}
