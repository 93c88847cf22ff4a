"""A key of the bucket and a file of the local tree: the same certificate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from certstorage.validator.settings import Settings

_LONGEST_NAME = 255
_PLAIN = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)
"""What nearly every key looks like: nothing in it needs a closer look."""
LOST_AND_FOUND = "lost+found"


def hidden(name: str) -> bool:
    """Whether a name is never a certificate's.

    What begins with a dot (half-written files, .nfs… of a file deleted while open, locks, snapshots), and the directory
    a file system check leaves behind.
    """
    return name.startswith(".") or name == LOST_AND_FOUND


class UnmappableKeyError(ValueError):
    """No local file can have this key, or no key this file's name; the message says why."""


class KeyMap(NamedTuple):
    """`<prefix><rest>` is `<root>/<rest>`, and nothing else is."""

    prefix: str
    root: str
    own_prefix: str

    @classmethod
    def of(cls, settings: Settings) -> KeyMap:
        """The mapping of these settings."""
        return cls(settings.prefix, str(Path(settings.root)), settings.own_prefix)

    def key(self, relative: str) -> str:
        """The key of a file named relative to the root, with "/" between its parts.

        Raises:
            UnmappableKeyError: the name is not valid UTF-8.
        """
        try:
            relative.encode()
        except UnicodeEncodeError as error:
            raise UnmappableKeyError(f"file name is not UTF-8: {relative!r}") from error
        return self.prefix + relative

    def path(self, key: str) -> str:
        """The file of a key.

        Raises:
            UnmappableKeyError: the key is not under the prefix, or leaves the root, or is no possible file name.
        """
        if not key.startswith(self.prefix):
            raise UnmappableKeyError(f"not under {self.prefix!r}: {key!r}")
        relative = key[len(self.prefix) :]
        if relative.isascii() and len(relative) <= _LONGEST_NAME and _PLAIN.fullmatch(relative):
            return f"{self.root}/{relative}"
        for part in relative.split("/"):
            if part in ("", ".", "..") or "\0" in part or len(part.encode()) > _LONGEST_NAME:
                raise UnmappableKeyError(f"no file can have this name: {key!r}")
        return f"{self.root}/{relative}"

    def is_data(self, key: str) -> bool:
        """Whether a key may be a certificate's: not one of the validator itself, no hidden part below the prefix."""
        if key.startswith(self.own_prefix):
            return False
        relative = key[len(self.prefix) :]
        if "." not in relative[:1] and "/." not in relative and LOST_AND_FOUND not in relative:
            return True
        return not any(map(hidden, relative.split("/")))
