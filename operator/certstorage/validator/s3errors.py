"""What the errors of an S3 endpoint and of obstore mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from obstore.exceptions import AlreadyExistsError, InvalidPathError, PreconditionError

from certstorage.validator.store import Fault, StoreError

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{0,200})")
_NO_RANGE = re.compile(r"non-partial response|Content-Range|CONTENT_RANGE|Requested \S+, got")
"""What obstore says where a part was asked for and something else came."""
_DEBUG = "\n\nDebug source"
_OBSTORE_WORDS = re.compile(r"^Generic S3 error: (Error performing list request: )?")
_CREDENTIALS = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "TokenRefreshRequired"}
)
_NOT_THERE = frozenset({"NoSuchKey", "NoSuchVersion"})


class NotThereError(Exception):
    """The server says that there is no such object: an answer, for who asked for one key."""


def translated(error: Exception, *, headless: bool = False) -> StoreError | NotThereError:
    """What an exception of obstore means. `headless`: the answer to a HEAD, which has no error document.

    A 404 counts as "no such object" only if the S3 error document says so: proxies and wrong endpoints say 404 too.
    """
    text = str(error).partition(_DEBUG)[0]
    if isinstance(error, PreconditionError | AlreadyExistsError):
        return StoreError(Fault.CHANGED, "someone else wrote it meanwhile")
    if isinstance(error, InvalidPathError | ValueError):
        return StoreError(Fault.UNADDRESSABLE, text.partition("\n")[0])
    status = _STATUS.search(text)
    if status is None:
        if _NO_RANGE.search(text):
            return StoreError(Fault.REFUSED, text.partition("\n")[0])
        return StoreError(Fault.UNAVAILABLE, _OBSTORE_WORDS.sub("", text.partition("\n")[0])[:300])
    code = match.group(1) if (match := _CODE.search(text)) else ""
    if int(status.group(1)) == 404 and (code in _NOT_THERE or (headless and not code)):
        return NotThereError(text.partition("\n")[0])
    return from_status(int(status.group(1)), text, None)


def from_status(status: int, text: str, retry_after: str | None) -> StoreError:
    """What an HTTP status with an S3 error document (or some other text) means."""
    code = match.group(1) if (match := _CODE.search(text)) else ""
    message = _plain(match.group(1)) if (match := _MESSAGE.search(text)) else ""
    detail = " ".join(part for part in (f"HTTP {status}", code, message) if part)
    return StoreError(_fault(status, code), detail, _seconds(retry_after))


def _plain(text: str) -> str:
    """What XML had to write in another way."""
    for written, meant in (
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&#34;", '"'),
        ("&quot;", '"'),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ):
        text = text.replace(written, meant)
    return text.replace("&amp;", "&")


def _fault(status: int, code: str) -> Fault:
    if code == "NoSuchBucket":
        return Fault.NO_BUCKET
    if code == "RequestTimeTooSkewed":
        return Fault.CLOCK
    if code in _CREDENTIALS:
        return Fault.CREDENTIALS
    if code == "SlowDown" or status in (429, 503):
        return Fault.THROTTLED
    if code == "RequestTimeout" or status >= 500 or (status == 404 and not code):
        return Fault.UNAVAILABLE
    if status in (409, 412):
        return Fault.CHANGED
    return Fault.DENIED if status in (401, 403) else Fault.REFUSED


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header, in seconds or as a date."""
    if not retry_after:
        return None
    if retry_after.isdigit():
        return float(retry_after)
    try:
        moment = datetime.strptime(retry_after, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
