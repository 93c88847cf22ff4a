"""Incidents and requests as the API server has them: each kept as it was when it was first seen in a phase."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tests.e2e.story.facts import Paper
from tests.e2e.story.kube import Object


@dataclass(slots=True)
class Papers:
    """The history of the objects of one kind; those that were there before the story began are no part of it."""

    kind: str
    """The field that tells what each is about: `type` of a request's spec, `scenario` of an incident's status."""
    history: list[Paper] = field(default_factory=list)
    latest: dict[str, Paper] = field(default_factory=dict)

    def see(self, found: Iterable[Object], at: datetime, since: datetime) -> None:
        """Keep what is new about each object."""
        for one in found:
            metadata, status = one["metadata"], one.get("status", {})
            if datetime.fromisoformat(metadata["creationTimestamp"]) < since.replace(microsecond=0):
                continue
            kind = one["spec"].get(self.kind) or status.get(self.kind, "")
            paper = Paper(at, metadata["name"], kind, status.get("phase", ""), one.get("spec", {}), status)
            known = self.latest.get(paper.name)
            self.latest[paper.name] = paper
            if known is None or known.phase != paper.phase:
                self.history.append(paper)
