"""The first process of a node: makes the namespaces, prepares them, starts the components and keeps them running.

Everything of a node lives in mount, network, process, IPC and host name namespaces of its own. When this process ends,
in whatever way, the kernel ends every other process in there and takes mounts, interfaces and firewall rules with it.
The host sees a folder, one end of a cable and a control group.

Started by ``node.py`` with ``main()``. It prints the number the host knows the node by, reads a ``NodeSpec`` as
JSON from standard input to its end, and prints ``up`` when the components are being started. Errors go to standard
error.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000,
    0x4000000,
    0x8000000,
    0x20000000,
    0x40000000,
)

HOME = Path("/run/node")
"""The node's folder as the node sees it: short, so that sockets have room for their names."""

RESTART_AFTER = 1.0
"""Seconds between the end of a component and its next start."""


@dataclass(frozen=True, slots=True)
class Part:
    """A program to keep running. ``after`` names an address and port that must accept connections first."""

    name: str
    argv: tuple[str, ...]
    after: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """All that the first process needs to know."""

    folder: str
    """The node's folder on the host, seen as HOME inside; logs go to its ``log``."""
    programs: str
    """The folder of the Kubernetes program on the host, seen as HOME/bin inside."""
    interface: str
    address: str
    """With its prefix length: 10.213.7.6/30."""
    parts: tuple[Part, ...]

    def to_json(self) -> str:
        """What ``from_json`` reads."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "NodeSpec":
        """The inverse of ``to_json``."""
        raw = json.loads(text)
        parts = tuple(
            Part(part["name"], tuple(part["argv"]), (part["after"][0], part["after"][1]) if part["after"] else None)
            for part in raw.pop("parts")
        )
        return cls(**raw, parts=parts)


def main() -> None:
    """Fork into new namespaces; the parent reports the child and leaves."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET) != 0:
        sys.exit(f"namespaces cannot be made here: {os.strerror(ctypes.get_errno())}")
    child = os.fork()
    if child:
        print(child, flush=True)
        os._exit(0)
    os.setsid()
    for sig in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, signal.SIG_IGN)
    spec = NodeSpec.from_json(sys.stdin.read())
    prepare(spec)
    print("up", flush=True)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    Supervisor(spec.parts, HOME).run()


def prepare(spec: NodeSpec) -> None:
    """Mounts, network and limits of the node."""
    _do("mount", "--make-rprivate", "/")
    _do("mount", "-t", "proc", "proc", "/proc")
    _do("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    for folder in (HOME, Path("/run/tmp"), Path("/run/var/upper"), Path("/run/var/work")):
        folder.mkdir(parents=True)
    _do("mount", "--bind", spec.folder, str(HOME))
    _do("mount", "--bind", spec.programs, str(HOME / "bin"))
    # What the node writes below /var is its own, two places of it on disk; all else of the host is read-only.
    layers = "lowerdir=/var,upperdir=/run/var/upper,workdir=/run/var/work"
    _do("mount", "-t", "overlay", "-o", layers, "overlay", "/var")
    for kept, seen in (("pods", "/var/log/pods"), ("volumes", "/var/lib/certstorage-demo")):
        Path(seen).mkdir(parents=True, exist_ok=True)
        _do("mount", "--bind", str(HOME / kept), seen)
    _do("mount", "-o", "remount,bind,ro", "/")

    _do("ip", "link", "set", "lo", "up")
    _do("ip", "address", "add", spec.address, "dev", spec.interface)
    _do("ip", "link", "set", spec.interface, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")


class Supervisor:
    """Starts what is not running, reaps what ended; forever."""

    def __init__(self, parts: Sequence[Part], home: Path) -> None:
        self.home = home
        self.waiting: dict[str, tuple[Part, float]] = {part.name: (part, 0.0) for part in parts}
        """Parts to start, and the monotonic time before which they are not."""
        self.running: dict[int, Part] = {}
        (home / "log").mkdir(exist_ok=True)

    def run(self) -> None:
        """Wake for every child that ends, and often enough while something waits for its turn."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        while True:
            self.start_due(time.monotonic())
            signal.sigtimedwait({signal.SIGCHLD}, 0.1 if self.waiting else 60.0)
            self.reap(time.monotonic())

    def start_due(self, now: float) -> None:
        """Start every waiting part whose time has come and whose predecessor accepts connections."""
        for part, due in list(self.waiting.values()):
            if due <= now and (part.after is None or _accepts(*part.after)):
                del self.waiting[part.name]
                self.running[self.spawn(part)] = part

    def reap(self, now: float) -> None:
        """Take notice of every child that ended, orphans of the node's processes among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if part := self.running.pop(pid, None):
                code = os.waitstatus_to_exitcode(status)
                print(
                    f"{time.strftime('%FT%TZ', time.gmtime())} {part.name} ended with {code}",
                    file=sys.stderr,
                    flush=True,
                )
                self.waiting[part.name] = (part, now + RESTART_AFTER)

    def spawn(self, part: Part) -> int:
        """Start a part with a bare environment; its output goes to its log."""
        log = os.open(self.home / "log" / f"{part.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            return os.posix_spawn(
                part.argv[0],
                part.argv,
                {
                    "PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin",
                    "HOME": "/run/tmp",
                    "TMPDIR": "/run/tmp",
                },
                file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)],
                setpgroup=0,
                setsigmask=[],
                setsigdef=[signal.SIGHUP, signal.SIGINT, signal.SIGTERM],
            )
        finally:
            os.close(log)


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.2):
            return True
    except OSError:
        return False
