"""The command line of every part of the cluster: pure, so that a test can look at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ETCD_PORT, ETCD_PEER_PORT = 2379, 2380
API_PORT = 6443
CONTROLLERS_PORT, SCHEDULER_PORT = 10257, 10259
SERVICE_RANGE = "10.96.0.0/16"
SERVICE_API = "10.96.0.1"


@dataclass(frozen=True, slots=True)
class Component:
    """One program of the cluster."""

    name: str
    argv: tuple[str, ...]


def etcd(kube: Path, *, address: str, data: Path) -> Component:
    """etcd without fsync: a test cluster's data may go with the power."""
    client, peer = f"http://{address}:{ETCD_PORT}", f"http://{address}:{ETCD_PEER_PORT}"
    options = [
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    return Component("etcd", (str(kube), "etcd", *options))


def apiserver(
    kube: Path, *, address: str, etcd_address: str, pki: Path, audit_policy: Path, audit_log: Path, node: bool
) -> Component:
    """The apiserver on ``address``; ``node`` is set where a kubelet joins and the Service ``kubernetes`` leads here."""
    options = [
        f"--etcd-servers=http://{etcd_address}:{ETCD_PORT}",
        f"--bind-address={address}",
        f"--advertise-address={address}",
        f"--secure-port={API_PORT}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'service-accounts.crt'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--audit-policy-file={audit_policy}",
        f"--audit-log-path={audit_log}",
        "--audit-log-maxsize=500",
        "--audit-log-maxbackup=2",
        "--profiling=false",
    ]
    if node:
        options += [
            f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kubelet-client.key'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            "--kubelet-preferred-address-types=InternalIP",
        ]
    else:
        # A loopback address may not stand in the endpoints of the Service kubernetes.
        options += ["--endpoint-reconciler-type=none"]
    return Component("kube-apiserver", (str(kube), "kube-apiserver", *options))


def controller_manager(kube: Path, *, address: str, kubeconfig: Path, pki: Path) -> Component:
    """All controllers under one identity, which must be in system:masters; no leader election, since there is one.

    With an identity for each controller the first Pod would wait five seconds longer for all their tokens.
    """
    options = [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={address}",
        f"--secure-port={CONTROLLERS_PORT}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        "--use-service-account-credentials=false",
        "--leader-elect=false",
        "--profiling=false",
    ]
    return Component("kube-controller-manager", (str(kube), "kube-controller-manager", *options))


def scheduler(kube: Path, *, address: str, kubeconfig: Path, pki: Path) -> Component:
    """The scheduler, without a leader election."""
    options = [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={address}",
        f"--secure-port={SCHEDULER_PORT}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        "--leader-elect=false",
        "--profiling=false",
    ]
    return Component("kube-scheduler", (str(kube), "kube-scheduler", *options))


def serving_names(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """The DNS names under which Pods and people reach the apiserver."""
    return ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", *extra)
