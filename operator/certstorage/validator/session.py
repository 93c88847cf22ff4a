"""One run of a command from settings to exit code: clients, signals, errors, report."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from certstorage.validator.context import Context
from certstorage.validator.found import Found
from certstorage.validator.keys import KeyMap
from certstorage.validator.localfile import LocalError
from certstorage.validator.localtree import LocalTree
from certstorage.validator.marks import Marks, RunId
from certstorage.validator.opening import Opened
from certstorage.validator.outcome import Teller
from certstorage.validator.progress import progress
from certstorage.validator.receipt import default_path
from certstorage.validator.report import Header, Json, build
from certstorage.validator.sampling import WHOLE, Shard
from certstorage.validator.settings import UsageError
from certstorage.validator.store import Fault, StoreError
from certstorage.validator.throttle import Cancelled
from certstorage.validator.verdict import Status, Verdict, unknown

if TYPE_CHECKING:
    from certstorage.validator.gather import Gathering
    from certstorage.validator.merge import Merged


class Told(NamedTuple):
    """Where the outcome goes, and where marks are kept."""

    output: str | None
    termination_message: Path | None
    checkpoint: Path | None = None


Work = Callable[[Context, Found, Marks], Verdict]


class Session:
    """Everything around the work of one command."""

    def __init__(self, command: str, opened: Opened, told: Told, shard: Shard = WHOLE) -> None:
        self.settings = opened.settings
        self.throttle = opened.throttle
        self.stop = opened.throttle.stop
        self.store = opened.store
        self.found = Found()
        self._workers = opened.workers
        self._crew = opened.crew
        self._told = told
        self.header = Header(
            command,
            datetime.now(UTC),
            os.environ.get("CERT_RECEIPT_NONCE", ""),
            os.environ.get("CERT_RECEIPT_INPUTS_HASH", ""),
            shard,
        )

    @property
    def quarantine(self) -> str:
        """Where this run puts away what should be gone."""
        return f"{self.settings.own_prefix}quarantine/{self.header.started:%Y%m%dT%H%M%SZ}/"

    @property
    def _parts(self) -> str:
        """Where the shards of this run leave their reports for each other."""
        return f"{self.settings.own_prefix}reports/parts/{self.header.nonce}/"

    def run(self, work: Work, sampling: Json, gathering: Gathering | None = None) -> int:
        """Do the work, tell the outcome, return the exit code; a run that is asked to stop still tells.

        With `gathering` this is a shard, and the last one to end tells the outcome of all.
        """
        with self._marks(sampling) as marks, progress() as shown, _stopped_by_signals(self.stop):
            header = self.header._replace(started=marks.run.started)
            try:
                tree = LocalTree.open(KeyMap.of(self.settings))
                context = Context(
                    tree, self.store, self.throttle, self._workers, shown, lambda: datetime.now(UTC), self._crew
                )
                verdict = self._work(work, context, marks)
                if gathering is not None and verdict.judged:
                    merged = self._gather(gathering, context, header, verdict, sampling)
                    if merged is None:
                        marks.finish()
                        return self._hand_over(header, verdict, sampling)
                    verdict, sampling, self.found = merged.verdict, merged.sampling, merged.found
                    header = header._replace(started=merged.started, shard=WHOLE)
            except StoreError as error:
                verdict = unknown(str(error.fault), error.detail)
            except LocalError as error:
                verdict = unknown("LocalTreeUnreadable", str(error))
            except Cancelled:
                verdict = unknown("Interrupted", "asked to stop before the end")
            if verdict.judged:
                marks.finish()
        return self.tell(header, verdict, sampling)

    def _gather(
        self, gathering: Gathering, context: Context, header: Header, verdict: Verdict, sampling: Json
    ) -> Merged | None:
        """Leave this shard's report, and merge all if no other is missing."""
        from certstorage.validator.gather import collected, deliver  # noqa: PLC0415 - slow to load, for shards only

        document = build(header, self.settings, verdict, self.found, sampling=sampling, finished=datetime.now(UTC))
        deliver(self.store, self._parts, header.shard, document)
        reports = collected(self.store, self._parts, header.shard)
        return None if reports is None else gathering.merged(context, reports)

    def _hand_over(self, header: Header, verdict: Verdict, sampling: Json) -> int:
        """This shard has done its part: what it found is judged by the one that ends last."""
        part = f"part {header.shard.part}/{header.shard.parts}, judged together with the others"
        told = self._told._replace(output=None)
        self._tell(header, verdict._replace(message=f"{part}: {verdict.message}"), sampling, told)
        return Status.PASS.exit_code

    def _work(self, work: Work, context: Context, marks: Marks) -> Verdict:
        """Once more from the beginning, if the listing holds a key that only the slower client can take."""
        self.found = Found(resumed=marks.resumed)
        try:
            return work(context, self.found, marks)
        except StoreError as error:
            if error.fault is not Fault.UNADDRESSABLE:
                raise
            context.progress.say(f"{error.detail}: listing with boto3")
        self.found = Found(resumed=marks.resumed)
        return work(context, self.found, marks)

    def tell(self, header: Header, verdict: Verdict, sampling: Json) -> int:
        """Tell an outcome, return the exit code."""
        return self._tell(header, verdict, sampling, self._told)

    def _tell(self, header: Header, verdict: Verdict, sampling: Json, told: Told) -> int:
        self.stop.clear()
        message = told.termination_message or default_path(os.environ)
        teller = Teller(self.settings, told.output, message)
        return teller.tell(header, verdict, self.found, finished=datetime.now(UTC), sampling=sampling, store=self.store)

    def _marks(self, sampling: Json) -> Marks:
        shaped_by = (self.settings, self.header.command, self.header.nonce, self.header.shard, sorted(sampling.items()))
        digest = blake2b(repr(shaped_by).encode(), digest_size=16).hexdigest()
        try:
            return Marks(self._told.checkpoint, RunId(digest, self.header.started))
        except OSError as error:
            raise UsageError(f"--checkpoint {self._told.checkpoint}: {error.strerror}") from error


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """The first SIGTERM or SIGINT asks to stop, the second one is taken as meant."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ask(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
