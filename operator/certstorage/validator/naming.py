"""After the counting: whose bytes a swapped object holds, how far a damaged batch reaches, what the pattern is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import chain, islice

from certstorage.validator.context import Context
from certstorage.validator.facts import Cause, Look
from certstorage.validator.found import Found, Settled
from certstorage.validator.localfile import FileChangedError, LocalError
from certstorage.validator.localtree import WalkTrouble
from certstorage.validator.pattern import Tally, Traits, batches_of, classify, traits
from certstorage.validator.settle import Care, settle
from certstorage.validator.store import BIG

_MOST_SWAP_READS = 20_000
_MOST_NEIGHBOURS = 2_000
_MOST_BATCHES = 5


def name(context: Context, care: Care, found: Found, most_kept: int = 10_000) -> None:
    """Fill in the causes and the pattern of the mismatches in `found`."""
    if not any(found.mismatches()):
        return
    if len(found.rest.mismatches) and found.rest.sampled().population > found.rest.checked:
        _expand(context, care, found)
    hits = [traits_of(look) for look in islice(found.mismatches(), most_kept)]
    tally = _tally(context, found)
    found.batches = tally.populations(batches_of(hits))
    found.pattern = classify(hits, found.batches)
    suspects = [look for look in found.mismatches() if _suspect(look)]
    if suspects:
        owners = _owners(_sizes_of_others(suspects, tally), context, tally)
        for settled in (found.at_risk, found.rest, found.expanded):
            settled.mismatches.first = [_named(look, owners) for look in settled.mismatches]


def folders_of(hits: Iterable[Look]) -> list[str]:
    """The folders that are looked at around the hits of the sample: a few, the same whatever the order."""
    return sorted({look.key.rpartition("/")[0] for look in hits})[:_MOST_BATCHES]


def _expand(context: Context, care: Care, found: Found) -> None:
    """Look at the neighbours of what the sample hit: they tell the pattern, and are not in the rate."""
    known = {look.key for look in found.mismatches()}
    folders = folders_of(found.rest.mismatches)
    neighbours = [
        key for folder in folders for key in islice(context.tree.folder(folder), _MOST_NEIGHBOURS) if key not in known
    ]
    context.progress.phase("neighbours", len(neighbours))
    found.expanded = Settled(keys=len(neighbours))
    settle(neighbours, context, care, found.expanded)


def _suspect(look: Look) -> bool:
    """Whether its object may hold the bytes of another key."""
    return look.cause in (Cause.CONTENT, Cause.STALE) and bool(look.digest)


def _named(look: Look, owners: Mapping[str, str]) -> Look:
    owner = owners.get(look.digest, look.key) if _suspect(look) else look.key
    if owner == look.key:
        return look
    return look._replace(cause=Cause.SWAPPED, detail=f"holds the bytes of {owner}")


def _sizes_of_others(suspects: Iterable[Look], tally: Tally) -> set[int]:
    """The sizes of their objects that another file than their own has."""
    own = [
        (look.remote.size, look.local is not None and look.local.size == look.remote.size)
        for look in suspects
        if look.remote
    ]
    files = tally.files_of({size for size, _ in own})
    return {size for size, is_own in own if files[size] > is_own}


def _owners(sizes: set[int], context: Context, tally: Tally) -> dict[str, str]:
    """Who has which bytes, by MD5, among the files of these sizes; no more than a bounded number is read."""
    owners: dict[str, str] = {}
    of_sizes = (context.tree.of_sizes(folder, sizes, places) for folder, places in tally.folders_with(sizes))
    for key in islice(chain.from_iterable(of_sizes), _MOST_SWAP_READS):
        try:
            read = context.tree.read(key, most=BIG)
        except (FileChangedError, LocalError):
            continue
        if read is not None:
            owners.setdefault(hashlib.md5(read[1], usedforsecurity=False).hexdigest(), key)
    return owners


def _tally(context: Context, found: Found) -> Tally:
    """What the census counted; counted now, where it did not (in a merged report)."""
    if not found.tally.total:
        for key, facts in context.tree.files(WalkTrouble()):
            found.tally.add(key, facts.size, facts.mtime_ns)
    return found.tally


def traits_of(look: Look) -> Traits:
    """The traits of what a look saw: of the file if there is one."""
    if look.local is not None:
        return traits(look.key, look.local.size, look.local.mtime_ns)
    if look.remote is not None:
        return traits(look.key, look.remote.size, int(look.remote.modified.timestamp() * 1e9))
    return "", "", "", ""
