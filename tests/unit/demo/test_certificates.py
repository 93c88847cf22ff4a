"""Names, keys and the bytes of a certificate."""

import random
import re

import pytest

from deploy.demo.deltacrown.certificates import InvalidNameError, Name, is_pdf
from deploy.demo.loadgen.pdf import certificate


@pytest.mark.parametrize("text", ["cert_123.pdf", "a.pdf", "batch-7/cert_123.pdf", "run-1/batch-0001/c.v2.pdf"])
def test_a_name_is_the_key_below_the_prefix(text: str) -> None:
    assert Name(text).key("certificates/") == f"certificates/{text}"
    assert Name(text).key("") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".pdf",
        "cert.txt",
        "/cert.pdf",
        "../cert.pdf",
        "a/../cert.pdf",
        "a//cert.pdf",
        ".locks/cert.pdf",
        "a.pdf/cert.pdf",
        "cert.pdf\n",
        "cért.pdf",
        f"{'x' * 101}.pdf",
        "a/b/c/d/cert.pdf",
    ],
)
def test_what_could_leave_the_tree_or_be_no_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidNameError):
        Name(text)


def test_a_certificate_is_a_pdf_from_its_header_to_its_end() -> None:
    data = certificate("Certificate (1) \\ of 2", filler=random.Random(1), padding=512)
    assert is_pdf(data)
    assert not is_pdf(data[:-8])
    assert not is_pdf(data[1:])
    assert not is_pdf(b"<Error><Code>SlowDown</Code></Error>")


def test_the_cross_reference_table_points_at_the_objects() -> None:
    data = certificate("One", filler=random.Random(1), padding=100)
    start = int(data.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert data[start:].startswith(b"xref\n")
    offsets = [int(found) for found in re.findall(rb"(\d{10}) 00000 n", data[start:])]
    assert [data[offset:].split(b" ")[0] for offset in offsets] == [b"1", b"2", b"3", b"4", b"5"]


def test_certificates_of_one_name_differ() -> None:
    rng = random.Random(1)
    assert certificate("One", filler=rng, padding=256) != certificate("One", filler=rng, padding=256)
