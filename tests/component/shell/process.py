"""The operator as a process of its own, with configuration, ports and a nudge token."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import yaml

TOKEN = "nudge-token"


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One operator. `log` is what it wrote."""

    def __init__(
        self, folder: Path, identity: str, kubeconfig: Path, prometheus: str, namespaces: list[str] | str
    ) -> None:
        self.folder, self.identity = folder, identity
        self.port, self.nudge_port = free_port(), free_port()
        self.lease = folder.name.replace("_", "-").lower()
        self.log = folder / f"{identity}.log"
        config = folder / f"{identity}.yaml"
        document = {
            "prometheus": {"default": {"url": prometheus}},
            "validatorImage": "validator:1",
            "allowedEnv": ["CERT_S3_READ_PRIMARY", "CERT_S3_DUAL_WRITE", "LOG_LEVEL"],
            "enrolledNamespaces": namespaces,
            "pollSeconds": 5,
        }
        config.write_text(yaml.safe_dump(document))
        token = folder / "token"
        token.write_text(TOKEN)
        self._argv = [
            str(Path(sys.executable).with_name("certstorage-operator")),
            f"--config={config}",
            f"--kubeconfig={kubeconfig}",
            f"--identity={identity}",
            "--lease-namespace=default",
            f"--lease-name={self.lease}",
            "--host=127.0.0.1",
            f"--port={self.port}",
            f"--nudge-port={self.nudge_port}",
            f"--nudge-token-file={token}",
        ]
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until its probes answer."""
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(*self._argv, stdout=output, stderr=output)
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while await self.get(session, "/healthz") != 200:
                assert self._process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)

    async def get(self, session: aiohttp.ClientSession, path: str) -> int:
        """The status of a probe; 0 when nobody answers."""
        try:
            async with session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def metric(self, session: aiohttp.ClientSession, start: str) -> float:
        """The value of the first metric line that starts so; 0 when there is none."""
        async with session.get(f"http://127.0.0.1:{self.port}/metrics") as answer:
            for line in (await answer.text()).splitlines():
                if line.startswith(start):
                    return float(line.rpartition(" ")[2])
        return 0.0

    async def nudge(self, session: aiohttp.ClientSession) -> int:
        """Nudge it as Alertmanager does."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with session.post(f"http://127.0.0.1:{self.nudge_port}/nudge", headers=headers, json={}) as answer:
            return answer.status

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, if it runs, and wait for its end; the exit code."""
        if self._process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        return await asyncio.wait_for(self._process.wait(), 30)
