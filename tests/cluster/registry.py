"""Which nodes run on this machine, known even when a clone was deleted under its node."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TextIO

from tests.cluster.nodeconfig import Cable
from tests.cluster.processes import Process

FOLDER = Path("/run/certstorage")
"""One file for each node; on a file system that a reboot empties, as it ends the nodes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One node: the clone it belongs to, its first process, whose end is the end of all others, and its network."""

    root: str
    pid: int
    started: int
    network: str

    @property
    def process(self) -> Process:
        return Process(self.pid, self.started)

    @property
    def cable(self) -> Cable:
        return Cable(IPv4Network(self.network))


def entries() -> Iterator[tuple[str, Entry]]:
    """Every node by the id of its clone, alive or not."""
    for file in sorted(FOLDER.glob("*.json")):
        yield file.stem, Entry(**json.loads(file.read_text()))


def find(clone: str) -> Entry | None:
    """What is known of one clone's node."""
    return dict(entries()).get(clone)


def enter(clone: str, entry: Entry) -> None:
    """Write a node down, before it has made anything but its first process."""
    unfinished = FOLDER / f"{clone}.new"
    unfinished.write_text(json.dumps(asdict(entry)))
    unfinished.rename(FOLDER / f"{clone}.json")


def forget(clone: str) -> None:
    """Strike a node off."""
    (FOLDER / f"{clone}.json").unlink(missing_ok=True)


@contextmanager
def changing() -> Iterator[None]:
    """Hold while nodes are made and ended, so that two clones never choose the same network.

    The folder, and the lock in it, goes when it holds no node any more.
    """
    with _lock():
        try:
            yield
        finally:
            if not any(entries()):
                shutil.rmtree(FOLDER)


def _lock() -> TextIO:
    while True:
        FOLDER.mkdir(exist_ok=True)
        # Whoever waited while the folder went away holds the lock of a file that nobody else sees: once more, then.
        with suppress(FileNotFoundError):
            file = (FOLDER / "lock").open("w")
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(file.fileno()), (FOLDER / "lock").stat()):
                return file
            file.close()
