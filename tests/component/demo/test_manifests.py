"""A real API server takes every manifest, and knows every field of it."""

import secrets
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.component.demo.parts import DEMO

NAMESPACES = ("production", "s3", "monitoring")


@pytest.fixture(scope="module")
def suffix(kubectl: Callable[..., str]) -> Iterator[str]:
    """The API server is shared: the demo's namespaces under names of this test's own."""
    found = secrets.token_hex(4)
    for name in NAMESPACES:
        kubectl("create", "namespace", f"{name}-{found}")
    yield found
    for name in NAMESPACES:
        kubectl("delete", "namespace", f"{name}-{found}", "--wait=false")


@pytest.mark.parametrize("world", [".", "production-timing"])
def test_every_manifest_is_taken(kubectl: Callable[..., str], suffix: str, world: str) -> None:
    documents = []
    for document in yaml.safe_load_all(kubectl("kustomize", str(DEMO / world))):
        if document["kind"] == "Namespace":
            continue
        if "namespace" in document["metadata"]:
            document["metadata"]["namespace"] += f"-{suffix}"
        documents.append(document)
    taken = kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--output=name", "--filename=-"),
        stdin=yaml.safe_dump_all(documents),
    )
    assert len(taken.splitlines()) == len(documents)
