"""What the application's container says of its S3 client and its request timeout. Pure.

Only literal values count: what code or a mounted file says is not seen here, and nothing is concluded from silence.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise

from certstorage.api.observed import Client
from certstorage.cluster.port import Json

_TIMEOUT_OPTIONS = {"gunicorn": ("--timeout", "-t"), "uwsgi": ("--harakiri",)}
"""How long one request may take, by the application server's own options (seconds)."""


def client_of(container: Json) -> Client:
    """Read one container."""
    literals = {entry["name"]: entry["value"] for entry in container.get("env", ()) if "value" in entry}
    attempts = literals.get("AWS_MAX_ATTEMPTS", "")
    return Client(
        max_attempts=int(attempts) if attempts.isdecimal() and attempts != "0" else None,
        request_timeout_seconds=_request_timeout(container, literals.get("GUNICORN_CMD_ARGS", "")),
        region=literals.get("AWS_REGION") or literals.get("AWS_DEFAULT_REGION") or "",
    )


def _request_timeout(container: Json, gunicorn_arguments: str) -> float | None:
    """The last one said: on the command line, which beats the variable, as gunicorn reads them."""
    words = [*container.get("command", ()), *container.get("args", ())]
    for server, options in _TIMEOUT_OPTIONS.items():
        said = list(_after_server(words, server))
        if server == "gunicorn" and gunicorn_arguments:
            said = [*_split(gunicorn_arguments), *said]
        found = [seconds for seconds in _values(said, options) if seconds is not None]
        if found:
            return found[-1]
    return None


def _after_server(words: Sequence[str], server: str) -> Iterator[str]:
    """The words after the server's name, also where a shell is given the whole line as one word."""
    whole = [part for word in words for part in (_split(word) if server in word and " " in word else [word])]
    for index, word in enumerate(whole):
        if word.rpartition("/")[2] == server:
            yield from whole[index + 1 :]
            return


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _values(words: Sequence[str], options: Sequence[str]) -> Iterator[float | None]:
    for word, after in pairwise([*words, ""]):
        for option in options:
            if word == option:
                yield _seconds(after)
            elif word.startswith(f"{option}=") and option.startswith("--"):
                yield _seconds(word.partition("=")[2])
            elif word.startswith(option) and not option.startswith("--"):
                yield _seconds(word[len(option) :])


def _seconds(text: str) -> float | None:
    """Seconds above zero; gunicorn's 0 means no timeout at all."""
    return float(text) if text.isdecimal() and int(text) > 0 else None
