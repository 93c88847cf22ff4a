"""What one run of a program takes, with the processes that it starts."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_GLANCE_SECONDS = 0.02


@dataclass(frozen=True)
class Taken:
    """Seconds of time and of CPU; the largest resident set of the whole family in MiB, what is shared counted twice."""

    wall_seconds: float
    cpu_seconds: float
    rss_mib: float
    exit_code: int


def run(command: Sequence[str], environment: Mapping[str, str], *, silent: bool = True) -> Taken:
    """Run it to its end."""
    sink = subprocess.DEVNULL if silent else None
    largest = 0
    ended = threading.Event()

    def watch() -> None:
        nonlocal largest
        while not ended.wait(_GLANCE_SECONDS):
            largest = max(largest, sum(map(_resident, _family(process.pid))))

    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    return Taken(
        round(wall, 3),
        round(used.ru_utime + used.ru_stime, 3),
        round(max(largest, used.ru_maxrss * 1024) / (1 << 20), 1),
        process.returncode,
    )


def _family(pid: int) -> list[int]:
    """A process and its children; one that still has its parent's command line has no memory of its own yet."""
    try:
        own = Path(f"/proc/{pid}/cmdline").read_bytes()
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        return [pid, *(child for child in children if Path(f"/proc/{child}/cmdline").read_bytes() != own)]
    except OSError:
        return [pid]  # one of them, or a thread, has just ended


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
