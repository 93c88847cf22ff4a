"""A bucket in memory with faults and interruptions, and two copies to play with."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certstorage.validator.context import Context
from certstorage.validator.digesters import Crew
from certstorage.validator.facts import RemoteFacts
from certstorage.validator.keys import KeyMap
from certstorage.validator.localtree import LocalTree
from certstorage.validator.store import BIG, Body, Fault, Listed, StoreError
from certstorage.validator.throttle import Throttle

PREFIX = "certificates/"
OWN = ".certstorage/"


def pdf(text: str = "a certificate", size: int = 0) -> bytes:
    """A document that is whole by the validator's rules."""
    return b"%PDF-1.7\n" + text.encode() + b" " * size + b"\n%%EOF\n"


@dataclass(slots=True)
class Stored:
    """An object."""

    data: bytes
    etag: str
    modified: datetime


class FakeStore:
    """A Store that honours conditions as S3 does. `before` is called with (verb, key) ahead of every request."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.before: Callable[[str, str], object] = lambda verb, key: None
        self.requests: list[tuple[str, str]] = []
        self.damaged_on_the_way: Callable[[str, bytes], bytes] = lambda key, data: data
        self.honours_conditions = True
        self.bucket = True
        self.kept_checksums: dict[str, dict[str, str]] = {}
        self._lock = threading.RLock()

    def write(self, key: str, data: bytes, *, etag: str = "", age: timedelta = timedelta(hours=1)) -> None:
        """As if someone had written it, some time ago."""
        digest = etag or hashlib.md5(data).hexdigest()
        self.objects[key] = Stored(data, digest, datetime.now(UTC) - age)

    def list(self, prefix: str) -> Iterator[Sequence[Listed]]:
        with self._request("list", prefix):
            found = [Listed(key, _facts(one)) for key, one in self.objects.items() if key.startswith(prefix)]
        for at in range(0, len(found), 1000):
            yield found[at : at + 1000]

    def head(self, key: str) -> RemoteFacts | None:
        with self._request("head", key):
            found = self.objects.get(key)
            return _facts(found) if found else None

    def get(self, key: str) -> Body | None:
        with self._request("get", key):
            found = self.objects.get(key)
            if found is None:
                return None
            data = self.damaged_on_the_way(key, found.data)
            return Body(_facts(found), data if len(data) <= BIG else None)

    def holds(self, key: str, data: bytes) -> bool | None:
        with self._request("holds", key):
            found = self.objects.get(key)
            return self.damaged_on_the_way(key, found.data) == data if found else None

    def chunks(self, key: str) -> tuple[RemoteFacts, Iterator[bytes]] | None:
        with self._request("chunks", key):
            found = self.objects.get(key)
            if found is None:
                return None
            data, piece = found.data, 1 << 20
            return _facts(found), (data[at : at + piece] for at in range(0, len(data), piece))

    def put(self, key: str, data: bytes, *, replacing: str | None) -> str:
        with self._request("put", key):
            found = self.objects.get(key)
            if self.honours_conditions and (found.etag if found else None) != replacing:
                raise StoreError(Fault.CHANGED, key)
            self.write(key, data, age=timedelta(0))
            return self.objects[key].etag

    def delete(self, key: str, *, etag: str) -> None:
        with self._request("delete", key):
            found = self.objects.get(key)
            if found is not None:
                if self.honours_conditions and found.etag != etag:
                    raise StoreError(Fault.CHANGED, key)
                del self.objects[key]

    def copy(self, source: str, target: str) -> None:
        with self._request("copy", source):
            if source not in self.objects:
                raise StoreError(Fault.CHANGED, source)
            self.write(target, self.objects[source].data, age=timedelta(0))

    def checksums(self, key: str) -> dict[str, str]:
        with self._request("checksums", key):
            return self.kept_checksums.get(key, {})

    def _request(self, verb: str, key: str) -> threading.RLock | nullcontext[None]:
        self.before(verb, key)
        self.requests.append((verb, key))
        if not self.bucket:
            raise StoreError(Fault.NO_BUCKET, "the bucket is gone")
        return self._lock


class Silent:
    """Progress nobody looks at."""

    def phase(self, name: str, total: int | None) -> None: ...

    def step(self, count: int = 1, mismatches: int = 0) -> None: ...

    def say(self, text: str) -> None: ...


@dataclass
class Copies:
    """Both copies of a tree of certificates, with a clock that only moves when someone waits."""

    root: Path
    store: FakeStore = field(default_factory=FakeStore)
    waited: list[float] = field(default_factory=list, repr=False)
    on_wait: Callable[[], object] = lambda: None
    workers: int = 4

    def save(self, name: str, data: bytes | None = None, *, age: float = 3600) -> str:
        """Save to both, `age` seconds ago; returns the key."""
        data = pdf(name) if data is None else data
        self.save_locally(name, data, age=age)
        self.store.write(PREFIX + name, data, age=timedelta(seconds=age))
        return PREFIX + name

    def save_locally(self, name: str, data: bytes, *, age: float = 3600) -> str:
        """Save to the local tree only."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_bytes(data)
        then = datetime.now(UTC).timestamp() - age
        os.utime(fresh, (then, then))
        fresh.replace(path)
        return PREFIX + name

    def save_remotely(self, name: str, data: bytes, *, age: float = 3600) -> str:
        """Save to the bucket only: what a missed delete leaves behind."""
        self.store.write(PREFIX + name, data, age=timedelta(seconds=age))
        return PREFIX + name

    def delete_locally(self, name: str) -> str:
        """Delete from the local tree only."""
        (self.root / name).unlink()
        return PREFIX + name

    def same(self) -> bool:
        """Whether the bucket holds what the tree holds, and nothing else."""
        local = {
            PREFIX + str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file()
        }
        return local == {key: one.data for key, one in self.store.objects.items() if key.startswith(PREFIX)}

    @property
    def context(self) -> Context:
        """For the commands; waiting takes no time."""
        keys = KeyMap(PREFIX, str(self.root), OWN)
        stop = Stop(self)
        throttle = Throttle(self.workers, stop=stop)
        return Context(
            LocalTree.open(keys), self.store, throttle, self.workers, Silent(), lambda: datetime.now(UTC), Crew()
        )


class Stop(threading.Event):
    """A stop that is never asked for, and under which waiting takes no time."""

    def __init__(self, copies: Copies) -> None:
        super().__init__()
        self._copies = copies

    def wait(self, timeout: float | None = None) -> bool:
        self._copies.waited.append(timeout or 0.0)
        self._copies.on_wait()
        return self.is_set()


def _facts(found: Stored) -> RemoteFacts:
    return RemoteFacts(len(found.data), found.etag, found.modified)
