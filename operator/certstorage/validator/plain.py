"""Presigned requests by the standard library: for the headers and conditions obstore has no words for."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from certstorage.validator.s3errors import NotThereError, from_status
from certstorage.validator.settings import Settings
from certstorage.validator.store import Fault, StoreError

_ERROR_DOCUMENT = 4096


class Answer(NamedTuple):
    """An answer with its headers and its whole body."""

    headers: Message
    data: bytes

    @property
    def etag(self) -> str:
        """The ETag with its quotes taken off."""
        return str(self.headers.get("ETag", "")).strip('"')

    @property
    def modified(self) -> datetime:
        """Last-Modified, or the epoch."""
        return _date(self.headers.get("Last-Modified")) or datetime.fromtimestamp(0, UTC)

    @property
    def date(self) -> datetime | None:
        """The server's clock when it answered."""
        return _date(self.headers.get("Date"))


class Plain:
    """One request at a time on a connection of its own. `sign` makes the URL for a method and a key."""

    def __init__(self, settings: Settings, sign: Callable[[str, str], str]) -> None:
        self._seconds = settings.read_seconds
        self._sign = sign
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=settings.ca_bundle))
        self._opener = urllib.request.build_opener(tls)

    def send(self, method: str, key: str, headers: dict[str, str] | None = None) -> Answer:
        """Send it once.

        Raises:
            NotThereError: the server says that this key is not there.
            StoreError: anything else but success, with Retry-After where one was given.
        """
        request = urllib.request.Request(self._sign(method, key), method=method, headers=headers or {})  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                return Answer(answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                text = error.read(_ERROR_DOCUMENT).decode(errors="replace")
                if error.code == 404 and (method == "HEAD" or "<Code>NoSuchKey</Code>" in text):
                    raise NotThereError(key) from error
                raise from_status(error.code, text, error.headers.get("Retry-After")) from error
        except (OSError, ValueError) as error:
            raise StoreError(Fault.UNAVAILABLE, str(error)) from error


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
