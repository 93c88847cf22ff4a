"""What the runbook asks to look at when S3 misbehaves: region, lifecycle, logging, clock, path. Read with boto3.

boto3 is imported when this is asked for, not before: it costs 170 ms and 40 MiB.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from certstorage.validator.finding import Finding
from certstorage.validator.settings import Settings

_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE", "GLACIER_IR"})
_MOST_SKEW_SECONDS = 60.0
_S3_REFUSES_FROM_SECONDS = 900.0


def findings(settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[Finding]:
    """Look at everything; nothing here raises because S3 says no."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    from certstorage.validator.boto import client as make_client  # noqa: PLC0415 - see above

    client = make_client(settings)
    bucket = settings.bucket

    def read(name: str, request: Callable[[], Finding]) -> Finding:
        try:
            return request()
        except ClientError as error:
            said = error.response.get("Error", {})
            return Finding(name, "unknown", f"{said.get('Code', '')} {said.get('Message', '')}".strip())
        except BotoCoreError as error:
            return Finding(name, "unknown", str(error)[:300])

    def clock() -> Finding:
        try:
            answer = client.head_bucket(Bucket=bucket)
        except ClientError as error:  # a clock that is too far off is refused, and the refusal has the date, too
            answer = error.response
        return judge_clock(answer, now())

    def lifecycle() -> Finding:
        try:
            rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NoSuchLifecycleConfiguration":
                raise
            rules = []
        return judge_lifecycle(rules, settings.prefix)

    return [
        read("clock", clock),
        read("location", lambda: judge_location(client.get_bucket_location(Bucket=bucket), settings.region)),
        read("lifecycle", lifecycle),
        read("logging", lambda: judge_logging(client.get_bucket_logging(Bucket=bucket))),
        judge_path(client.meta.endpoint_url, settings),
    ]


def judge_clock(answer: Mapping[str, Any], now: datetime) -> Finding:
    """How far our clock is from the server's."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if not date:
        return Finding("clock", "unknown", "the server names no date")
    skew = (now - parsedate_to_datetime(date)).total_seconds()
    state = "ok" if abs(skew) <= _MOST_SKEW_SECONDS else "warning"
    refuses = f"; S3 refuses from {_S3_REFUSES_FROM_SECONDS:.0f} s on" if state == "warning" else ""
    return Finding("clock", state, f"{skew:+.0f} s against the server{refuses}")


def judge_location(answer: Mapping[str, Any], expected: str) -> Finding:
    """Whether the bucket is where the application looks for it."""
    location = answer.get("LocationConstraint") or "us-east-1"
    location = "eu-west-1" if location == "EU" else location
    if location == expected:
        return Finding("location", "ok", location)
    return Finding("location", "warning", f"the bucket is in {location}, requests go to {expected}: cross-region reads")


def judge_lifecycle(rules: Sequence[Mapping[str, Any]], prefix: str) -> Finding:
    """Whether a rule archives or expires certificates."""
    bad: list[str] = []
    for rule in rules:
        if rule.get("Status") != "Enabled":
            continue
        applies_to = _prefix_of(rule)
        if not (prefix.startswith(applies_to) or applies_to.startswith(prefix)):
            continue
        name = rule.get("ID") or applies_to or "unnamed"
        classes = {step.get("StorageClass", "") for step in rule.get("Transitions", ())} & _ARCHIVES
        bad += [f"{name} moves to {storage}" for storage in sorted(classes)]
        if rule.get("Expiration", {}).keys() & {"Days", "Date"}:
            bad.append(f"{name} expires objects")
    if bad:
        return Finding("lifecycle", "warning", "; ".join(bad))
    return Finding("lifecycle", "ok", f"{len(rules)} rules, none archives or expires {prefix or 'the bucket'}")


def judge_logging(answer: Mapping[str, Any]) -> Finding:
    """Where the access logs go: the runbook asks for them."""
    target = answer.get("LoggingEnabled")
    if not target:
        return Finding("logging", "warning", "no access logs are written")
    return Finding("logging", "ok", f"s3://{target.get('TargetBucket')}/{target.get('TargetPrefix', '')}")


def judge_path(url: str, settings: Settings) -> Finding:
    """Name, TCP and TLS, each timed: where on the way the time goes."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    times: list[str] = []
    began = time.monotonic()

    def lap(name: str) -> None:
        nonlocal began
        now = time.monotonic()
        times.append(f"{name} {1000 * (now - began):.0f} ms")
        began = now

    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4]
        lap("name")
        with socket.create_connection(address[:2], settings.connect_seconds) as connection:  # type: ignore[arg-type]
            lap("TCP")
            if tls:
                context = ssl.create_default_context(cafile=settings.ca_bundle)
                with context.wrap_socket(connection, server_hostname=host):
                    lap("TLS")
    except OSError as error:
        return Finding("path", "warning", f"{host}:{port}: {', '.join(times)}{' then ' if times else ''}{error}")
    return Finding("path", "ok", f"{host}:{port}: {', '.join(times)}")


def _prefix_of(rule: Mapping[str, Any]) -> str:
    found = rule.get("Filter", {})
    return str(found.get("Prefix") or found.get("And", {}).get("Prefix") or rule.get("Prefix") or "")
