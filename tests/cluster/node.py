"""The self-built cluster seen from the host: one process tree, one network cable, one control group, one folder."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
from contextlib import suppress
from functools import cached_property
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from tests.cluster import binaries, cgroups, components, images, nodeconfig, oci, packages, registry
from tests.cluster.components import API_PORT, CONTROLLERS_PORT, SCHEDULER_PORT
from tests.cluster.controlplane import answers
from tests.cluster.errors import ClusterError, CommandError
from tests.cluster.images import Image
from tests.cluster.init import NodeSpec
from tests.cluster.nodeconfig import DNS_READY_PORT, INTERFACE, KUBELET_HEALTH_PORT, NODE_NAME, PROXY_HEALTH_PORT, Cable
from tests.cluster.paths import CONFIG, ROOT, clone_id
from tests.cluster.pki import Authority, kubeconfig
from tests.cluster.processes import Process
from tests.cluster.registry import Entry
from tests.cluster.shell import holds_overlays, run, tail, until

READY_SECONDS = 120.0
DOWN_SECONDS = 30.0
CTR_SECONDS = 300.0
PREFIX_LENGTH = 30


class Node:
    """The node of one clone. Every method may be called in any state and after any crash."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.id = clone_id(root)
        self.state = root / ".cluster"
        self.folder = self.state / "node"
        self.kubeconfig = self.state / "kubeconfig"
        self.audit_log = self.folder / "audit/audit.log"
        self.cable_name = f"cs-{self.id}"
        self.cgroup = f"certstorage-{self.id}"

    def require(self) -> None:
        """Raise ClusterError unless a node can be made here; installs the packages it needs."""
        _require_root()
        packages.ensure(packages.NODE)

    def up(self) -> None:
        """Bring the node to readiness from whatever state it is in."""
        programs = binaries.kube().parent
        with registry.changing():
            self._refuse_copied_state()
            entry = registry.find(self.id)
            cable = entry.cable if entry else self._free_cable()
            address = str(cable.node)
            spec = NodeSpec(
                folder=str(self.folder),
                programs=str(programs),
                interface=INTERFACE,
                address=f"{address}/{PREFIX_LENGTH}",
                parts=nodeconfig.parts(address, containerd=Path(shutil.which("containerd") or "/usr/bin/containerd")),
            )
            wanted = {self.folder / name: content for name, content in self._files(spec, address).items()}
            same = all(file.exists() and file.read_text() == content for file, content in wanted.items())
            if not (same and entry and entry.process.alive):
                self._end()
                self._prepare_folder(address)
                for file, content in wanted.items():
                    file.write_text(content)
                self._start(spec, cable)
        self._wait_ready()

    def down(self) -> None:
        """End the node and remove all that was made for it but what is in the user's cache."""
        _require_root()
        with registry.changing():
            self._refuse_copied_state()
            self._end()
            registry.forget(self.id)
            shutil.rmtree(self.state, ignore_errors=True)

    @cached_property
    def client(self) -> tuple[str, ...]:
        """The kubectl of the same Kubernetes."""
        return (str(binaries.kube()), "kubectl")

    @property
    def address(self) -> str:
        """The node's address: NodePorts are reached there from the host. Raises ClusterError when it is not up."""
        entry = registry.find(self.id)
        if entry is None or not entry.process.alive:
            raise ClusterError("the cluster is not up: make cluster-up")
        return str(entry.cable.node)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard output of kubectl as the administrator. Raises CommandError when it fails."""
        return run([*self.client, f"--kubeconfig={self.kubeconfig}", *arguments], stdin=stdin)

    def ctr(self, *arguments: str | Path) -> str:
        """Standard output of containerd's own client, on the images and containers of Kubernetes."""
        entry = registry.find(self.id)
        if entry is None:
            raise ClusterError("the cluster is not up: make cluster-up")
        socket = f"/proc/{entry.pid}/root{nodeconfig.SOCKET}"
        return run(["ctr", f"--address={socket}", "--namespace=k8s.io", *arguments], timeout=CTR_SECONDS)

    def load(self, image: Image) -> None:
        """Bring an image to where Pods find it; nothing happens when it is there already."""
        archive = image.archive()
        listed = self.ctr("images", "list", f"name=={image.name}")
        if oci.read_archive(archive).digest not in listed:
            self.ctr("images", "import", archive)

    def health(self) -> dict[str, bool]:
        """Which parts work; all False when the node does not run."""
        urls = {
            "kube-apiserver": (f"https://{{}}:{API_PORT}/readyz", True),
            "kube-controller-manager": (f"https://{{}}:{CONTROLLERS_PORT}/healthz", True),
            "kube-scheduler": (f"https://{{}}:{SCHEDULER_PORT}/healthz", True),
            "kubelet": (f"http://{{}}:{KUBELET_HEALTH_PORT}/healthz", False),
            "kube-proxy": (f"http://{{}}:{PROXY_HEALTH_PORT}/healthz", False),
            "coredns": (f"http://{{}}:{DNS_READY_PORT}/ready", False),
        }
        try:
            address = self.address
        except ClusterError:
            return dict.fromkeys(["containerd", *urls], False)
        pki = self.folder / "pki"
        tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        return {"containerd": self._containerd_answers()} | {
            name: answers(url.format(address), tls if secure else None) for name, (url, secure) in urls.items()
        }

    def _containerd_answers(self) -> bool:
        try:
            self.ctr("version")
        except ClusterError:
            return False
        return True

    def _refuse_copied_state(self) -> None:
        """A copied clone brings the original's state along; acting on it could end the original's cluster."""
        owner = self.state / "owner"
        if owner.exists() and (root := Path(owner.read_text())) != self.root and root.exists():
            raise ClusterError(f"{self.state} was copied from {root}: delete the copy (rm -rf {self.state})")
        self.state.mkdir(exist_ok=True)
        owner.write_text(str(self.root))

    def _free_cable(self) -> Cable:
        addresses = [
            IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
            for link in json.loads(run(["ip", "-j", "-4", "address", "show"]))
            if link["ifname"] != self.cable_name
            for address in link["addr_info"]
        ]
        routes = [
            IPv4Network(route["dst"], strict=False)
            for route in json.loads(run(["ip", "-j", "-4", "route", "show", "table", "all"]))
            if route["dst"] != "default" and route.get("dev") != self.cable_name
        ]
        nodes = [entry.cable.network for name, entry in registry.entries() if name != self.id]
        cable = nodeconfig.choose_cable(self.id, [*addresses, *routes, *nodes])
        if cable is None:
            raise ClusterError(f"every address of {nodeconfig.RANGE} is taken on this machine")
        return cable

    def _files(self, spec: NodeSpec, address: str) -> dict[str, str]:
        """Everything that the parts read besides certificates: path in the node's folder → content."""
        cni = packages.cni_folder()
        if cni is None:
            raise ClusterError("the network plugins are gone: containernetworking-plugins")
        snapshotter = "overlayfs" if holds_overlays(self.state) else "native"
        files = nodeconfig.config_files(address, cni=cni, snapshotter=snapshotter, cgroup=f"/{self.cgroup}")
        return {
            **{f"config/{name}": content for name, content in files.items()},
            "config/audit-policy.yaml": (CONFIG / "audit-policy.yaml").read_text(),
            "spec.json": spec.to_json(),
        }

    def _prepare_folder(self, address: str) -> None:
        known = self.folder / "address"
        if not known.exists() or known.read_text() != address:
            # Certificates and the cluster's own objects carry the address: with another one the cluster starts anew.
            shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("audit", "bin", "config/cni", "etcd", "kubelet", "log", "pods", "volumes"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        known.write_text(address)
        self._write_identities(address)

    def _write_identities(self, address: str) -> None:
        authority = Authority(self.folder / "pki")
        authority.server(
            "apiserver", dns=components.serving_names(), ips=["127.0.0.1", components.SERVICE_API, address]
        )
        authority.server("kubelet-server", dns=[NODE_NAME], ips=[address])
        authority.client("service-accounts", user="service-accounts")
        authority.client("kubelet-client", user="kube-apiserver", groups=["system:masters"])
        users = {
            "kube-controller-manager": ("system:kube-controller-manager", ["system:masters"]),
            "kube-scheduler": ("system:kube-scheduler", []),
            "kube-proxy": ("system:kube-proxy", []),
            "coredns": ("system:coredns", []),
            "kubelet": (f"system:node:{NODE_NAME}", ["system:nodes"]),
            "admin": ("admin", ["system:masters"]),
        }
        for name, (user, groups) in users.items():
            kubeconfig(
                self.kubeconfig if name == "admin" else self.folder / f"config/{name}.kubeconfig",
                url=f"https://{address}:{API_PORT}",
                authority=authority.pair.cert,
                client=authority.client(name, user=user, groups=groups),
                context=f"certstorage-{self.id}",
            )

    def _start(self, spec: NodeSpec, cable: Cable) -> None:
        cgroups.make(self.cgroup)
        log = self.folder / "log/init.log"
        with log.open("ab") as errors:
            starter = subprocess.Popen(
                [sys.executable, "-c", "from tests.cluster.init import main; main()"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert starter.stdin is not None
        assert starter.stdout is not None
        with starter.stdout as hear, starter.stdin as tell:
            number = hear.readline().strip()
            starter.wait()
            process = Process.of(int(number)) if number else None
            if process is None:
                raise ClusterError(f"the node did not start{tail(log)}")
            registry.enter(self.id, Entry(str(self.root), process.pid, process.started, str(cable.network)))
            peer = ["peer", "name", spec.interface, "netns", str(process.pid)]
            run(["ip", "link", "add", "name", self.cable_name, "type", "veth", *peer])
            run(["ip", "address", "add", f"{cable.host}/{PREFIX_LENGTH}", "dev", self.cable_name])
            run(["ip", "link", "set", self.cable_name, "up"])
            tell.write(spec.to_json())
            tell.close()
            if hear.readline().strip() != "up":
                raise ClusterError(f"the node did not start{tail(log)}")

    def _end(self) -> None:
        """Kill the first process, by which the kernel ends the rest; then remove what the host still holds."""
        if entry := registry.find(self.id):
            entry.process.send(signal.SIGKILL)
            until("the end of the node's processes", lambda: not entry.process.alive, seconds=DOWN_SECONDS)
        until("the removal of the node's cable", self._cable_is_gone, seconds=DOWN_SECONDS)
        until("the removal of the node's control groups", lambda: cgroups.remove(self.cgroup), seconds=DOWN_SECONDS)

    def _cable_is_gone(self) -> bool:
        """Remove our end of it, unless the kernel did so with the node's end: that may be happening just now."""
        end = Path("/sys/class/net") / self.cable_name
        if end.exists():
            with suppress(CommandError):
                run(["ip", "link", "delete", self.cable_name])
        return not end.exists()

    def _wait_ready(self) -> None:
        logs = self.folder / "log"
        api = logs / "kube-apiserver.log"
        until("the apiserver ready", lambda: self.health()["kube-apiserver"], seconds=READY_SECONDS, log=api)
        self.kubectl("apply", "-f", str(CONFIG / "coredns-rbac.yaml"))
        until("every part ready", lambda: all(self.health().values()), seconds=READY_SECONDS, log=logs / "init.log")
        self.load(images.PAUSE)
        self.kubectl("wait", "node", NODE_NAME, "--for=create", f"--timeout={READY_SECONDS:g}s")
        self.kubectl("wait", "node", NODE_NAME, "--for=condition=Ready", f"--timeout={READY_SECONDS:g}s")


def _require_root() -> None:
    if os.geteuid() == 0:
        return
    absent = packages.missing([*packages.NODE, *packages.IMAGES])
    raise ClusterError(
        "a node of our own needs root (namespaces, mounts, a network interface): run with sudo -E, "
        "or have Docker and kind, or name a context with CLUSTER_CONTEXT"
        + (f"; it would install: {' '.join(absent)}" if absent else "")
    )
