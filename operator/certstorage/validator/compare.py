"""One look at one certificate: are both copies the same bytes, right now?"""

from __future__ import annotations

from certstorage.validator.facts import LocalFacts, Look, Method, Outcome, RemoteFacts
from certstorage.validator.localtree import FileChangedError, LocalError, LocalTree
from certstorage.validator.store import Fault, Store, StoreError

_TRIES = 3


def look(key: str, tree: LocalTree, store: Store) -> Look:
    """Read both copies and compare every byte.

    The local file is looked at again after the object was read: whatever the application wrote meanwhile makes the look
    void, and it is taken anew; a file that never holds still is IN_FLIGHT. Faults that every further request would meet
    (bucket gone, credentials refused, clock wrong) are raised, all others are an outcome.
    """
    for _ in range(_TRIES):
        try:
            local = tree.read(key)
            remote = store.get(key)
            if tree.stat(key) != (local[0] if local else None):
                continue
        except FileChangedError:
            continue
        except LocalError as error:
            return Look(key, Outcome.ERROR, detail=str(error))
        except StoreError as error:
            if error.fault.hopeless:
                raise
            unaddressable = error.fault is Fault.UNADDRESSABLE
            return Look(key, Outcome.UNVERIFIED if unaddressable else Outcome.ERROR, detail=str(error))
        return judge(key, local, (remote.facts, remote.data) if remote else None)
    return Look(key, Outcome.IN_FLIGHT, detail="the local file changes faster than it can be compared")


def judge(key: str, local: tuple[LocalFacts, bytes] | None, remote: tuple[RemoteFacts, bytes] | None) -> Look:
    """What two copies come to."""
    if local is None and remote is None:
        return Look(key, Outcome.GONE)
    if local is None:
        assert remote is not None
        return Look(key, Outcome.EXTRA, None, remote[0], Method.BODY)
    if remote is None:
        return Look(key, Outcome.MISSING, local[0], None, Method.BODY)
    same = local[1] == remote[1]
    return Look(key, Outcome.SAME if same else Outcome.DIFFERENT, local[0], remote[0], Method.BODY)
