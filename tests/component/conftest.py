"""What component tests share: one real control plane for the whole run."""

from collections.abc import Callable, Iterator

import pytest

from tests.cluster import ControlPlane, control_plane


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ControlPlane]:
    """etcd, kube-apiserver and kube-controller-manager. Shared: keep to a namespace of your own, and leave it running.

    A test that stops or kills a part of the control plane makes its own with ``tests.cluster.control_plane()``.
    """
    with control_plane() as plane:
        yield plane


@pytest.fixture(scope="session")
def kubectl(apiserver: ControlPlane) -> Callable[..., str]:
    """``kubectl("get", "pods", stdin=None)`` as cluster administrator: standard output, CommandError when it fails."""
    return apiserver.kubectl
