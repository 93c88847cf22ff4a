"""SeaweedFS and HAProxy, started once for all tests of the demo; a prefix and a tree for each."""

import asyncio
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.demo.deltacrown import bucket
from tests.component.demo.parts import (
    BUCKET,
    DEMO,
    House,
    Program,
    World,
    answers,
    container,
    free_port,
    manifest,
    until,
)


def haproxy() -> str:
    found = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.fail("HAProxy is missing: `make haproxy` or apt-get install haproxy")
    return found


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """S3 with its bucket, and the fault proxy."""
    folder = tmp_path_factory.mktemp("demo")
    started: list[Program] = []
    try:
        yield asyncio.run(begin(folder, started))
    finally:
        for program in started:
            program.kill()


async def begin(folder: Path, started: list[Program]) -> World:
    s3_port, proxy_port, control_port = free_port(), free_port(), free_port()
    secret = manifest("s3/seaweedfs.yaml", "Secret", "seaweedfs")["stringData"]
    (folder / "s3.json").write_text(secret["s3.json"])
    (folder / "data").mkdir()
    weed, *flags = container(manifest("s3/seaweedfs.yaml", "Deployment", "seaweedfs"))["command"]
    here = {
        "-dir": str(folder / "data"),
        "-s3.config": str(folder / "s3.json"),
        "-s3.ip.bind": "127.0.0.1",
        "-s3.port": str(s3_port),
        "-master.port": str(free_port()),
        "-volume.port": str(free_port()),
        "-filer.port": str(free_port()),
    }
    kept = [flag for flag in flags if flag.split("=")[0] not in here]
    command = [str(Path(sys.executable).with_name(weed)), *kept, *(f"{name}={value}" for name, value in here.items())]
    started.append(Program.start(command, folder / "seaweedfs.log", {}, cwd=folder))

    home = folder / "faultproxy"
    shutil.copytree(DEMO / "faultproxy", home)
    socket = folder / "haproxy.sock"
    proxy = {
        "FAULTPROXY_HOME": str(home),
        "FAULTPROXY_SOCKET": str(socket),
        "FAULTPROXY_BIND": f"127.0.0.1:{proxy_port}",
        "FAULTPROXY_UPSTREAM": f"127.0.0.1:{s3_port}",
        "FAULTPROXY_CONTROL_PORT": str(control_port),
    }
    started.append(
        Program.start([haproxy(), "-db", "-f", f"{home}/haproxy.cfg"], folder / "haproxy.log", proxy, cwd=folder)
    )
    control_log = folder / "control.log"
    started.append(Program.start([sys.executable, "-m", "faultproxy.control"], control_log, proxy))

    s3 = f"http://127.0.0.1:{s3_port}"
    found = World(s3, f"http://127.0.0.1:{proxy_port}", f"http://127.0.0.1:{control_port}", control_log, socket, folder)

    async def all_up() -> bool:
        for program in started:
            assert program.process.poll() is None, program.log.read_text()
        return await answers(f"{s3}/healthz") and await answers(f"{found.control}/fault")

    await until("SeaweedFS and the fault proxy answer", all_up, 60)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, secret[name])
        patch.setenv("CERT_S3_BUCKET", BUCKET)
        patch.setenv("AWS_ENDPOINT_URL_S3", s3)
        for step in ("create", "create", "wait"):
            assert await asyncio.to_thread(bucket.main, [step]) == 0
    return found


@pytest_asyncio.fixture
async def house(world: World, tmp_path: Path) -> AsyncIterator[House]:
    """A tree and a prefix of the test's own; without a fault before and after."""
    tree = tmp_path / "certificates"
    tree.mkdir()
    found = House(world, tree, f"certificates-{secrets.token_hex(4)}/")
    try:
        yield found
    finally:
        await world.switch("pass")
        for app in found.apps:
            app.program.kill()
