"""Bringing the demo up, in an order in which each part finds what it needs, from whatever state things are in."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from certstorage.api.policy import GROUP
from tests.cluster import images, ways
from tests.e2e.story import cluster
from tests.e2e.story.world import Place

ROOT = Path(__file__).resolve().parents[3]
READY_SECONDS = 240
"""For all Deployments of one part: everything starts from local images, on two cores at worst."""

IMAGES = "certstorage-demo/images"
"""Annotation of the namespaces: which images their Pods were started from."""

MEND = ("python", "-m", "faultproxy.faultctl", "set", "pass")

Say = Callable[[str], None]


class StandError(Exception):
    """The demo could not be brought up; the message says which part, and why."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One set of manifests, and how often Prometheus evaluates its rules with it."""

    world: str
    operator: str
    policy: str
    evaluation: timedelta

    def manifest(self) -> Any:
        """The policy, as its file says."""
        return yaml.safe_load((ROOT / self.policy).read_text())

    def spec(self) -> Any:
        """Its spec."""
        return self.manifest()["spec"]


SCALED = Timing("deploy/demo", "deploy/demo/operator", "deploy/demo/generated/policy.yaml", timedelta(seconds=2))
PRODUCTION = Timing(
    "deploy/demo/production-timing",
    "deploy/demo/production-timing/operator",
    "deploy/demo/production-timing/generated/policy.yaml",
    timedelta(seconds=15),
)


def is_up() -> bool:
    """Whether this clone has a cluster already."""
    return ways.remembered() is not None


def up(say: Say, timing: Timing = SCALED) -> Place:
    """Bring up the cluster and the demo on it, and wait until every part is ready.

    Raises:
        StandError: a part does not come up.
        ClusterError: the cluster does not.
    """
    begun = time.monotonic()

    def told(text: str) -> None:
        say(f"{time.monotonic() - begun:5.0f} s  {text}")

    told("a Kubernetes cluster")
    again = is_up()
    way = ways.up(os.environ.get("CLUSTER_CONTEXT"))
    if way.audit_log is None:
        raise StandError(
            "the demo reads the API server's audit log, and this cluster's is not known: use one of our own"
        )
    for image in images.ALL:
        told(f"image {image.name}")
        way.load(image)
    built = {image.name: image.archive().stem for image in images.ALL}
    kubectl = Kubectl((*way.client, f"--kubeconfig={way.kubeconfig}"))
    told("S3 and the faults before it, Prometheus, Alertmanager, the application and its users, the operator")
    kubectl("delete", "job", "create-bucket", "--namespace=s3", "--ignore-not-found")  # S3 may have started anew
    kubectl("apply", "--kustomize", "deploy/demo/s3")
    kubectl("apply", "--kustomize", timing.world)
    kubectl("apply", "--kustomize", "crds")
    kubectl("wait", "--for=condition=Established", f"crd/certstoragepolicies.{GROUP}", "--timeout=30s")
    kubectl("apply", "--kustomize", timing.operator)
    told("waiting for S3")
    kubectl.ready("s3", built)
    kubectl("wait", "--for=condition=Complete", "job/create-bucket", "--namespace=s3", f"--timeout={READY_SECONDS}s")
    kubectl("exec", "--namespace=s3", "deployment/faultproxy", "--container=control", "--", *MEND)
    told("waiting for the application, and all that looks at it")
    kubectl.ready("monitoring", built)
    if again:  # users who have forgotten what an earlier story, or a new S3, may have lost
        kubectl("rollout", "restart", f"--namespace={cluster.NAMESPACE}", "deployment/loadgen")
    kubectl.ready(cluster.NAMESPACE, built)
    told("waiting for the operator; its policy")
    kubectl.ready(cluster.OPERATOR_NAMESPACE, built)
    kubectl("apply", "--filename", timing.policy)
    kubectl("patch", "--filename", timing.policy, "--type=json", f"--patch={_exactly(timing)}")
    told("everything is up")
    return Place(kubectl.command, way.kubeconfig, way.audit_log, _reached_at(kubectl.node_address()))


def _exactly(timing: Timing) -> str:
    """The JSON patch that makes a policy's spec what its file says: an interrupted story may have left more in it."""
    return json.dumps([{"op": "replace", "path": "/spec", "value": timing.spec()}])


def down() -> None:
    """End the cluster and all that is in it."""
    ways.current().down()


def _reached_at(node: str) -> str:
    """This machine's address as the node sees it: the one that traffic to the node comes from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((node, 9))  # nothing is sent
        address: str = probe.getsockname()[0]
    return address


def farewell(place: Place) -> str:
    """How to look around, and how to end it."""
    return f"The cluster stays up: export KUBECONFIG={place.kubeconfig}\nmake cluster-down ends it."


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl against one cluster, in the project's folder."""

    command: tuple[str, ...]

    def __call__(self, *arguments: str) -> str:
        """Standard output. Raises StandError with what it said when it fails."""
        done = subprocess.run([*self.command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StandError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def ready(self, namespace: str, built: dict[str, str]) -> None:
        """Wait until the namespace's Deployments are ready, on the images that were built last."""
        for deployment in self._outdated(namespace, built):
            self("rollout", "restart", f"--namespace={namespace}", f"deployment/{deployment}")
        self("annotate", "--overwrite", f"namespace/{namespace}", f"{IMAGES}={json.dumps(built, sort_keys=True)}")
        for deployment in json.loads(self("get", "deployments", f"--namespace={namespace}", "--output=json"))["items"]:
            name = deployment["metadata"]["name"]
            self("rollout", "status", f"--namespace={namespace}", f"deployment/{name}", f"--timeout={READY_SECONDS}s")

    def node_address(self) -> str:
        """Address of the node."""
        return self("get", "nodes", "--output=jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}")

    def _outdated(self, namespace: str, built: dict[str, str]) -> Iterator[str]:
        """Deployments whose image has been built anew since they were started."""
        found = json.loads(self("get", f"namespace/{namespace}", "--output=json"))
        before = json.loads(found["metadata"].get("annotations", {}).get(IMAGES, "{}"))
        changed = {name for name in built if before.get(name, built[name]) != built[name]}
        for deployment in json.loads(self("get", "deployments", f"--namespace={namespace}", "--output=json"))["items"]:
            used = {container["image"] for container in deployment["spec"]["template"]["spec"]["containers"]}
            if used & changed:
                yield deployment["metadata"]["name"]
