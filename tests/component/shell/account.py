"""Somebody who may do what the shipped role allows, in some namespaces, and nothing else."""

from __future__ import annotations

import secrets
from pathlib import Path

from tests.cluster import ControlPlane

ROOT = Path(__file__).resolve().parents[3]
ROLE = "certstorage-operator-enrolled"


class Account:
    """An operator's login. `kubeconfig` is its way in."""

    def __init__(self, plane: ControlPlane) -> None:
        rules = (ROOT / "deploy" / "operator" / "rbac.yaml").read_text()
        role = next(one for one in rules.split("\n---\n") if f"name: {ROLE}" in one)
        plane.kubectl("apply", "-f", "-", stdin=role)
        self.user = f"operator-{secrets.token_hex(4)}"
        self.kubeconfig = plane.user_kubeconfig(self.user)
        self._plane = plane

    def enrol(self, namespace: str) -> None:
        """Bind the role in this namespace."""
        binding = ("create", "rolebinding", "certstorage-operator", f"--namespace={namespace}")
        self._plane.kubectl(*binding, f"--clusterrole={ROLE}", f"--user={self.user}")

    def dismiss(self, namespace: str) -> None:
        """Take the binding away."""
        self._plane.kubectl("delete", "rolebinding", "certstorage-operator", f"--namespace={namespace}")
