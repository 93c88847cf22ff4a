"""When differences look like a wrong mount or a wrong bucket, and not like the traces of an outage."""

from __future__ import annotations

from typing import NamedTuple

from certstorage.validator.census import Counts


class Limits(NamedTuple):
    """Shares are of the larger side and count from `few` objects on; `most_extra` is a number of objects."""

    missing_share: float = 0.5
    extra_share: float = 0.25
    most_extra: int = 10_000
    few: int = 50

    def of_part(self, count: int) -> Limits:
        """The limits of one of `count` parts of the keys.

        `few` is half of an equal share: hashes do not divide evenly, and one part that refuses stops them all.
        """
        if count == 1:
            return self
        return self._replace(most_extra=-(-self.most_extra // count), few=max(1, self.few // (2 * count)))

    def refusal(self, counts: Counts) -> tuple[str, str] | None:
        """Why the findings are not to be acted on, if so: a reason and a line for people that names the way on."""
        larger = max(counts.local, counts.s3)
        if not counts.local and counts.s3:
            return "LocalTreeEmpty", f"the local tree is empty and the bucket holds {counts.s3} objects: wrong mount?"
        if counts.extra > max(self.few, self.extra_share * larger):
            return (
                "LocalTreeShrunken",
                f"{counts.extra} of {counts.s3} objects have no file: is this the right disk? (--max-extra-share)",
            )
        if counts.extra > self.most_extra:
            return "TooManyExtra", f"{counts.extra} objects have no file: is this the right disk? (--max-quarantine)"
        if counts.missing > max(self.few, self.missing_share * larger):
            return (
                "MostMissing",
                f"{counts.missing} of {counts.local} files have no object: is this the right bucket? "
                "(--max-missing-share)",
            )
        return None
