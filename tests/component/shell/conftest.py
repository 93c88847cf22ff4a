"""The shell against a real API server: Deployments, Pods and Jobs are real, no kubelet runs them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from certstorage.cluster.client import ApiCluster, login
from tests.cluster import ControlPlane
from tests.component.shell.account import Account
from tests.component.shell.stage import until

ROOT = Path(__file__).resolve().parents[3]
PLURALS = ("certstoragepolicies", "certstoragerequests", "certstorageincidents")


@pytest.fixture(scope="session")
def plane(apiserver: ControlPlane) -> ControlPlane:
    """The shared control plane with our kinds."""
    apiserver.kubectl("apply", "-k", str(ROOT / "crds"))
    kinds = [f"crd/{plural}.storage.deltacrown.io" for plural in PLURALS]
    apiserver.kubectl("wait", "--for=condition=Established", "--timeout=60s", *kinds)
    return apiserver


def _sockets() -> set[str]:
    """The sockets of this process, by the name that Linux gives them."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found.add(str(descriptor.readlink()))
    return {name for name in found if name.startswith("socket:")}


@pytest.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    """The event loop outlives its connections.

    aiohttp does not await the farewell of a TLS connection whose request was cancelled, nor kopf that of its watches.
    """
    before = _sockets()
    yield

    async def closed() -> bool:
        return _sockets() <= before

    await until("every connection is closed", closed)


@pytest.fixture
async def cluster(plane: ControlPlane) -> AsyncIterator[ApiCluster]:
    """The port, as administrator."""
    api = await login(kubeconfig_path=str(plane.kubeconfig))
    found = ApiCluster(api)
    yield found
    await found.close()


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"shell-{secrets.token_hex(4)}"
    plane.kubectl("create", "namespace", name)
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def account(plane: ControlPlane) -> Account:
    """An operator's login with the shipped role, enrolled nowhere yet."""
    return Account(plane)
