"""A cluster in memory as the command line sees it, filled from documents/, and one command run against it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from certstorage.cli import screen
from certstorage.cli.main import main
from certstorage.cli.port import CliError, Json, NotFoundError, Resource
from certstorage.cli.refusals import Call, Place, refusal
from certstorage.cli.tools import Tools

NOW = datetime(2026, 11, 23, 3, 22, 10, tzinfo=UTC)
USER = "jane@example.com"
PLACE = Place("https://prod.example.com:6443", "prod")
DOCUMENTS = Path(__file__).with_name("documents")


def documents(*names: str) -> list[Json]:
    """The objects of these files."""
    return [body for name in names for body in yaml.safe_load_all((DOCUMENTS / f"{name}.yaml").read_text("utf-8"))]


@dataclass
class FakeKube:
    """The protocol `Kube` over a list of objects; `refused` maps a kind to what every call about it raises."""

    objects: list[Json]
    user: str = USER
    refused: dict[str, CliError] = field(default_factory=dict)
    created: list[Json] = field(default_factory=list)
    namespace: str = "production"

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        for body in self._of(resource, namespace):
            if body["metadata"]["name"] == name:
                return body
        missing = {"message": "", "details": {"name": name, "kind": resource.plural}}
        raise refusal(PLACE, Call(resource, namespace, name), 404, missing)

    def list(self, resource: Resource, namespace: str = "", *, fields: str = "") -> Sequence[Json]:
        wanted = dict(pair.removeprefix("involvedObject.").split("=") for pair in fields.split(",") if pair)
        return [body for body in self._of(resource, namespace) if wanted.items() <= body.get("involvedObject", wanted).items()]

    def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        self._check(resource)
        self.created.append(body)
        stored = {**body, "metadata": {**body["metadata"], "name": f"{body['metadata']['generateName']}q4w8z"}}
        self.objects.append(stored)
        return stored

    def whoami(self) -> str:
        return self.user

    def _of(self, resource: Resource, namespace: str) -> Iterator[Json]:
        self._check(resource)
        for body in self.objects:
            if body["kind"] == resource.kind and namespace in ("", body["metadata"]["namespace"]):
                yield body

    def _check(self, resource: Resource) -> None:
        if resource.kind in self.refused:
            raise self.refused[resource.kind]


@dataclass(frozen=True)
class Ran:
    """What a command printed and ended with."""

    code: int
    out: str
    err: str


def run(
    kube: FakeKube,
    line: str,
    *,
    width: int | None = None,
    colour: bool = False,
    pause: Callable[[float], None] = lambda seconds: None,
    answer: bool | None = None,
    capture: Callable[[], Any],
) -> Ran:
    """Run one command line; `width` is that of a terminal, None a pipe; `answer` is what the person there says."""
    out = io.StringIO()
    made = Console(
        file=out,
        width=width or screen.UNWRAPPED,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    questions: list[str] = []

    def ask(question: str) -> bool:
        questions.append(question)
        assert answer is not None
        return answer

    tools = Tools(
        program="kubectl certstorage",
        connect=lambda *, kubeconfig="", context="": kube,
        screen=made,
        now=lambda: NOW,
        pause=pause,
        can_answer=lambda: answer is not None,
        ask=ask,
    )
    code = main(line.split(), tools)
    captured = capture()
    asked = "".join(f"? {question}\n" for question in questions)
    return Ran(code, captured.out + out.getvalue() + asked, captured.err)


__all__ = ["NOW", "PLACE", "USER", "FakeKube", "NotFoundError", "Ran", "documents", "run"]
