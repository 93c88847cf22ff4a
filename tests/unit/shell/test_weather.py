"""Any weather: signals, people, Jobs, faults and deaths in any order. Then the sun comes out, and all is as it was."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certstorage.api.signals import SignalName, SignalSet, Verdict
from certstorage.cluster.port import POLICIES, REQUESTS, UnavailableError
from certstorage.giveback import give_back
from tests.fakes.cluster import Call
from tests.fakes.scene import DUAL, NAMESPACE, POLICY, READ, Killed, Scene, firing, healthy, hidden, outage

MILDER = (
    SignalName.DEGRADED,
    SignalName.FALLBACK_ELEVATED,
    SignalName.DELETE_FAIL,
    SignalName.WRITE_SUCCESS,
    SignalName.LOCAL_DISK,
)
WEATHER: dict[str, Callable[[Sky], SignalSet]] = {
    "healthy": lambda _: healthy(),
    "outage": lambda sky: outage() if sky.env(READ) == "true" else hidden(),
    "silent": lambda _: healthy(OUTAGE=Verdict.UNKNOWN, RECOVERY=Verdict.UNKNOWN),
    **{name.value: lambda sky, name=name: firing(name, since=sky.since) for name in MILDER},  # type: ignore[misc]
}
STEP = st.one_of(
    st.tuples(st.just("weather"), st.sampled_from(sorted(WEATHER))),
    st.tuples(st.just("wait"), st.sampled_from([1, 15, 130, 400, 700, 4000, 90_000])),
    st.tuples(st.just("job"), st.sampled_from(["PASS", "FAIL", "INCONCLUSIVE"])),
    st.tuples(st.just("ask"), st.sampled_from(["Sweep", "Validation", "Repair", "Return"])),
    st.tuples(st.just("answer"), st.sampled_from(["Approve", "Deny"])),
    st.tuples(st.just("mode"), st.sampled_from(["Enforce", "ProtectOnly", "Observe"])),
    st.tuples(st.just("write"), st.sampled_from(["true", "DEBUG", "INFO"])),
    st.tuples(st.just("fault"), st.sampled_from(["killed", "lost", "refused"])),
    st.tuples(st.just("die"), st.just("")),
    st.tuples(st.just("give back"), st.just("")),
)


class Sky(Scene):
    """What may happen, by name."""

    def __init__(self) -> None:
        super().__init__(recovery={"holdSeconds": 60})
        self.source.reads = 500.0
        self.over, self.since = "healthy", self.cluster.now
        self.asked = 0

    async def happen(self, what: str, how: Any) -> None:
        match what:
            case "weather":
                self.over, self.since = how, self.cluster.now
            case "wait":
                self.cluster.advance(how)
            case "job":
                self.end_jobs(how)
            case "ask":
                self.asked += 1
                self.ask(f"asked-{self.asked}", how)
            case "answer":
                for name in self.requests():
                    plan = self.request(name).get("planHash")
                    if plan and f"{name}-answer-{plan}" not in self.requests():
                        answers = {"requestName": name, "planHash": plan, "decision": how}
                        self.ask(f"{name}-answer-{plan}", "Approval", approves=answers)
            case "mode":
                self.cluster.touch(POLICIES, NAMESPACE, POLICY, lambda body: body["spec"].update(mode=how))
            case "write":
                name = READ if how == "true" else "LOG_LEVEL"
                self.cluster.set_env(NAMESPACE, "deltacrown", {name: how}, manager="argocd")
            case "fault":
                self.fault(how)
            case "die":
                self.start()
            case _:
                await give_back(self.cluster, (NAMESPACE,), self.cluster.now, "give-back")
        await self.passes()

    def fault(self, kind: str) -> None:
        """The next write dies, gets lost, or does not arrive."""

        def hit(call: Call) -> None:
            if call.writes:
                self.cluster.before = self.cluster.after = lambda _: None
                raise Killed if kind == "killed" else UnavailableError("no answer")

        if kind == "refused":
            self.cluster.before = hit
        else:
            self.cluster.after = hit

    def end_jobs(self, verdict: str) -> None:
        if any(not job.get("status") for job in self.jobs()):
            job = self.jobs()[-1]
            if not job.get("status"):
                self.finish(verdict, report="s3://b/r.json", mismatchPercent=0.0 if verdict == "PASS" else 2.0)

    async def passes(self, most: int = 4) -> None:
        self.source.current = WEATHER[self.over](self)
        for _ in range(most):
            before = len(self.cluster.writes())
            try:
                await self.step()
            except Killed:
                self.start()
            self.look()
            if len(self.cluster.writes()) == before:
                return

    def look(self) -> None:
        """What may never be otherwise."""
        assert "defect" not in self.ledger.failures
        assert self.env(DUAL) == "true"
        hold = self.hold()
        if self.deployment()["spec"]["replicas"] == 0:
            assert hold is not None
            assert (hold.replicas, hold.restore_by is not None) == (3, True)
        if self.env(READ) == "false" and hold is None:
            assert self.reason() in ("ReadsOffByOther", "ReturnYielded", "ModeObserve"), self.reason()

    async def sunshine(self) -> None:
        """Everybody behaves until nothing is held and ten minutes pass without a write."""
        self.cluster.before = self.cluster.after = lambda _: None
        self.over = "healthy"
        self.cluster.touch(POLICIES, NAMESPACE, POLICY, lambda body: body["spec"].update(mode="Enforce"))
        calm = 0
        for number in range(60):
            before = len(self.cluster.writes())
            self.end_jobs("PASS")
            if number % 10 == 9:
                self.ask(f"sun-{number}", "Return")
            self.cluster.advance(130)
            await self.passes(12)
            calm = calm + 1 if len(self.cluster.writes()) == before and self.hold() is None else 0
            if calm == 5:
                return
        raise AssertionError(f"it does not calm down: {self.reason()}: {self.condition().get('message')}")


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEP, min_size=3, max_size=14))
def test_after_any_weather_all_is_as_it_was(steps: list[tuple[str, Any]]) -> None:
    async def story() -> None:
        sky = Sky()
        await sky.settle()
        spec = copy.deepcopy(sky.deployment()["spec"])
        for what, how in steps:
            await sky.happen(what, how)
        await sky.sunshine()
        assert sky.hold() is None, f"{sky.reason()}: {sky.condition().get('message')}"
        assert sky.deployment()["spec"]["replicas"] == spec["replicas"]
        assert sky.env(READ) == "true" or any(how == "true" for what, how in steps if what == "write")
        assert sky.policy()["metadata"].get("finalizers", []) == []
        assert all(one["spec"]["policyName"] == POLICY for one in sky.cluster.every(REQUESTS))

    asyncio.run(story())
