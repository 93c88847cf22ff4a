"""The node's first process, as far as it can be watched without namespaces."""

import socket
import time
from pathlib import Path

import pytest

from tests.cluster import init
from tests.cluster.init import Part, Supervisor
from tests.cluster.shell import until


def started(home: Path, name: str) -> int:
    log = home / "log" / f"{name}.log"
    return log.read_text().count("started") if log.exists() else 0


def speaker(name: str, after: tuple[str, int] | None = None) -> Part:
    return Part(name, ("/bin/sh", "-c", "echo started"), after)


def test_what_ended_is_started_again_but_not_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor([speaker("one")], tmp_path)
    supervisor.start_due(now=0.0)

    def reaped() -> bool:
        supervisor.reap(now=10.0)
        return not supervisor.running

    until("the end of the part", reaped, seconds=10)
    assert "one ended with 0" in capfd.readouterr().err
    supervisor.start_due(now=10.0)
    assert not supervisor.running
    supervisor.start_due(now=10.0 + init.RESTART_AFTER)
    assert len(supervisor.running) == 1
    until("the second end", reaped, seconds=10)
    assert started(tmp_path, "one") == 2


def test_a_part_waits_for_the_one_before_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        open_port, closed_port = ("127.0.0.1", port), ("127.0.0.2", port)
        supervisor = Supervisor([speaker("ready", open_port), speaker("early", closed_port)], tmp_path)
        supervisor.start_due(time.monotonic())
    assert [part.name for part in supervisor.running.values()] == ["ready"]
    assert list(supervisor.waiting) == ["early"]

    def reaped() -> bool:
        supervisor.reap(time.monotonic())
        return not supervisor.running

    until("the end of the part", reaped, seconds=10)
