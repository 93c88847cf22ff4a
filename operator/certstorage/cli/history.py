"""`history`: the incidents of a policy and its Events, as one timeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from certstorage.cli import screen, words
from certstorage.cli.doc import Doc
from certstorage.cli.port import Json


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened; `step` is the runbook's, in its own words, and `count` how often it was told."""

    at: datetime
    what: str
    message: str = ""
    step: str = ""
    actor: str = ""
    warning: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class Chapter:
    """An incident with its timeline, or Events outside of all incidents (then only `entries` is set)."""

    entries: tuple[Entry, ...]
    name: str = ""
    scenario: str = ""
    severity: str = ""
    phase: str = ""
    summary: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    downtime_seconds: int | None = None
    open_items: tuple[str, ...] = ()

    @property
    def begins(self) -> datetime:
        """Where the chapter stands in the history."""
        moments = [moment for moment in (self.started_at, *(entry.at for entry in self.entries)) if moment is not None]
        return min(moments)


def chapters(policy_name: str, incidents: Iterable[Json], events: Iterable[Json]) -> list[Chapter]:
    """The history, oldest first. An incident that has its own timeline tells more than the Events of its time."""
    mine = [Doc(body) for body in incidents]
    told = [_incident(doc) for doc in mine if doc.text("status", "policyName") == policy_name]
    loose = [_event(doc, at) for doc in map(Doc, events) if (at := _when(doc)) is not None]
    told = [chapter for chapter in told if chapter.started_at is not None or chapter.entries]
    found: list[Chapter] = []
    for chapter in sorted(told, key=_begin):
        inside = [entry for entry in loose if _within(entry, chapter)]
        loose = [entry for entry in loose if entry not in inside]
        found.append(chapter if chapter.entries else replace(chapter, entries=tuple(sorted(inside, key=_time))))
    return sorted([*found, *_between(loose, found)], key=_begin)


def _between(loose: Sequence[Entry], told: Sequence[Chapter]) -> Iterator[Chapter]:
    """Events outside of incidents, gathered into one chapter for each stretch between two of them."""
    edges = sorted(chapter.begins for chapter in told)
    gathered: dict[int, list[Entry]] = {}
    for entry in sorted(loose, key=_time):
        gathered.setdefault(sum(edge <= entry.at for edge in edges), []).append(entry)
    for entries in gathered.values():
        yield Chapter(tuple(entries))


def _within(entry: Entry, chapter: Chapter) -> bool:
    """Whether an Event is of an incident's time; the last one is told in the same pass that ends the incident."""
    until = chapter.ended_at
    return entry.at >= chapter.begins and (until is None or entry.at <= until + timedelta(seconds=1))


def _incident(doc: Doc) -> Chapter:
    status = doc.at("status")
    entries = [
        Entry(at, item.text("event"), item.text("message"), item.text("step"), item.text("actor"))
        for item in status.each("timeline")
        if (at := item.time("at")) is not None
    ]
    return Chapter(
        entries=tuple(sorted(entries, key=_time)),
        name=doc.text("metadata", "name"),
        scenario=status.text("scenario"),
        severity=status.text("severity"),
        phase=status.text("phase"),
        summary=status.text("summary"),
        started_at=status.time("startedAt") or status.time("detectedAt"),
        ended_at=status.time("resolvedAt"),
        downtime_seconds=status.number("downtimeSeconds"),
        open_items=tuple(item.text("item") for item in status.each("checklist") if not item.flag("done")),
    )


def _time(entry: Entry) -> datetime:
    return entry.at


def _begin(chapter: Chapter) -> datetime:
    return chapter.begins


def _when(doc: Doc) -> datetime | None:
    return doc.time("lastTimestamp") or doc.time("eventTime") or doc.time("firstTimestamp")


def _event(doc: Doc, at: datetime) -> Entry:
    return Entry(
        at=at,
        what=doc.text("reason"),
        message=doc.text("message"),
        warning=doc.text("type") == "Warning",
        count=doc.number("count") or 1,
    )


def render(found: Sequence[Chapter], now: datetime) -> RenderableType:
    """The history as it is printed."""
    return Group(*_lines(found, now))


def _lines(found: Sequence[Chapter], now: datetime) -> Iterator[RenderableType]:
    for index, chapter in enumerate(found):
        if index:
            yield Text()
        yield _heading(chapter, now)
        table = screen.columns("TIME", "WHAT", "MESSAGE")
        day = ""
        for entry in chapter.entries:
            date = f"{entry.at:%Y-%m-%d}"
            time = f"{entry.at:%H:%M:%S}Z"
            table.add_row(time if date == day else f"{date} {time}", _what(entry), _told(entry))
            day = date
        if chapter.entries:
            yield table
        if chapter.open_items:
            yield Text(f"Still open: {', '.join(chapter.open_items)}", style=screen.WARN)


def _heading(chapter: Chapter, now: datetime) -> Text:
    if not chapter.name:
        return Text("Outside of incidents", style="bold")
    text = Text.assemble((chapter.name, "bold"))
    for part in (chapter.scenario, chapter.phase):
        text.append(f", {part}" if part else "")
    if chapter.severity:
        text.append(", ").append(screen.word(chapter.severity))
    if chapter.started_at is not None:
        lasted = words.span((chapter.ended_at or now) - chapter.started_at)
        text.append(f", {lasted}" if chapter.ended_at is not None else f", for {lasted} so far")
    if chapter.downtime_seconds is not None:
        text.append(f", clients saw errors for {words.span(timedelta(seconds=chapter.downtime_seconds))}")
    if chapter.summary:
        text.append(f"\n{chapter.summary}")
    return text


def _what(entry: Entry) -> Text:
    return Text(entry.what, style=screen.WARN if entry.warning else "")


def _told(entry: Entry) -> str:
    step = f"{entry.step}: " if entry.step else ""
    actor = f" (by {entry.actor})" if entry.actor else ""
    often = f" ({entry.count} times)" if entry.count > 1 else ""
    return f"{step}{entry.message}{actor}{often}" or "-"
