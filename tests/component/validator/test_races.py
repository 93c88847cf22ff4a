"""A recovery next to an application that never stops: nothing it wrote is lost, nothing it deleted comes back."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.component.validator.test_outage import digest
from tests.component.validator.world import Ran, World, pdf


@dataclass
class Ledger:
    """What the application wrote last under each name; None: it deleted it."""

    last: dict[str, bytes | None] = field(default_factory=dict)
    done: int = 0


class Application:
    """Saves and deletes under a lock for each name, local first, as the demo application does.

    Now and then S3 does not hear of it, as in an outage: that is what the recovery mends.
    """

    def __init__(self, world: World, names: int) -> None:
        self._world = world
        self._names = [f"live/{number % 7}/cert_{number:03}.pdf" for number in range(names)]
        self._locks = {name: threading.Lock() for name in self._names}
        self.ledger = Ledger()

    def live(self, seed: int, over: threading.Event) -> None:
        """One worker of it."""
        dice = random.Random(seed)
        while not over.is_set():
            self.act(dice, dice.choice(self._names), missed=dice.random() < 0.15)

    def act(self, dice: random.Random, name: str, *, missed: bool) -> None:
        """One operation; `missed`: it does not reach S3."""
        with self._locks[name]:
            if dice.random() < 0.65 or not (self._world.root / name).exists():
                data = pdf(f"{name} {dice.random()}", dice.randrange(500))
                self._world.save_locally(name, data)
                if not missed:
                    self._world.put(name, data)
                self.ledger.last[name] = data
            else:
                (self._world.root / name).unlink()
                if not missed:
                    self._world.delete_remotely(name)
                self.ledger.last[name] = None
            self.ledger.done += 1


ANY_SHARE = ("--max-extra-share", "1", "--max-missing-share", "1")


def recover(world: World) -> Ran:
    """As after an outage."""
    return world.recover("--settle", "0.05", *ANY_SHARE)


def check_and_repair(world: World) -> Ran:
    """As in the nights after: what a check finds is repaired from its report, some writes later."""
    found = world.check("--settle", "0.05", *ANY_SHARE)
    report = world.root.with_name("found.json")
    report.write_text(json.dumps(found.report))
    return world.run("repair", "--from-report", str(report), "--settle", "0.05", "--apply", "--extra")


@pytest.mark.parametrize("mend", [recover, check_and_repair])
def test_no_lost_update_and_no_resurrected_delete(world: World, operations: int, mend: Callable[[World], Ran]) -> None:
    world.fill(60)
    application, over = Application(world, 60), threading.Event()
    workers = [threading.Thread(target=application.live, args=(seed, over), daemon=True) for seed in range(3)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 600
    uploaded = 0
    while application.ledger.done < operations or not uploaded:  # something must be mended while the application writes
        assert time.monotonic() < deadline
        ran = mend(world)
        assert ran.report["status"] in ("PASS", "FAIL"), ran.report["message"]
        uploaded += ran.receipt["uploaded"]
    over.set()
    for worker in workers:
        worker.join(60)
    before = digest(world.root)
    ran = mend(world)
    assert (ran.code, digest(world.root)) == (0, before)
    remote = world.remote()
    assert remote == world.local()
    for name, data in application.ledger.last.items():
        assert remote.get(name) == data


def test_between_two_recoveries_only_the_applications_writes_count(world: World, operations: int) -> None:
    """Without missed operations the bucket must hold the application's last word at every moment it is at rest."""
    names = world.fill(30)
    application = Application(world, 30)
    dice = random.Random(5)
    over = threading.Event()
    lock = threading.Lock()

    def live() -> None:
        while not over.is_set():
            with lock:
                application.act(dice, dice.choice(application._names), missed=False)

    worker = threading.Thread(target=live, daemon=True)
    worker.start()
    deadline = time.monotonic() + 300
    try:
        while application.ledger.done < operations // 3:
            assert time.monotonic() < deadline
            world.recover("--settle", "0.02", "--max-extra-share", "1", "--max-missing-share", "1")
            with lock:
                remote = world.remote()
                for name, data in application.ledger.last.items():
                    assert remote.get(name) == data
    finally:
        over.set()
        worker.join(60)
    assert set(names) <= set(world.remote())
