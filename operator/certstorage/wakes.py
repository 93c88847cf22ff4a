"""What the watch says, turned into keys to look at. Nothing of what it carries is believed; it only wakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from certstorage.api.policy import InvalidPolicyError, parse
from certstorage.cluster.jobs import LABEL_POLICY
from certstorage.cluster.port import INCIDENTS, REQUESTS, Resource
from certstorage.registry import Key, Registry

Body = Mapping[str, Any]
Fingerprint = tuple[object, ...]


def fingerprint(metadata: Body) -> Fingerprint:
    """What of a policy's metadata changes when somebody else than our own status write changed it."""
    return (
        metadata.get("uid"),
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        tuple(metadata.get("finalizers", ())),
        tuple(sorted(metadata.get("annotations", {}).items())),
    )


class Wakes:
    """Turns events into wake-ups. `wake` is the queue's."""

    def __init__(self, registry: Registry, wake: Callable[[Key], None]) -> None:
        self._registry, self._wake = registry, wake
        self._seen: dict[Key, Fingerprint] = {}
        self._papers: dict[tuple[Resource, str, str], Fingerprint] = {}

    def policy(self, kind: str | None, body: Body) -> None:
        """A policy was listed, added, changed or deleted; our own status writes and re-lists say nothing new."""
        metadata = body["metadata"]
        key = (metadata["namespace"], metadata["name"])
        if kind == "DELETED":
            self._seen.pop(key, None)
            self._wake(key)
            return
        now = fingerprint(metadata)
        if self._seen.get(key) != now:
            self._seen[key] = now
            self._know(body)
            self._wake(key)

    def _know(self, body: Body) -> None:
        """Remember the policy, and wake those whom it concerns; one that cannot be read is left to its pass."""
        try:
            concerned = self._registry.put(parse(body))
        except InvalidPolicyError:
            return
        for other in concerned:
            self._wake(other)

    def request(self, kind: str | None, body: Body) -> None:
        """A request was listed, made, changed or deleted: wake the policy that it names."""
        self._paper(REQUESTS, kind, body, body.get("spec", {}).get("policyName"))

    def incident(self, kind: str | None, body: Body) -> None:
        """An incident was listed, made, written by people or deleted: wake the policy whose label it carries."""
        self._paper(INCIDENTS, kind, body, body["metadata"].get("labels", {}).get(LABEL_POLICY))

    def _paper(self, resource: Resource, kind: str | None, body: Body, policy: str | None) -> None:
        """Our own status writes and re-lists say nothing new: they move no generation."""
        metadata = body["metadata"]
        paper = (resource, metadata["namespace"], metadata["name"])
        now = (metadata.get("uid"), metadata.get("generation"), metadata.get("deletionTimestamp"))
        if kind == "DELETED":
            self._papers.pop(paper, None)
        elif self._papers.get(paper) == now:
            return
        else:
            self._papers[paper] = now
        if policy:
            self._wake((metadata["namespace"], policy))

    def job(self, body: Body) -> None:
        """A Job of ours changed: wake the policy in its label."""
        name = body["metadata"].get("labels", {}).get(LABEL_POLICY)
        if name:
            self._wake((body["metadata"]["namespace"], name))

    def deployment(self, body: Body) -> None:
        """A Deployment was listed or changed: wake the policies that care for it, if no pass has read this version."""
        metadata = body["metadata"]
        if self._registry.seen(metadata["namespace"], metadata["name"]) == metadata["resourceVersion"]:
            return
        for key in self._registry.of_target(metadata["namespace"], metadata["name"]):
            self._wake(key)

    def listed(self, bodies: Mapping[Key, Body]) -> None:
        """All policies that there are, from a list: wake the new and changed, and the ghosts that the watch missed."""
        for body in bodies.values():
            self.policy(None, body)
        for key in [key for key in self._seen if key not in bodies]:
            self.policy("DELETED", {"metadata": {"namespace": key[0], "name": key[1]}})
        for policy in self._registry:
            if policy.key not in bodies:
                self._wake(policy.key)
