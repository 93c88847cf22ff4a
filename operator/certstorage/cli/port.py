"""What the command line asks of a cluster, and how it fails: one line that says what, where and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from certstorage.api.policy import API_VERSION, GROUP
from certstorage.cluster.port import DEPLOYMENTS, EVENTS, POLICIES, REQUESTS, Json, Resource

__all__ = [
    "DEPLOYMENTS",
    "EVENTS",
    "INCIDENTS",
    "POLICIES",
    "REQUESTS",
    "CliError",
    "Commands",
    "ExitCode",
    "ForbiddenError",
    "Json",
    "Kube",
    "NotFoundError",
    "Resource",
    "UnreachableError",
]

INCIDENTS = Resource(GROUP, API_VERSION, "certstorageincidents", "CertStorageIncident")


class ExitCode(IntEnum):
    """What the program ends with; docs/cli.md says the same."""

    READY = 0
    """`why`: the policy is ready. Other commands: done, and what was waited for has passed."""
    NOT_READY = 1
    """`why`: not ready, and the operator goes on by itself. `--wait`: it did not pass, was denied, or expired."""
    PERSON_ASKED = 2
    """`why`: a person is asked for something."""
    NOT_DONE = 3
    """Wrong usage, not found, not logged in, not allowed, no connection: the command could not do what it is for."""
    INTERRUPTED = 130
    """Ctrl-C."""


class CliError(Exception):
    """The command cannot go on; the text is one line for the person who typed it, with the next command."""


class NotFoundError(CliError):
    """There is no such object."""


class ForbiddenError(CliError):
    """The user may not do this."""


class UnreachableError(CliError):
    """No answer, or one that says to come back later: the same command may succeed in a moment."""


class Kube(Protocol):
    """A cluster as one user sees it. Every call ends within its timeout, and every failure is a CliError."""

    @property
    def namespace(self) -> str:
        """The namespace of the context, where none is named."""

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """Read one object."""

    def list(self, resource: Resource, namespace: str = "", *, fields: str = "") -> Sequence[Json]:
        """Read all objects of a namespace, or of the cluster, that a field selector takes."""

    def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        """Create one object and return it as stored."""

    def whoami(self) -> str:
        """The user as the API server knows it; empty where it is too old to say."""


@dataclass(frozen=True, slots=True)
class Commands:
    """How the reader runs the next command: `program` as it was typed, `context` where one was named."""

    program: str = "kubectl certstorage"
    context: str = ""

    def line(self, *words: str, namespace: str = "") -> str:
        """A command of this program."""
        return self._with(self.program, *words, namespace=namespace)

    def kubectl(self, *words: str, namespace: str = "") -> str:
        """A command of kubectl itself."""
        return self._with("kubectl", *words, namespace=namespace)

    def _with(self, *words: str, namespace: str) -> str:
        place = ("-n", namespace) if namespace else ()
        context = ("--context", self.context) if self.context else ()
        return " ".join((*words, *place, *context))
