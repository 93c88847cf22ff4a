"""What a certificate is called, and what makes bytes one."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_-]{0,99}/){0,3}[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.pdf")


class InvalidNameError(ValueError):
    """No certificate can have this name."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name such as `cert_123.pdf` or `batch-7/cert_123.pdf`.

    No part starts with a dot: dot directories of the volume belong to the application. No folder has one at all, so
    that none can stand where a certificate should.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what could leave the tree. Raises InvalidNameError."""
        if not _NAME.fullmatch(self.text):
            raise InvalidNameError(f"{self.text!r} is not a certificate's name")

    def key(self, prefix: str) -> str:
        """The key in the bucket; below `prefix` it is the path below the volume's root."""
        return prefix + self.text


def is_pdf(data: bytes) -> bool:
    """Whether the bytes start as a PDF and are there to the end."""
    return data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
