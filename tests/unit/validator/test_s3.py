"""Requests that are signed ahead, and what errors mean."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from obstore.exceptions import BaseError

from certstorage.validator.s3 import S3
from certstorage.validator.s3errors import from_status
from certstorage.validator.settings import Settings
from certstorage.validator.store import Fault
from certstorage.validator.throttle import Throttle

DATA = b"a certificate"
KEYS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]


class Serving(BaseHTTPRequestHandler):
    """An endpoint with one object, by the ways it may answer who asks for a part of it."""

    way = "part"
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Range", "all"))
        body, status, said = DATA, 200, ""
        if (asked := re.fullmatch(r"bytes=0-(\d+)", self.asked[-1])) and self.way != "whole":
            body = DATA[: int(asked[1]) + 1]
            status, said = 206, f"bytes 0-{len(body) - 1}/{len(DATA)}"
            if self.way == "refused":
                body, status, said = b"<Error><Code>InvalidRange</Code></Error>", 416, ""
            elif self.way == "other part":
                said = f"bytes 1-{len(body)}/99"
        self.send_response(status)
        self.send_header("ETag", '"etag"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        if said:
            self.send_header("Content-Range", said)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[S3, type[Serving]]]:
    """A store on an endpoint of its own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    serving = type("Mine", (Serving,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), serving) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        yield S3(Settings("bucket", "", Path("/"), endpoint=address), Throttle()), serving
        server.shutdown()


@pytest.mark.parametrize(
    ("data", "same"),
    [
        (DATA, True),
        (DATA[:-1], False),
        (DATA + b".", False),
        (DATA.replace(b"a", b"A"), False),
        (b"", False),
    ],
)
def test_an_object_holds_these_very_bytes_or_not(
    endpoint: tuple[S3, type[Serving]], data: bytes, *, same: bool
) -> None:
    assert endpoint[0].holds("a.pdf", data) is same


@pytest.mark.parametrize("way", ["whole", "refused", "other part"])
def test_an_endpoint_without_parts_is_asked_once_and_then_for_the_whole(
    endpoint: tuple[S3, type[Serving]], way: str
) -> None:
    store, serving = endpoint
    serving.way = way
    assert store.holds("a.pdf", DATA) is False
    body = store.get("a.pdf")
    assert body is not None
    assert body.data == DATA
    assert serving.asked == [f"bytes=0-{len(DATA)}", "all"]


@pytest.mark.parametrize(
    ("endpoint", "credentials", "verifies"),
    [
        ("http://127.0.0.1:1", KEYS, False),
        ("https://127.0.0.1:1", KEYS, True),
        ("http://127.0.0.1:1", ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"], True),
    ],
    ids=["nothing over TLS", "the endpoint", "credentials of STS"],
)
def test_whoever_is_spoken_to_over_tls_is_verified(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: str, credentials: list[str], *, verifies: bool
) -> None:
    """By the system's CA certificates, of which there are none here."""
    for variable in KEYS:
        monkeypatch.delenv(variable, raising=False)
    for variable in credentials:
        monkeypatch.setenv(variable, "given")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(BaseError, match="No CA certificates") if verifies else nullcontext():
        S3(Settings("bucket", "", Path("/"), endpoint=endpoint), Throttle())


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
