"""A key is a file and a file is a key, or nothing is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.validator.keys import KeyMap, UnmappableKeyError, hidden
from certstorage.validator.settings import UsageError, directory, settings

MAP = KeyMap("certificates/", "/mnt/media/certificates", ".certstorage/")
names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)


@given(st.lists(names, min_size=1, max_size=4).map("/".join))
def test_there_and_back(relative: str) -> None:
    assert MAP.path(MAP.key(relative)) == f"{MAP.root}/{relative}"


@given(st.text(max_size=300))
def test_no_key_leaves_the_root(rest: str) -> None:
    try:
        path = MAP.path(f"certificates/{rest}")
    except (UnmappableKeyError, UnicodeEncodeError):
        return
    assert Path(path).is_relative_to(MAP.root)
    assert ".." not in Path(path).parts


@pytest.mark.parametrize(
    "key",
    [
        "certificates/../../etc/passwd",
        "certificates/a//b",
        "certificates/a/",
        "certificates/./a",
        "certificates/a/..",
        "certificates/" + "x" * 256,
        "certificates/" + "ä" * 128,
        "certificates/a\0b",
        "certificates",
        "other/a",
    ],
)
def test_what_no_file_can_be_is_refused(key: str) -> None:
    with pytest.raises(UnmappableKeyError):
        MAP.path(key)


def test_a_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(UnmappableKeyError, match="UTF-8"):
        MAP.key("cert_\udcff.pdf")


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("certificates/a.pdf", True),
        ("certificates/a.b/c.pdf", True),
        ("certificates/.nfs0001", False),
        ("certificates/a/.a.pdf.1f", False),
        ("certificates/.locks/x", False),
        ("certificates/lost+found/x", False),
        ("certificates/my-lost+found.pdf", True),
        (".certstorage/probe/x", False),
    ],
)
def test_what_counts_as_a_certificate(key: str, data: bool) -> None:
    assert MAP.is_data(key) is data


@pytest.mark.parametrize(("name", "expected"), [(".x", True), ("lost+found", True), ("x.pdf", False)])
def test_hidden_names(name: str, expected: bool) -> None:
    assert hidden(name) is expected


@pytest.mark.parametrize(("text", "expected"), [("", ""), ("/", ""), ("a", "a/"), ("a/", "a/"), ("/a/b/", "a/b/")])
def test_prefixes_end_in_a_slash(text: str, expected: str) -> None:
    assert directory(text) == expected


def test_settings_come_from_the_environment() -> None:
    found = settings({"CERT_S3_BUCKET": "b", "CERT_S3_PREFIX": "certificates", "CERT_LOCAL_PATH": "/x"})
    assert (found.bucket, found.prefix, str(found.root), found.region) == ("b", "certificates/", "/x", "us-east-1")


def test_arguments_win() -> None:
    environ = {
        "CERT_S3_BUCKET": "b",
        "CERT_LOCAL_PATH": "/x",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_S3": "http://s",
    }
    found = settings(environ, bucket="c", prefix="", root=Path("/y"))
    assert (found.bucket, found.prefix, found.root) == ("c", "", Path("/y"))
    assert (found.region, found.endpoint) == ("eu-west-1", "http://s")


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_a_timeout_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(UsageError, match="CERT_S3_READ_TIMEOUT"):
        settings({"CERT_S3_BUCKET": "b", "CERT_LOCAL_PATH": "/x", "CERT_S3_READ_TIMEOUT": text})


@pytest.mark.parametrize("environ", [{}, {"CERT_S3_BUCKET": "b"}, {"CERT_LOCAL_PATH": "/x"}])
def test_what_is_not_named_is_asked_for(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="CERT_"):
        settings(environ)
