"""Every policy that is known, for what one must know of another: the same Deployment, or the same bucket and prefix.

Fed by the watch and by a periodic list, which drops what the watch missed. Nothing is decided on it alone: a pass
starts by reading its policy from the API server.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator

from certstorage.api.observed import Neighbours
from certstorage.api.policy import Policy

Key = tuple[str, str]
"""Namespace and name of a policy."""


class Registry:
    """Policies by key, by Deployment and by bucket."""

    def __init__(self) -> None:
        self._policies: dict[Key, Policy] = {}
        self._targets: dict[Key, set[Key]] = defaultdict(set)
        self._versions: dict[Key, str] = {}
        self._buckets: dict[tuple[str, str], list[tuple[str, Key]]] = defaultdict(list)

    def __iter__(self) -> Iterator[Policy]:
        return iter(tuple(self._policies.values()))

    def __len__(self) -> int:
        return len(self._policies)

    def __contains__(self, key: Key) -> bool:
        return key in self._policies

    def get(self, key: Key) -> Policy | None:
        """The policy as it was last seen."""
        return self._policies.get(key)

    def put(self, policy: Policy) -> set[Key]:
        """Remember a policy; the keys of others that this may concern."""
        old = self._policies.get(policy.key)
        if old == policy:
            return set()
        concerned = set() if old is None else self.drop(policy.key)
        self._policies[policy.key] = policy
        self._targets[_target(policy)].add(policy.key)
        insort(self._buckets[_bucket(policy)], (policy.spec.storage.prefix, policy.key))
        return (concerned | self._near(policy)) - {policy.key}

    def drop(self, key: Key) -> set[Key]:
        """Forget a policy; the keys of others that this may concern."""
        policy = self._policies.get(key)
        if policy is None:
            return set()
        concerned = self._near(policy) - {key}
        del self._policies[key]
        targets, bucket = self._targets[_target(policy)], self._buckets[_bucket(policy)]
        targets.discard(key)
        if not targets:
            del self._targets[_target(policy)]
            self._versions.pop(_target(policy), None)
        bucket.pop(bisect_left(bucket, (policy.spec.storage.prefix, key)))
        if not bucket:
            del self._buckets[_bucket(policy)]
        return concerned

    def of_target(self, namespace: str, name: str) -> tuple[Key, ...]:
        """The policies that care for this Deployment."""
        return tuple(self._targets.get((namespace, name), ()))

    def saw(self, namespace: str, name: str, resource_version: str) -> None:
        """A pass has read this Deployment at this version."""
        if (namespace, name) in self._targets:
            self._versions[namespace, name] = resource_version

    def seen(self, namespace: str, name: str) -> str:
        """The version of a Deployment that a pass read last; empty when none did."""
        return self._versions.get((namespace, name), "")

    def neighbours(self, policy: Policy) -> Neighbours:
        """Who stands against this policy: an older one on the same Deployment, any other on the same objects."""
        older = [
            other
            for key in self._targets.get(_target(policy), ())
            if key != policy.key and (other := self._policies[key]) and _age(other) < _age(policy)
        ]
        first = min(older, key=_age, default=None)
        shared = min(self._overlapping(policy), default=None)
        return Neighbours(
            same_target="" if first is None else "/".join(first.key),
            same_storage="" if shared is None else "/".join(shared),
        )

    def _near(self, policy: Policy) -> set[Key]:
        return set(self._targets.get(_target(policy), ())) | set(self._overlapping(policy))

    def _overlapping(self, policy: Policy) -> Iterator[Key]:
        """Other policies whose prefix contains this one's, is contained in it, or is the same."""
        prefix, bucket = policy.spec.storage.prefix, self._buckets.get(_bucket(policy), [])
        for length in range(len(prefix)):
            yield from _at(bucket, prefix[:length])
        for index in range(bisect_left(bucket, (prefix,)), len(bucket)):
            found, key = bucket[index]
            if not found.startswith(prefix):
                break
            if key != policy.key:
                yield key


def _at(bucket: list[tuple[str, Key]], prefix: str) -> Iterator[Key]:
    for index in range(bisect_left(bucket, (prefix,)), len(bucket)):
        if bucket[index][0] != prefix:
            break
        yield bucket[index][1]


def _target(policy: Policy) -> Key:
    return policy.namespace, policy.spec.target.name


def _bucket(policy: Policy) -> tuple[str, str]:
    storage = policy.spec.storage
    return storage.endpoint.rstrip("/").lower(), storage.bucket


def _age(policy: Policy) -> tuple[str, str]:
    """Orders policies by age; the UID decides within one second."""
    return policy.created, policy.uid
