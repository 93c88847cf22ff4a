"""The bucket over S3: obstore for the bulk, other clients for what it has no words for."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from certstorage.validator.facts import RemoteFacts
from certstorage.validator.pool import ahead
from certstorage.validator.s3errors import NotThereError, translated
from certstorage.validator.settings import Settings
from certstorage.validator.store import BIG, Body, Fault, Listed, StoreError
from certstorage.validator.throttle import Throttle

if TYPE_CHECKING:
    from obstore import BytesStream, ObjectMeta
    from obstore.store import ClientConfig, S3Config

    from certstorage.validator.boto import Boto
    from certstorage.validator.plain import Plain

_T = TypeVar("_T")
_PAGE = 1000
_PIECE = 4 << 20
_PAGES_AHEAD = 64
"""Pages that are listed while nobody reads them, such as while the tree is walked: 30 MiB at most."""
_PRESIGNED_FOR = timedelta(minutes=45)
"""Counted from our own clock, which may be a quarter of an hour behind the server's before S3 refuses it."""
_LIST_RETRIES = 8
_NETWORK_THREADS = "1"
"""Of obstore's runtime: one carries more than Python asks for, and more of them hand each answer around."""
_LONGEST_REQUEST = timedelta(minutes=15)


class _Pressed(threading.local):
    """Whether the endpoint pushed back in this thread's last attempt."""

    once = False


class S3:
    """A Store on S3 or anything that speaks like it.

    obstore itself retries only while listing (a page is lost with its token); everything else is repeated by the
    throttle, which learns from it how many requests the endpoint bears.
    """

    def __init__(self, settings: Settings, throttle: Throttle) -> None:
        os.environ.setdefault("TOKIO_WORKER_THREADS", _NETWORK_THREADS)
        self._settings = settings
        self._throttle = throttle
        self._patient = _client(settings, retries=_LIST_RETRIES)
        self._pressed = _Pressed()
        self._odd_keys = False
        self._begun: dict[str, Iterator[Sequence[Listed]]] = {}

    @cached_property
    def _once(self) -> S3Store:
        """Made when it is needed: the listing is sooner on its way."""
        return _client(self._settings, retries=0)

    @cached_property
    def _plain(self) -> Plain:
        """Made when it is needed: the standard library's HTTP and TLS take a while to load."""
        from certstorage.validator.plain import Plain  # noqa: PLC0415 - see above

        return Plain(self._settings, self._sign)

    @cached_property
    def _boto(self) -> Boto:
        """Made when it is needed, for the same reason."""
        from certstorage.validator.boto import Boto  # noqa: PLC0415 - see above

        return Boto(self._settings)

    def begin(self, prefix: str) -> None:
        """Have the next listing of this prefix on its way before it is asked for."""
        self._begun[prefix] = self.list(prefix)

    def list(self, prefix: str) -> Iterator[Sequence[Listed]]:
        """As Store.list; pages come ahead of who reads them, from now on."""
        return self._begun.pop(prefix, None) or ahead(self._pages(prefix), self._throttle, _PAGES_AHEAD)

    def _pages(self, prefix: str) -> Iterator[Sequence[Listed]]:
        """A page that fails after all retries raises: a listing is never silently shorter.

        A key that obstore cannot take raises UNADDRESSABLE for the whole listing, once: from then on boto3 lists.
        """
        if self._odd_keys:
            yield from self._boto.list(prefix)
            return
        pages = obstore.list(self._patient, prefix.rstrip("/") or None, chunk_size=_PAGE)
        while True:
            try:
                page = next(pages)
            except StopIteration:
                _ = self._once  # needed next; made here, nobody waits for it
                return
            except (BaseError, ValueError, OSError) as error:
                failure = _failure(error)
                self._odd_keys = failure.fault is Fault.UNADDRESSABLE
                raise failure from error
            yield [Listed(row["path"], _facts(row)) for row in page]

    def head(self, key: str) -> RemoteFacts | None:
        """As Store.head."""
        try:
            return self._call(
                lambda: _facts(obstore.head(self._once, key)), lambda: self._boto.head(key), headless=True
            )
        except NotThereError:
            return None

    def get(self, key: str) -> Body | None:
        """As Store.get."""

        def read() -> Body:
            if self._pressed.once:
                answer = self._plain.send("GET", key)
                return Body(RemoteFacts(len(answer.data), answer.etag, answer.modified), answer.data)
            result = obstore.get(self._once, key)
            facts = _facts(result.meta)
            return Body(facts, bytes(result.bytes()) if facts.size <= BIG else None)

        try:
            body = self._call(read, lambda: self._boto.get(key))
        except NotThereError:
            return None
        self._throttle.moved(len(body.data or b""))
        return body

    def holds(self, key: str, data: bytes) -> bool | None:
        """As Store.holds. One byte more is asked for than there should be: an object that goes on is another one."""
        if not data:
            return False

        def compare() -> bool:
            if self._pressed.once:
                return self._plain.send("GET", key).data == data
            return bool(obstore.get_range(self._once, key, start=0, length=len(data) + 1) == data)

        try:
            same = self._call(compare, lambda: self._boto.get(key).data == data)
        except NotThereError:
            return None
        except StoreError as error:
            if error.fault is Fault.REFUSED:
                return False
            raise
        self._throttle.moved(len(data))
        return same

    def chunks(self, key: str) -> tuple[RemoteFacts, Iterator[bytes]] | None:
        """As Store.chunks. A stream that breaks raises; it is not resumed."""
        try:
            result = self._call(lambda: obstore.get(self._once, key))
        except NotThereError:
            return None
        return _facts(result.meta), self._pieces(result.stream(min_chunk_size=_PIECE))

    def put(self, key: str, data: bytes, *, replacing: str | None) -> str:
        """As Store.put. A refusal after an attempt of unknown end is resolved by looking: our bytes are a success."""
        attempts = 0
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
                use_multipart=False,
            )
            return _bare(result["e_tag"])

        self._throttle.moved(len(data))
        try:
            return self._call(write, lambda: self._boto.put(key, data, replacing=replacing))
        except NotThereError as error:
            raise StoreError(Fault.CHANGED, "it was deleted meanwhile") from error
        except StoreError as error:
            if error.fault is Fault.CHANGED and attempts > 1:
                now = self.head(key)
                if now is not None and now.etag == hashlib.md5(data, usedforsecurity=False).hexdigest():
                    return now.etag
            raise

    def delete(self, key: str, *, etag: str) -> None:
        """As Store.delete."""
        try:
            self._call(
                lambda: self._plain.send("DELETE", key, {"If-Match": f'"{etag}"'}),
                lambda: self._boto.delete(key, etag=etag),
            )
        except NotThereError:
            return

    def copy(self, source: str, target: str) -> None:
        """As Store.copy."""
        try:
            self._call(lambda: obstore.copy(self._once, source, target), lambda: self._boto.copy(source, target))
        except NotThereError as error:
            raise StoreError(Fault.CHANGED, f"{source} is gone") from error

    def checksums(self, key: str) -> dict[str, str]:
        """As Store.checksums."""
        try:
            return self._call(lambda: self._boto.checksums(key))
        except NotThereError:
            return {}

    def _call(self, request: Callable[[], _T], odd: Callable[[], _T] | None = None, *, headless: bool = False) -> _T:
        """Repeat by the throttle; a key that obstore cannot take goes the `odd` way, which answers alike.

        After the endpoint pushed back, a GET goes the plain way for once, where a Retry-After shows.
        """
        way = request

        def attempt() -> _T:
            nonlocal way
            try:
                return _translating(way, headless=headless)
            except StoreError as error:
                if error.fault is Fault.UNADDRESSABLE and odd is not None and way is not odd:
                    way = odd
                    return _translating(way, headless=headless)
                self._pressed.once = error.fault is Fault.THROTTLED
                raise

        try:
            return self._throttle.run(attempt)
        finally:
            self._pressed.once = False

    def _pieces(self, stream: BytesStream) -> Iterator[bytes]:
        while True:
            try:
                piece = next(stream)
            except StopIteration:
                return
            except (BaseError, ValueError, OSError) as error:
                raise _failure(error) from error
            self._throttle.moved(len(piece))
            yield bytes(piece)

    def _sign(self, method: str, key: str) -> str:
        try:
            return obstore.sign(self._once, method, key, _PRESIGNED_FOR)  # type: ignore[call-overload, no-any-return]
        except (BaseError, ValueError) as error:
            raise _failure(error) from error


def _client(settings: Settings, *, retries: int) -> S3Store:
    config: S3Config = {"region": settings.region, "checksum_algorithm": "SHA256"}
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    plain = bool(settings.endpoint and settings.endpoint.startswith("http://"))
    client: ClientConfig = {
        "allow_http": plain,
        # Where nothing is said over TLS, the system's CA certificates need not be read: 5 ms a client. Credentials
        # that are not given come over TLS, whatever the endpoint.
        "allow_invalid_certificates": plain and "AWS_ACCESS_KEY_ID" in os.environ,
        "connect_timeout": timedelta(seconds=settings.connect_seconds),
        "read_timeout": timedelta(seconds=settings.read_seconds),
        "timeout": _LONGEST_REQUEST,
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
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=10), "base": 2},
        },
    )


def _translating(request: Callable[[], _T], *, headless: bool) -> _T:
    try:
        return request()
    except (BaseError, ValueError, FileNotFoundError) as error:
        raise translated(error, headless=headless) from error


def _facts(row: ObjectMeta) -> RemoteFacts:
    return RemoteFacts(row["size"], _bare(row["e_tag"]), row["last_modified"])


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"')


def _failure(error: Exception) -> StoreError:
    """An error where "not there" is no answer."""
    meant = translated(error)
    return meant if isinstance(meant, StoreError) else StoreError(Fault.REFUSED, str(meant))
