"""Making the bucket what the local tree says, without ever losing what the application writes meanwhile.

Every write carries a condition (If-None-Match: * where nothing was seen, If-Match: <ETag> where something was), so a
newer dual-write is never overwritten; the local file is looked at again after each PUT, and a version of ours whose
file was deleted meanwhile is taken back. Nothing is deleted plainly: an object that should be gone is copied under the
quarantine prefix first. The local tree is never written.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from certstorage.validator.facts import Look, Outcome
from certstorage.validator.localtree import FileChangedError, LocalError, LocalTree
from certstorage.validator.store import Fault, Store, StoreError

_MD5 = re.compile(r"[0-9a-f]{32}")
_PDF = b"%PDF-"


class Act(StrEnum):
    """What was done about one key."""

    UPLOADED = "uploaded"
    QUARANTINED = "quarantined"
    TAKEN_BACK = "taken_back"
    """Uploaded, then removed again: the application had deleted the file meanwhile."""
    OVERTAKEN = "overtaken"
    """Someone else wrote it meanwhile; nothing was changed, to be looked at again."""
    LOCAL_SUSPECT = "local_suspect"
    """The local file is damaged and the object is not: left for a person."""
    FAILED = "failed"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Done:
    """One act. `etag` is that of the version we wrote."""

    key: str
    act: Act
    etag: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Mender:
    """Repairs one key at a time. `quarantine` is a key prefix outside every census, ending in "/"."""

    tree: LocalTree
    store: Store
    quarantine: str

    def mend(self, found: Look) -> Done:
        """Act on a mismatch that was seen twice; anything else is left alone.

        Raises:
            StoreError: a fault every further request would meet.
        """
        try:
            if found.outcome in (Outcome.MISSING, Outcome.DIFFERENT):
                return self._upload(found)
            if found.outcome is Outcome.EXTRA:
                return self._put_away(found)
        except StoreError as error:
            if error.fault.hopeless:
                raise
            act = Act.OVERTAKEN if error.fault is Fault.CHANGED else Act.FAILED
            return Done(found.key, act, detail=str(error))
        except FileChangedError:
            return Done(found.key, Act.OVERTAKEN, detail="the local file changed")
        except LocalError as error:
            return Done(found.key, Act.FAILED, detail=str(error))
        return Done(found.key, Act.NOTHING)

    def take_back(self, done: Done) -> Done:
        """The late look at an upload: remove our version if its file is gone and nobody wrote since."""
        try:
            if self.tree.stat(done.key) is None:
                self.store.delete(done.key, etag=done.etag)
                return Done(done.key, Act.TAKEN_BACK)
        except LocalError as error:
            return Done(done.key, Act.FAILED, done.etag, str(error))
        except StoreError as error:
            if error.fault.hopeless:
                raise
            return done if error.fault is Fault.CHANGED else Done(done.key, Act.FAILED, done.etag, str(error))
        return done

    def _upload(self, found: Look) -> Done:
        local = self.tree.read(found.key)
        if local is None:
            return Done(found.key, Act.OVERTAKEN, detail="the local file was deleted")
        facts, data = local
        if found.remote is not None and self._is_suspect(found.key, data):
            return Done(found.key, Act.LOCAL_SUSPECT, detail="the local file is no PDF, the object is one")
        etag = self.store.put(found.key, data, replacing=found.remote.etag if found.remote else None)
        after = self.tree.stat(found.key)
        if after is None:
            self.store.delete(found.key, etag=etag)
            return Done(found.key, Act.TAKEN_BACK, etag)
        if after != facts:
            return Done(found.key, Act.OVERTAKEN, etag, "the local file changed while it was uploaded")
        if _MD5.fullmatch(etag) and etag != hashlib.md5(data, usedforsecurity=False).hexdigest():
            return Done(found.key, Act.UPLOADED, etag, "stored under an ETag that is not its MD5")
        return Done(found.key, Act.UPLOADED, etag)

    def _put_away(self, found: Look) -> Done:
        assert found.remote is not None
        target = f"{self.quarantine}{found.key}"
        self.store.copy(found.key, target)
        copied = self.store.head(target)
        if copied is None or copied.size != found.remote.size:
            return Done(found.key, Act.OVERTAKEN, detail="the object changed while it was copied")
        if self.tree.stat(found.key) is not None:
            return Done(found.key, Act.OVERTAKEN, detail="the local file is back")
        self.store.delete(found.key, etag=found.remote.etag)
        back = self.tree.read(found.key)
        if back is not None:
            etag = self.store.put(found.key, back[1], replacing=None)
            return Done(found.key, Act.OVERTAKEN, etag, "the local file came back")
        return Done(found.key, Act.QUARANTINED, detail=target)

    def _is_suspect(self, key: str, data: bytes) -> bool:
        if not key.lower().endswith(".pdf") or data.startswith(_PDF):
            return False
        remote = self.store.get(key)
        return remote is not None and remote.data.startswith(_PDF)
