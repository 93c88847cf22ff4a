"""Making the bucket what the local tree says, without ever losing what the application writes meanwhile.

Every write carries a condition (If-None-Match: * where nothing was seen, If-Match: <ETag> where something was), so a
newer dual-write is never overwritten; the local file is looked at again after each PUT, and a version of ours whose
file was deleted meanwhile is taken back. Nothing is deleted plainly: an object that should be gone is copied under the
quarantine prefix first. The local tree is never written.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from certstorage.validator.facts import Cause, Look, Outcome
from certstorage.validator.localfile import FileChangedError, LocalError
from certstorage.validator.localtree import LocalTree
from certstorage.validator.store import Fault, Store, StoreError

LARGEST = 512 << 20
"""Bytes a file may have to be uploaded: larger ones would need a multipart upload, which takes no condition here."""


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


class Done(NamedTuple):
    """One act. `etag` is that of the version we wrote."""

    key: str
    act: Act
    etag: str = ""
    detail: str = ""


class Mender(NamedTuple):
    """Repairs one key at a time. `quarantine` is a key prefix outside every census, ending in "/".

    `conditional_delete`: whether the endpoint honours If-Match on DELETE.
    """

    tree: LocalTree
    store: Store
    quarantine: str
    conditional_delete: bool = True

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
                self._delete(done.key, done.etag)
                return Done(done.key, Act.TAKEN_BACK, done.etag, "the local file was deleted soon after")
        except LocalError as error:
            return Done(done.key, Act.FAILED, done.etag, str(error))
        except StoreError as error:
            if error.fault.hopeless:
                raise
            return done if error.fault is Fault.CHANGED else Done(done.key, Act.FAILED, done.etag, str(error))
        return done

    def _upload(self, found: Look) -> Done:
        if found.cause is Cause.LOCAL_DAMAGED:
            return Done(found.key, Act.LOCAL_SUSPECT, detail="the local file is damaged, the object is whole")
        local = self.tree.read(found.key, most=LARGEST)
        if local is None:
            return Done(found.key, Act.OVERTAKEN, detail="the local file was deleted")
        facts, data = local
        etag = self.store.put(found.key, data, replacing=found.remote.etag if found.remote else None)
        after = self.tree.stat(found.key)
        if after is None:
            self._delete(found.key, etag)
            return Done(found.key, Act.TAKEN_BACK, etag, "the local file was deleted while it was uploaded")
        if after != facts:
            return Done(found.key, Act.OVERTAKEN, etag, "the local file changed while it was uploaded")
        return Done(found.key, Act.UPLOADED, etag)

    def _put_away(self, found: Look) -> Done:
        assert found.remote is not None
        target = f"{self.quarantine}{found.key}"
        self.store.copy(found.key, target)
        copied, now = self.store.head(target), self.store.head(found.key)
        if copied is None or now is None or now.etag != found.remote.etag or copied.size != now.size:
            return Done(found.key, Act.OVERTAKEN, detail="the object changed while it was copied")
        if self.tree.stat(found.key) is not None:
            return Done(found.key, Act.OVERTAKEN, detail="the local file is back")
        self._delete(found.key, found.remote.etag)
        back = self.tree.read(found.key, most=LARGEST)
        if back is not None:
            etag = self.store.put(found.key, back[1], replacing=None)
            return Done(found.key, Act.OVERTAKEN, etag, "the local file came back")
        return Done(found.key, Act.QUARANTINED, found.remote.etag, target)

    def _delete(self, key: str, etag: str) -> None:
        """Delete this version only. Where the endpoint ignores the condition, the object is looked at right before."""
        if not self.conditional_delete:
            now = self.store.head(key)
            if now is not None and now.etag != etag:
                raise StoreError(Fault.CHANGED, "someone else wrote it meanwhile")
        self.store.delete(key, etag=etag)
