"""Running commands and waiting for conditions: the two things every module here does."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError, CommandError


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
) -> str:
    """Standard output of a command; ``env`` is added to ours. Raises CommandError with its standard error otherwise."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            input=stdin,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{command[0]} did not end within {timeout:g} s") from error
    if done.returncode != 0:
        raise CommandError(" ".join(str(part) for part in command), done.returncode, done.stderr or done.stdout)
    return done.stdout


def until(what: str, condition: Callable[[], bool], *, seconds: float, log: Path | None = None) -> None:
    """Wait until the condition holds; ClusterError naming ``what``, with the end of ``log``, after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {seconds:g} s{tail(log)}")
        time.sleep(0.1)


def tail(log: Path | None, characters: int = 1500) -> str:
    """The end of a log file for an error message; empty when there is none."""
    if log is None or not log.exists():
        return ""
    return f"; {log} ends with:\n{log.read_text(errors='replace')[-characters:]}"


def holds_overlays(folder: Path) -> bool:
    """False where layers of overlay file systems cannot be kept: a container's own overlay, a network file system."""
    return run(["stat", "--file-system", "--format=%T", folder]).strip() not in {
        "overlayfs",
        "nfs",
        "fuseblk",
        "ecryptfs",
    }
