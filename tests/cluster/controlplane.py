"""etcd, kube-apiserver and kube-controller-manager on a loopback address of their own: for component tests."""

import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import components
from tests.cluster.binaries import kube
from tests.cluster.components import API_PORT, CONTROLLERS_PORT, ETCD_PORT, Component
from tests.cluster.errors import ClusterError
from tests.cluster.paths import CONFIG
from tests.cluster.pki import Authority, kubeconfig
from tests.cluster.shell import run, tail, until

START_SECONDS = 90.0
STOP_SECONDS = 30.0


class ControlPlane:
    """A running control plane; made by ``control_plane()``. Component names are the ones Kubernetes uses."""

    def __init__(self, folder: Path, address: str, *, controllers: bool) -> None:
        self.folder = folder
        self.address = address
        self.url = f"https://{address}:{API_PORT}"
        self.audit_log = folder / "audit.log"
        self._authority = Authority(folder / "pki")
        self._authority.server("apiserver", dns=components.serving_names(), ips=[address, components.SERVICE_API])
        self._authority.client("service-accounts", user="service-accounts")
        admin = self._authority.client("admin", user="admin", groups=["system:masters"])
        self.ca = self._authority.pair.cert
        self.client_cert, self.client_key = admin.cert, admin.key
        self.kubeconfig = kubeconfig(
            folder / "kubeconfig", url=self.url, authority=self.ca, client=admin, context="certstorage-component"
        )
        self.tls = ssl.create_default_context(cafile=str(self.ca))
        self.tls.load_cert_chain(self.client_cert, self.client_key)
        self._components = {part.name: part for part in self._parts(controllers)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def _parts(self, controllers: bool) -> Iterator[Component]:
        pki = self.folder / "pki"
        yield components.etcd(kube(), address=self.address, data=self.folder / "etcd")
        yield components.apiserver(
            kube(),
            address=self.address,
            etcd_address=self.address,
            pki=pki,
            audit_policy=CONFIG / "audit-policy.yaml",
            audit_log=self.audit_log,
            node=False,
        )
        if controllers:
            identity = self._identity("system:kube-controller-manager", groups=["system:masters"])
            yield components.controller_manager(kube(), address=self.address, kubeconfig=identity, pki=pki)

    def _identity(self, user: str, groups: Sequence[str] = ()) -> Path:
        name = user.replace(":", "-").replace("/", "-")
        client = self._authority.client(name, user=user, groups=groups)
        path = self.folder / f"{name}.kubeconfig"
        return kubeconfig(path, url=self.url, authority=self.ca, client=client, context=name)

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """The kubeconfig of another user; what it may do is up to RBAC."""
        return self._identity(user, groups)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard output of kubectl as the administrator. Raises CommandError when it fails."""
        return run([kube(), "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments], stdin=stdin, timeout=120)

    def start(self, *names: str) -> None:
        """Start the named components (all when none is named) that do not run, and wait until each is ready."""
        for name in names or self._components:
            if name not in self._running or self._running[name].poll() is not None:
                self._spawn(self._components[name])
            self._wait_ready(name)

    def stop(self, *names: str) -> None:
        """SIGTERM to the named components (all when none is named), last started first, and wait for their end."""
        self._end(names, signal.SIGTERM)

    def kill(self, *names: str) -> None:
        """SIGKILL to the named components (all when none is named), and wait for their end."""
        self._end(names, signal.SIGKILL)

    def restart(self, *names: str) -> None:
        """``stop`` and ``start``."""
        self.stop(*names)
        self.start(*names)

    def log(self, name: str) -> Path:
        """What a component wrote to standard output and error."""
        return self.folder / f"{name}.log"

    def _spawn(self, component: Component) -> None:
        # A child does not outlive us: the kernel kills it when the thread that made it ends, however it ends.
        command = ["setpriv", "--pdeathsig", "KILL", *component.argv]
        with self.log(component.name).open("ab") as log:
            self._running[component.name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )

    def _end(self, names: Sequence[str], sig: signal.Signals) -> None:
        ending = [
            self._running.pop(name) for name in reversed(names or list(self._components)) if name in self._running
        ]
        for process in ending:
            process.send_signal(sig)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # The apiserver waits a minute for open watches of clients that do not let go.
                process.kill()
                process.wait()

    def _wait_ready(self, name: str) -> None:
        url = {
            "etcd": f"http://{self.address}:{ETCD_PORT}/readyz",
            "kube-apiserver": f"{self.url}/readyz",
            "kube-controller-manager": f"https://{self.address}:{CONTROLLERS_PORT}/healthz",
        }[name]
        log = self.log(name)

        def ready() -> bool:
            if (code := self._running[name].poll()) is not None:
                raise ClusterError(f"{name} ended with {code} at its start{tail(log)}")
            return answers(url, self.tls)

        until(f"{name} ready at {url}", ready, seconds=START_SECONDS, log=log)
        if name == "kube-controller-manager":
            # Whatever makes a Pod needs this one, and only the controllers make it.
            until(
                "the default service account",
                lambda: answers(f"{self.url}/api/v1/namespaces/default/serviceaccounts/default", self.tls),
                seconds=START_SECONDS,
                log=log,
            )


def answers(url: str, tls: ssl.SSLContext | None = None) -> bool:
    """True when a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=tls) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_address() -> str:
    """A loopback address nobody listens on: with one for each control plane, ports are fixed and never contended."""
    while True:
        address = f"127.77.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
        with socket.socket() as probe:
            try:
                probe.bind((address, API_PORT))
            except OSError:
                continue
            return address


@contextmanager
def control_plane(*, controllers: bool = True, keep: Path | None = None) -> Iterator[ControlPlane]:
    """Start a control plane, give it, and end it. Its files go with it unless ``keep`` names a folder."""
    folder = keep or Path(tempfile.mkdtemp(prefix="certstorage-"))
    folder.mkdir(parents=True, exist_ok=True)
    plane = ControlPlane(folder, free_address(), controllers=controllers)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
        if keep is None:
            shutil.rmtree(folder)
