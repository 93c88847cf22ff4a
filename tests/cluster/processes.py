"""Processes of ours, told from others that got the same number later."""

import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One run of a program: number and start time (clock ticks since boot), together never used again."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process that has this number now; None when there is none, or only its zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in {"Z", "X"} else cls(pid, int(rest[18]))

    @property
    def alive(self) -> bool:
        """True while this very process runs."""
        return Process.of(self.pid) == self

    def send(self, sig: signal.Signals) -> None:
        """Signal this very process; nothing happens when it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # The handle pins the process: if the start time fits now, the signal reaches no other.
            if self.alive:
                signal.pidfd_send_signal(handle, sig)
        except ProcessLookupError:
            return
        finally:
            os.close(handle)

    def save(self, path: Path) -> None:
        """Write a pid file that ``load`` reads back."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "Process | None":
        """The process a pid file names; None without a file, or when a crash left it half written."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
