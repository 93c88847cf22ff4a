"""The reports of all shards as one: the same counts and verdict a run without shards comes to on the same data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from certstorage.validator.facts import Cause, LocalFacts, Look, Method, Outcome, RemoteFacts
from certstorage.validator.found import Found, Noted, Settled
from certstorage.validator.mender import Act, Done
from certstorage.validator.naming import folders_of, traits_of
from certstorage.validator.pattern import Axis, Populations, classify
from certstorage.validator.probe import Probe
from certstorage.validator.recover import summed_up
from certstorage.validator.report import SCHEMA
from certstorage.validator.sampling import Window
from certstorage.validator.settings import UsageError
from certstorage.validator.verdict import Rule, Verdict, decide, unknown

_SAME = ("command", "bucket", "prefix", "root", "inputs_hash", "nonce")

Json = dict[str, Any]


class Merged(NamedTuple):
    """What the shards found together, when they began, and how they sampled."""

    verdict: Verdict
    found: Found
    command: str
    nonce: str
    inputs_hash: str
    started: datetime
    sampling: Json
    reach: float
    """Every key of the sampled part up to this distance behind the start of the window was read."""

    def judged(self, verdict: Verdict) -> Merged:
        """The same with another verdict."""
        return self._replace(verdict=verdict)


def load(paths: Sequence[Path]) -> list[Json]:
    """Read shard reports.

    Raises:
        UsageError: one is no shard's report, they are not of one run, or one is missing or there twice.
    """
    texts = {}
    for path in paths:
        try:
            texts[str(path)] = path.read_text()
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read as a report: {error}") from error
    if len(texts) < len(paths):
        raise UsageError(f"a report is named twice: {', '.join(map(str, paths))}")
    return parse(texts)


def parse(texts: Mapping[str, str]) -> list[Json]:
    """Shard reports from their texts, by the names they have for people.

    Raises:
        UsageError: one is no shard's report, they are not of one run, or one is missing or there twice.
    """
    documents: list[Json] = []
    for name, text in texts.items():
        try:
            document = json.loads(text)
        except ValueError as error:
            raise UsageError(f"{name} cannot be read as a report: {error}") from error
        if not isinstance(document, dict) or document.get("schema") != SCHEMA or not document.get("shard"):
            raise UsageError(f"{name} is no report of a shard")
        documents.append(document)
    first = documents[0]
    for document, name in zip(documents, texts, strict=True):
        for field in _SAME:
            if document[field] != first[field]:
                raise UsageError(f"{name} is of another run: {field} is {document[field]!r}, not {first[field]!r}")
        for field in _asked(first):
            if document["sampling"].get(field) != first["sampling"][field]:
                raise UsageError(f"{name} is of another run: it sampled with another {field}")
    indices = sorted(document["shard"]["index"] for document in documents)
    if indices != list(range(first["shard"]["count"])):
        raise UsageError(f"of {first['shard']['count']} shards these are there: {indices}")
    return documents


def _asked(document: Json) -> Json:
    """What a run was asked to sample, without what came of it."""
    return {field: value for field, value in document["sampling"].items() if field not in ("looks", "resumed")}


def merge(documents: Sequence[Json], most_mismatch: float) -> Merged:
    """Put shard reports of one run together and judge them by the rule of their command."""
    first = documents[0]
    sampling = first["sampling"]
    window = Window(sampling["rate"], sampling["epoch"], sampling["salt"])
    found = Found()
    for document in documents:
        _add_counts(found, document)
        _add_stratum(found.at_risk, document, "at_risk")
        _add_stratum(found.expanded, document, "neighbours")
        _add_repairs(found.at_risk, document)
        _add_probe(found, document)
    dropped, reach = _add_samples(found.rest, documents, window, sampling["min_sample"])
    _keep_neighbours(found, dropped)
    _add_pattern(found, documents)
    undecided = [document for document in documents if not document["shard"]["judged"]]
    if undecided:
        verdict = unknown(undecided[0]["verdict_detail"], undecided[0]["message"])
    else:
        recovered = first["command"] == "recover"
        rule = Rule(most_mismatch, at_risk_clean=recovered)
        verdict = decide(found.at_risk.in_full(), found.rest.sampled(), rule)
        verdict = summed_up(verdict, found) if recovered else verdict
    started = min(datetime.fromisoformat(document["started_at"]) for document in documents)
    return Merged(verdict, found, first["command"], first["nonce"], first["inputs_hash"], started, _asked(first), reach)


def _add_counts(found: Found, document: Json) -> None:
    population = document["population"]
    found.counts.local += population["local"]
    found.counts.s3 += population["s3"]
    found.counts.missing += population["missing_in_s3"]
    found.counts.extra += population["extra_in_s3"]
    found.counts.sizes += population["size_differs"]
    found.census_methods.update(document["census"]["methods"])
    found.etags_trusted = found.etags_trusted and document["census"]["etags_are_md5"]


def _add_stratum(into: Settled, document: Json, name: str) -> None:
    stratum = next(one for one in [*document["strata"], document["neighbours"]] if one["name"] == name)
    into.keys += stratum["population"]
    into.same += stratum["same"]
    into.gone += stratum["gone"]
    into.unverified += stratum["unverified"]
    into.methods.update(stratum["methods"])
    counts = [noted.count for noted in (into.mismatches, into.unknown, into.in_flight)]
    _add_looks(into, document, name)
    into.mismatches.count = counts[0] + stratum["mismatches"]
    into.unknown.count = counts[1] + stratum["unverified"] + stratum["errors"]
    into.in_flight.count = counts[2] + stratum["in_flight"]


def _add_repairs(into: Settled, document: Json) -> None:
    repairs = document["repairs"]
    into.acts.update({act: repairs[act] for act in Act if act is not Act.NOTHING})
    into.done += [Done(one["key"], Act(one["act"]), detail=one["detail"]) for one in repairs["details"]]


def _add_probe(found: Found, document: Json) -> None:
    """All canaries of all shards; of every step the worst result, of the GETs the slowest p95."""
    probe = document["probe"]
    if probe is None:
        return
    found.probe = found.probe or Probe()
    found.probe.rounds += probe["rounds"]
    found.probe.failed += probe["failed"]
    found.probe.failures += probe["failures"]
    found.probe.steps |= {
        step: said for step, said in probe["steps"].items() if found.probe.steps.get(step) in (None, "ok")
    }
    if probe["get_p95_seconds"] is not None:
        found.probe.get_seconds = [max([probe["get_p95_seconds"], *found.probe.get_seconds])]


def _add_looks(into: Settled, document: Json, name: str) -> None:
    for one in [*document["mismatch_details"], *document["error_details"], *document["shard"]["in_flight"]]:
        if one["stratum"] == name:
            look = _look(one)
            kind = (
                into.mismatches if look.outcome.mismatch else into.unknown if look.outcome.unknown else into.in_flight
            )
            kind.add(look)


def _add_samples(into: Settled, documents: Sequence[Json], window: Window, least: int) -> tuple[list[Look], float]:
    """Keep of what the shards read behind the window only what one run would have read: each topped up on its own.

    Returns the mismatches that are not kept, and how far behind the start of the window everything was read.
    """
    everything = Settled()
    behind: list[float] = []
    for document in documents:
        _add_stratum(everything, document, "rest")
        behind += document["shard"]["same_behind"]
    into.keys, into.gone = everything.keys, everything.gone
    looks = [*everything.mismatches, *everything.unknown, *everything.in_flight]
    distances = {look.key: window.distance(look.key) for look in looks}
    outside = sorted([*behind, *(distance for distance in distances.values() if distance >= window.rate)])
    inside = everything.same - len(behind) + len(looks) - (len(outside) - len(behind))
    reach = (outside[: max(0, least - inside)] or [window.rate])[-1]
    dropped = sum(distance > reach for distance in behind)
    into.same = everything.same - dropped
    into.methods = Counter(everything.methods)
    into.methods[Method.BODY] -= dropped

    def kept(noted: Noted) -> Noted:
        first = [look for look in noted if distances[look.key] <= reach]
        return Noted(noted.count - (len(noted.first) - len(first)), first)

    into.mismatches, into.unknown, into.in_flight = map(
        kept, (everything.mismatches, everything.unknown, everything.in_flight)
    )
    lost = [look for look in everything.unknown if distances[look.key] > reach]
    into.unverified = everything.unverified - sum(look.outcome is Outcome.UNVERIFIED for look in lost)
    return [look for look in everything.mismatches if distances[look.key] > reach], reach


def _keep_neighbours(found: Found, dropped: list[Look]) -> None:
    """Shards look around more hits than one run has, and around the same ones: keep what one run would have seen."""
    known = {look.key for settled in (found.at_risk, found.rest) for look in settled.mismatches}
    folders = set(folders_of(found.rest.mismatches))
    seen = {look.key: look for look in (*found.expanded.mismatches, *dropped) if look.key not in known}
    kept = [look for look in seen.values() if look.key.rpartition("/")[0] in folders]
    found.beyond = [look for look in seen.values() if look.key.rpartition("/")[0] not in folders]
    found.expanded.mismatches = Noted(len(kept), kept)


def _add_pattern(found: Found, documents: Sequence[Json]) -> None:
    hits = [traits_of(look) for look in found.mismatches()]
    total = 0
    of_batch: Counter[tuple[Axis, str]] = Counter()
    batches: Counter[Axis] = Counter()
    for document in documents:
        counted = document["shard"]["batches"]
        if counted:
            total = max(total, counted["total"])
            of_batch |= Counter({(Axis(axis), value): size for axis, value, size in counted["of_batch"]})
            batches |= Counter({Axis(axis): number for axis, number in counted["batches"].items()})
    found.batches = Populations(total, of_batch, batches)
    found.pattern = classify(hits, found.batches)


def _look(one: Json) -> Look:
    local, remote = one["local"], one["s3"]
    return Look(
        one["key"],
        Outcome(one["outcome"]),
        LocalFacts(local["size"], int(datetime.fromisoformat(local["mtime"]).timestamp()) * 10**9, 0, 0)
        if local
        else None,
        RemoteFacts(remote["size"], remote["etag"], datetime.fromisoformat(remote["last_modified"]))
        if remote
        else None,
        Method(one["method"]),
        Cause(one["reason"]) if one["reason"] in list(Cause) else Cause.NONE,
        remote["md5"] if remote else "",
        one["detail"],
    )
