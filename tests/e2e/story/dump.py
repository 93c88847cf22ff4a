"""What a person needs to see when a story failed: who said what, and the state that things were left in."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.e2e.story import cluster
from tests.e2e.story.kube import Kube, KubeError

LINES = 80
"""Last lines of each log."""

_LOOKS: tuple[tuple[str, ...], ...] = (
    ("get", "nodes,pods", "--all-namespaces", "--output=wide"),
    ("get", "certstoragepolicies", "--all-namespaces", "--output=yaml"),
    ("get", "deployment", cluster.DEPLOYMENT, f"--namespace={cluster.NAMESPACE}", "--output=yaml"),
    ("get", "jobs", f"--namespace={cluster.NAMESPACE}", "--output=wide"),
    ("get", "events", f"--namespace={cluster.NAMESPACE}", "--sort-by=.metadata.creationTimestamp"),
    (
        "logs",
        f"--namespace={cluster.OPERATOR_NAMESPACE}",
        f"--selector={cluster.OPERATOR_LABELS}",
        f"--tail={LINES}",
        "--prefix",
        "--ignore-errors",
    ),
    ("logs", "--namespace=production", "deployment/loadgen", f"--tail={LINES // 4}"),
)


async def dump(kube: Kube) -> AsyncIterator[str]:
    """Each look's command and what it showed; one that fails says why and the others go on."""
    for look in _LOOKS:
        yield f"--- kubectl {' '.join(look)}"
        try:
            yield (await kube.kubectl(*look, seconds=30)).rstrip()
        except KubeError as error:
            yield str(error)
