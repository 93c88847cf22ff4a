"""The configuration files of a node and the command lines of its parts: pure, so that a test can look at them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import yaml

from tests.cluster import components
from tests.cluster.components import API_PORT, ETCD_PORT
from tests.cluster.init import HOME, Part

NODE_NAME = "certstorage-node"
INTERFACE = "eth0"
POD_RANGE = "10.244.0.0/24"
CLUSTER_DOMAIN = "cluster.local"
PAUSE_IMAGE = "localhost/pause:dev"
SOCKET = "/run/containerd/containerd.sock"
KUBELET_HEALTH_PORT, PROXY_HEALTH_PORT, DNS_READY_PORT = 10248, 10256, 8181

RANGE = IPv4Network("10.213.0.0/16")
"""The cables between the host and its nodes: four addresses each."""


@dataclass(frozen=True, slots=True)
class Cable:
    """The two ends of the link between host and node."""

    network: IPv4Network

    @property
    def host(self) -> IPv4Address:
        return self.network.network_address + 1

    @property
    def node(self) -> IPv4Address:
        return self.network.network_address + 2


def choose_cable(clone: str, taken: list[IPv4Network]) -> Cable | None:
    """The first free four addresses, looked for from a place that depends on the clone; None when there are none.

    Networks wider than /12 are a host's way to somewhere else (a VPN): four addresses taken out of one do no harm.
    """
    near = [network for network in taken if network.prefixlen > 12]
    networks = list(RANGE.subnets(new_prefix=30))
    first = int(clone, 16) % len(networks)
    for network in networks[first:] + networks[:first]:
        if not any(network.overlaps(other) for other in near):
            return Cable(network)
    return None


def parts(address: str, *, containerd: Path) -> tuple[Part, ...]:
    """Everything that runs on the node, in the order of starting."""
    kube, pki, config = HOME / "bin/kube", HOME / "pki", HOME / "config"
    api = (address, API_PORT)

    def kubeconfig(user: str) -> Path:
        return config / f"{user}.kubeconfig"

    etcd = components.etcd(kube, address="127.0.0.1", data=HOME / "etcd")
    server = components.apiserver(
        kube,
        address=address,
        etcd_address="127.0.0.1",
        pki=pki,
        audit_log=HOME / "audit/audit.log",
        audit_policy=config / "audit-policy.yaml",
        node=True,
    )
    controllers = components.controller_manager(
        kube, address=address, kubeconfig=kubeconfig("kube-controller-manager"), pki=pki
    )
    scheduler = components.scheduler(kube, address=address, kubeconfig=kubeconfig("kube-scheduler"), pki=pki)
    return (
        Part("containerd", (str(containerd), f"--config={config / 'containerd.toml'}")),
        Part("etcd", etcd.argv),
        Part("kube-apiserver", server.argv, after=("127.0.0.1", ETCD_PORT)),
        Part("kube-controller-manager", controllers.argv, after=api),
        Part("kube-scheduler", scheduler.argv, after=api),
        Part(
            "kubelet",
            (
                str(kube),
                "kubelet",
                f"--config={config / 'kubelet.yaml'}",
                f"--kubeconfig={kubeconfig('kubelet')}",
                f"--root-dir={HOME / 'kubelet'}",
                f"--hostname-override={NODE_NAME}",
                f"--node-ip={address}",
            ),
            after=api,
        ),
        Part("kube-proxy", (str(kube), "kube-proxy", f"--config={config / 'kube-proxy.yaml'}"), after=api),
        Part("coredns", (str(kube), "coredns", f"-conf={config / 'Corefile'}"), after=api),
    )


def config_files(address: str, *, cni: Path, snapshotter: str, cgroup: str) -> Mapping[str, str]:
    """File name → content, for everything the parts read besides certificates and kubeconfigs."""
    return {
        "containerd.toml": containerd_toml(cni=cni, snapshotter=snapshotter),
        "cni/10-pods.conflist": json.dumps(POD_NETWORK, indent=1),
        "kubelet.yaml": yaml.safe_dump(kubelet(address, cgroup=cgroup)),
        "kube-proxy.yaml": yaml.safe_dump(kube_proxy(address)),
        "Corefile": corefile(address),
    }


# A cable for each Pod and routes between them: no bridge, so no kernel module for filtering on bridges either.
POD_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni",
                "ranges": [[{"subnet": POD_RANGE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}


def containerd_toml(*, cni: Path, snapshotter: str) -> str:
    """containerd for Kubernetes and nothing else."""
    return f"""\
version = 2
root = "{HOME}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"]

[grpc]
  address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Where CAP_SYS_RESOURCE is missing, a Pod's score cannot be set below our own and no Pod would start.
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{HOME}/config/cni"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""


def kubelet(address: str, *, cgroup: str) -> dict[str, object]:
    """KubeletConfiguration. Disk and memory are the host's: their filling up is not the node's to act on."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "healthzBindAddress": address,
        "healthzPort": KUBELET_HEALTH_PORT,
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(HOME / "pki/ca.crt")},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(HOME / "pki/kubelet-server.crt"),
        "tlsPrivateKeyFile": str(HOME / "pki/kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": dict.fromkeys(
            ["memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"],
            "0%",
        ),
        "imageGCHighThresholdPercent": 100,
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [address],
        "resolvConf": "",
        "volumePluginDir": str(HOME / "volumeplugins"),
        "nodeStatusReportFrequency": "1m",
        "syncFrequency": "10s",
        "serializeImagePulls": False,
    }


def kube_proxy(address: str) -> dict[str, object]:
    """KubeProxyConfiguration. Connection tracking limits belong to the host's kernel and stay as they are."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(HOME / "config/kube-proxy.kubeconfig")},
        "hostnameOverride": NODE_NAME,
        "healthzBindAddress": f"{address}:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": "127.0.0.1:10249",
        "clusterCIDR": POD_RANGE,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def corefile(address: str) -> str:
    """Names of the cluster; there is no other, because nothing leads out of the node."""
    return f"""\
.:53 {{
    bind {address}
    errors
    ready {address}:{DNS_READY_PORT}
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {HOME}/config/coredns.kubeconfig
        ttl 5
    }}
    cache 5
    loadbalance
}}
"""
