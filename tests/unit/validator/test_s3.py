"""Requests that are signed ahead, and what errors mean."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from certstorage.validator.s3 import S3
from certstorage.validator.s3errors import from_status
from certstorage.validator.settings import Settings
from certstorage.validator.store import Fault
from certstorage.validator.throttle import Throttle


def test_what_is_signed_outlives_a_clock_that_s3_still_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 takes a clock that is fifteen minutes off; a URL signed by one must not have expired when it arrives."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    store = S3(Settings("bucket", "", Path("/"), endpoint="http://127.0.0.1:1"), Throttle())
    query = parse_qs(urlsplit(store._sign("DELETE", "certificates/a.pdf")).query)
    assert int(query["X-Amz-Expires"][0]) >= 2 * 15 * 60


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (403, "RequestTimeTooSkewed", Fault.CLOCK),
        (403, "AccessDenied", Fault.DENIED),
        (404, "NoSuchBucket", Fault.NO_BUCKET),
        (400, "ExpiredToken", Fault.CREDENTIALS),
        (503, "SlowDown", Fault.THROTTLED),
        (412, "PreconditionFailed", Fault.CHANGED),
    ],
)
def test_errors_keep_their_code_and_read_well(status: int, code: str, fault: Fault) -> None:
    text = f"<Error><Code>{code}</Code><Message>the server&#39;s &lt;time&gt; &amp;amp;</Message></Error>"
    error = from_status(status, text, None)
    assert (error.fault, error.detail) == (fault, f"HTTP {status} {code} the server's <time> &amp;")
