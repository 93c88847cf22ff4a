"""A list of keys that may become very long: bytes in a row, not a string object each."""

from __future__ import annotations

from collections.abc import Iterator


class KeyList:
    """Keys, appended and iterated. No key holds a NUL: neither S3 clients nor file systems allow one."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._count = 0

    def append(self, key: str) -> None:
        """Add one more."""
        self._text += key.encode() + b"\0"
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        at = 0
        while (end := self._text.find(b"\0", at)) >= 0:
            yield self._text[at:end].decode()
            at = end + 1
