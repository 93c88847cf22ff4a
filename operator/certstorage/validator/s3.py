"""The bucket over S3: obstore for the bulk, a presigned plain request for what obstore has no words for."""

from __future__ import annotations

import hashlib
import mimetypes
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from email.message import Message
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, InvalidPathError, PreconditionError
from obstore.store import S3Store

from certstorage.validator.facts import RemoteFacts
from certstorage.validator.settings import Settings
from certstorage.validator.store import Body, Fault, Listed, StoreError
from certstorage.validator.throttle import Throttle

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, S3Config

_T = TypeVar("_T")
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{0,200})")
_CREDENTIAL_CODES = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "TokenRefreshRequired"}
)
_PAGE = 1000
_PIECE = 4 << 20
_MULTIPART_FROM = 5 << 30
_PRESIGNED_FOR = timedelta(minutes=5)


class S3:
    """A Store on S3 or anything that speaks like it.

    obstore retries only while listing (a page is lost with its token); everything else is repeated by `throttle`, which
    also learns from it how many requests the endpoint bears.
    """

    def __init__(self, settings: Settings, throttle: Throttle) -> None:
        self._settings = settings
        self._throttle = throttle
        self._once = self._store(0)
        self._patient = self._store(8)
        self._tls = ssl.create_default_context(cafile=settings.ca_bundle)

    def list(self, prefix: str) -> Iterator[Sequence[Listed]]:
        """As Store.list. A page that fails after all retries raises: a listing is never silently shorter."""
        pages = obstore.list(self._patient, prefix.rstrip("/") or None, chunk_size=_PAGE)
        while True:
            try:
                page = next(pages)
            except StopIteration:
                return
            except (BaseError, ValueError, OSError) as error:
                raise _translate(error) from error
            yield [Listed(row["path"], _facts(row)) for row in page]

    def head(self, key: str) -> RemoteFacts | None:
        """As Store.head."""
        try:
            return _facts(self._call(lambda: obstore.head(self._once, key)))
        except FileNotFoundError:
            return None

    def get(self, key: str) -> Body | None:
        """As Store.get."""

        def read() -> Body:
            result = obstore.get(self._once, key)
            return Body(_facts(result.meta), bytes(result.bytes()))

        try:
            return self._call(read)
        except FileNotFoundError:
            return None

    def chunks(self, key: str) -> tuple[RemoteFacts, Iterator[bytes]] | None:
        """As Store.chunks. A stream that breaks raises; it is not resumed."""
        try:
            result = self._call(lambda: obstore.get(self._once, key))
        except FileNotFoundError:
            return None
        return _facts(result.meta), _pieces(result.stream(min_chunk_size=_PIECE))

    def put(self, key: str, data: bytes, *, replacing: str | None) -> str:
        """As Store.put. A refusal after an attempt of unknown end is resolved by looking: our bytes are a success."""
        attempts = 0
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        content_type = mimetypes.guess_type(key)[0] or "application/octet-stream"

        def write() -> str:
            nonlocal attempts
            attempts += 1
            result = obstore.put(
                self._once,
                key,
                data,
                attributes={"Content-Type": content_type},
                mode="create" if replacing is None else {"e_tag": f'"{replacing}"'},
                use_multipart=len(data) > _MULTIPART_FROM,
            )
            return _bare(result["e_tag"])

        try:
            return self._call(write)
        except FileNotFoundError as error:
            raise StoreError(Fault.CHANGED, "it was deleted meanwhile") from error
        except StoreError as error:
            if error.fault is Fault.CHANGED and attempts > 1:
                now = self.head(key)
                if now is not None and now.etag == digest:
                    return now.etag
            raise

    def delete(self, key: str, *, etag: str) -> None:
        """As Store.delete."""
        try:
            self._call(lambda: self._plain("DELETE", key, {"If-Match": f'"{etag}"'}))
        except FileNotFoundError:
            return

    def copy(self, source: str, target: str) -> None:
        """As Store.copy."""
        try:
            self._call(lambda: obstore.copy(self._once, source, target))
        except FileNotFoundError as error:
            raise StoreError(Fault.CHANGED, f"{source} is gone") from error

    def _call(self, request: Callable[[], _T]) -> _T:
        def attempt() -> _T:
            try:
                return request()
            except FileNotFoundError as error:
                translated = _translate(error)
                if translated.fault is Fault.NO_BUCKET:
                    raise translated from error
                raise
            except (BaseError, ValueError) as error:
                raise _translate(error) from error

        return self._throttle.run(attempt)

    def _plain(self, method: str, key: str, headers: dict[str, str]) -> Message:
        url = obstore.sign(self._once, method, key, _PRESIGNED_FOR)  # type: ignore[call-overload]
        request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - our own endpoint
        try:
            with urllib.request.urlopen(  # noqa: S310 - our own endpoint
                request, timeout=self._settings.request_seconds, context=self._tls
            ) as answer:
                found: Message = answer.headers
                return found
        except urllib.error.HTTPError as error:
            text = error.read(4096).decode(errors="replace")
            if error.code == 404 and "NoSuchBucket" not in text:
                raise FileNotFoundError(key) from error
            raise from_status(error.code, text, error.headers.get("Retry-After")) from error
        except OSError as error:
            raise StoreError(Fault.UNAVAILABLE, str(error)) from error

    def _store(self, retries: int) -> S3Store:
        settings = self._settings
        config: S3Config = {"region": settings.region, "checksum_algorithm": "SHA256"}
        if settings.endpoint:
            config["endpoint"] = settings.endpoint
        client: ClientConfig = {
            "allow_http": bool(settings.endpoint and settings.endpoint.startswith("http://")),
            "connect_timeout": timedelta(seconds=settings.connect_seconds),
            "timeout": timedelta(seconds=settings.request_seconds),
        }
        if settings.ca_bundle:
            client["root_certificate"] = settings.ca_bundle.read_bytes()
        return S3Store(
            settings.bucket,
            config=config,
            client_options=client,
            retry_config={
                "max_retries": retries,
                "retry_timeout": timedelta(seconds=60),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=10),
                    "base": 2,
                },
            },
        )


def _facts(row: ObjectMeta) -> RemoteFacts:
    return RemoteFacts(row["size"], _bare(row["e_tag"]), row["last_modified"])


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"')


def _pieces(stream: Iterator[bytes]) -> Iterator[bytes]:
    while True:
        try:
            piece = next(stream)
        except StopIteration:
            return
        except (BaseError, ValueError, OSError) as error:
            raise _translate(error) from error
        yield bytes(piece)


def _translate(error: Exception) -> StoreError:
    text = str(error)
    head = text.partition("\n\nDebug source")[0]
    if isinstance(error, PreconditionError | AlreadyExistsError):
        return StoreError(Fault.CHANGED, "someone else wrote it meanwhile")
    if isinstance(error, InvalidPathError | ValueError):
        return StoreError(Fault.UNADDRESSABLE, head.splitlines()[0])
    status = _STATUS.search(head)
    if status is None:
        return StoreError(Fault.UNAVAILABLE, _readable(head))
    return from_status(int(status.group(1)), head, None)


def from_status(status: int, text: str, retry_after: str | None) -> StoreError:
    """What an HTTP answer with an S3 error document means."""
    code = match.group(1) if (match := _CODE.search(text)) else ""
    message = match.group(1) if (match := _MESSAGE.search(text)) else ""
    detail = f"HTTP {status} {code} {message}".strip()
    fault = Fault.REFUSED
    if code == "NoSuchBucket":
        fault = Fault.NO_BUCKET
    elif code == "RequestTimeTooSkewed":
        fault = Fault.CLOCK
    elif code in _CREDENTIAL_CODES:
        fault = Fault.CREDENTIALS
    elif status in (409, 412):
        fault = Fault.CHANGED
    elif status in (401, 403):
        fault = Fault.DENIED
    elif status == 429 or code == "SlowDown":
        fault = Fault.THROTTLED
    elif status >= 500 or code == "RequestTimeout":
        fault = Fault.THROTTLED if status == 503 else Fault.UNAVAILABLE
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return StoreError(fault, detail, seconds)


def _readable(text: str) -> str:
    return re.sub(r"^Generic S3 error: (Error performing list request: )?", "", text.splitlines()[0])[:300]
