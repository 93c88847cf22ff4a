"""A cluster in memory as the command line sees it, filled from documents/, and one command run against it."""

import io
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import yaml
from rich.console import Console

from certstorage.cli import screen
from certstorage.cli.main import main
from certstorage.cli.port import CliError, Json, Resource
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
        missing = {"details": {"name": name, "kind": resource.plural}}
        raise refusal(PLACE, Call(resource, namespace, name), 404, missing)

    def list(self, resource: Resource, namespace: str = "", *, fields: str = "") -> Sequence[Json]:
        wanted = dict(pair.removeprefix("involvedObject.").split("=") for pair in fields.split(",") if pair)
        found = self._of(resource, namespace)
        return [body for body in found if wanted.items() <= body.get("involvedObject", {}).items()]

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
    """What a command printed, ended with, and asked the person at the terminal."""

    code: int
    out: str
    err: str
    questions: tuple[str, ...]


def run(
    kube: FakeKube,
    line: str,
    *,
    width: int | None = None,
    colour: bool = False,
    pause: Callable[[float], None] = lambda seconds: None,
    answer: bool | None = None,
) -> Ran:
    """Run one command line. `width` is that of a terminal, None a pipe; `answer` is a person's, None without one."""
    out, err, questions = io.StringIO(), io.StringIO(), list[str]()

    def ask(question: str) -> bool:
        questions.append(question)
        return bool(answer)

    made = Console(
        file=out,
        width=width or screen.UNWRAPPED,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    tools = Tools(
        program="kubectl certstorage",
        connect=lambda *, kubeconfig="", context="": kube,
        screen=made,
        now=lambda: NOW,
        pause=pause,
        can_answer=lambda: answer is not None,
        ask=ask,
    )
    with redirect_stdout(out), redirect_stderr(err):
        code = main(shlex.split(line), tools)
    return Ran(code, out.getvalue(), err.getvalue(), tuple(questions))
