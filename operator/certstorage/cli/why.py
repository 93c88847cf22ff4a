"""`why`: in sentences, what is so, why it is so, and what unblocks it and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from certstorage.api.conditions import ConditionType
from certstorage.api.hold import Hold
from certstorage.cli import screen, words
from certstorage.cli.overview import Policy
from certstorage.cli.port import Commands, ExitCode
from certstorage.cli.requested import Request
from certstorage.cli.status import UNSEEN, validation_facts
from certstorage.cli.waiting import wait_of
from certstorage.cli.words import sentence

OPERATOR = "certstorage-system"
"""The namespace that the operator is installed in."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that an answer is made from. `hold_problem` says why the hold could not be read; `hold` is None then too."""

    policy: Policy
    hold: Hold | None = None
    hold_problem: str = ""
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Some sentences under a heading, and the commands that belong to them."""

    heading: str
    sentences: tuple[str, ...]
    commands: tuple[str, ...] = ()


def verdict(policy: Policy) -> ExitCode:
    """What `why` exits with: a person who is asked outweighs the rest."""
    if policy.asked is not None:
        return ExitCode.PERSON_ASKED
    return ExitCode.READY if policy.ready.true else ExitCode.NOT_READY


def explain(seen: Seen, commands: Commands, now: datetime) -> tuple[Part, ...]:
    """The whole answer; parts that would be empty are left out."""
    parts = (
        Part(_headline(seen.policy, now), tuple(_so(seen.policy, now))),
        Part("Why", tuple(_why(seen, now))),
        _unblocks(seen, commands, now),
    )
    return tuple(part for part in parts if part.sentences or part.commands)


def render(parts: tuple[Part, ...]) -> RenderableType:
    """The answer as it is printed: headings, and below them the sentences."""
    return Group(*_lines(parts))


def _lines(parts: tuple[Part, ...]) -> Iterator[RenderableType]:
    for index, part in enumerate(parts):
        yield Text(("\n" if index else "") + part.heading, style="bold")
        for text in part.sentences:
            yield Padding(Text(text), (0, 0, 0, 2))
        for line in part.commands:
            yield screen.command(line, indent=4)


def _headline(policy: Policy, now: datetime) -> str:
    ready = policy.ready
    if not policy.seen:
        return f"{policy.key}: nothing is known yet."
    state = {"True": "is ready", "False": "is not ready"}.get(ready.status, "may be ready or not")
    lasting = f", for {words.since(ready.since, now)}" if ready.since is not None else ""
    return f"{policy.key} {state}: {ready.reason}{lasting}."


def _so(policy: Policy, now: datetime) -> Iterator[str]:
    if not policy.seen:
        yield sentence(UNSEEN)
        return
    yield sentence(policy.ready.message)
    yield from _reads(policy, now)
    if policy.observed_generation < policy.generation:
        yield (
            f"Generation {policy.generation} of the spec has not been acted on yet; "
            f"all this is about generation {policy.observed_generation}."
        )
    if policy.mode == "Observe":
        yield "spec.mode is Observe: the operator decides and reports, and acts on nothing."
    if policy.mode == "ProtectOnly":
        yield "spec.mode is ProtectOnly: reads go local by themselves, and a person brings them back."
    if policy.deleting:
        yield "The policy is being deleted; what it holds is given back first."


def _reads(policy: Policy, now: datetime) -> Iterator[str]:
    source = {"S3": "from S3", "Local": "from local disk"}.get(policy.desired)
    if source is None:
        return
    lasting = f", since {words.ago(policy.reads_since, now)}" if policy.reads_since is not None else ""
    done = policy.pods_as_desired
    where = f" {done} of {policy.pods} Pods {'does' if done == 1 else 'do'} so." if policy.pods else " No Pod runs."
    yield f"Reads are wanted {source}{lasting}.{where}"
    if policy.template != policy.desired:
        yield f"The template of Deployment {policy.target} says {policy.template}."


def _why(seen: Seen, now: datetime) -> Iterator[str]:
    policy = seen.policy
    meaning = words.meanings().get(policy.ready.reason, "")
    if meaning:
        yield f"{policy.ready.reason}: {sentence(meaning)}"
    for signal in policy.signals:
        if signal.verdict == "Firing":
            value = f" at {signal.value}" if signal.value else ""
            lasting = f", since {words.ago(signal.since, now)}" if signal.since is not None else ""
            yield sentence(f"{signal.name} fires{value}{lasting}" + (f": {signal.message}" if signal.message else ""))
    trusted = policy.condition(ConditionType.SIGNALS_TRUSTED)
    if policy.seen and not trusted.true:
        yield sentence(f"The signals are not to be trusted, so nothing goes back to S3: {trusted.message}")
    yield from _operation(policy, now)
    yield from _held(seen, now)
    if policy.validation is not None:
        validation = policy.validation
        when = f" {words.ago(validation.finished_at, now)}" if validation.finished_at is not None else ""
        said = f"; {validation.message}" if validation.message else ""
        yield sentence(
            f"The last validation ended{when} with {validation.verdict}: {validation_facts(validation)}{said}"
        )


def _operation(policy: Policy, now: datetime) -> Iterator[str]:
    operation = policy.operation
    if operation is not None:
        began = f" began {words.ago(operation.started_at, now)} and" if operation.started_at is not None else ""
        lasting = f", for {words.since(operation.since, now)}" if operation.since is not None else ""
        attempt = f", in attempt {operation.attempt}" if operation.attempt else ""
        yield f"The procedure {operation.type}{began} is at step {operation.step}{lasting}{attempt}."
        if operation.failed_returns:
            last = f", the last with {operation.last_failure}" if operation.last_failure else ""
            count = "1 return" if operation.failed_returns == 1 else f"{operation.failed_returns} returns"
            yield f"{count} did not hold{last}."
        if operation.reverts:
            times = "once" if operation.reverts == 1 else f"{operation.reverts} times"
            yield f"{operation.reverted_by or 'Somebody'} wrote the operator's values back {times}."
    for beside in policy.beside:
        yield f"Beside it {beside.name} is at step {beside.step}, for {words.since(beside.since, now)}."


def _held(seen: Seen, now: datetime) -> Iterator[str]:
    if seen.hold_problem:
        yield sentence(seen.hold_problem)
    hold = seen.hold
    if hold is None:
        return
    target = f"Deployment {seen.policy.target}"
    if hold.policy_uid != seen.policy.uid:
        yield f"{target} is held by another policy ({hold.policy_name}), for incident {hold.incident}."
        return
    yield f"{target} is held for incident {hold.incident}, since {words.ago(hold.since, now)}."
    before = [f"{name} {'was absent' if value is None else f'was {value}'}" for name, value in hold.before.items()]
    if hold.replicas is not None:
        before.append(f"it had {hold.replicas} replicas")
    if before:
        yield f"Before that {', '.join(before)}; the hold remembers it, to give it back."


def _unblocks(seen: Seen, commands: Commands, now: datetime) -> Part:
    policy = seen.policy
    found: list[str] = []
    run: list[str] = []
    if not policy.seen:
        run.append(commands.kubectl("get", "deployment,pods", namespace=OPERATOR))
    if policy.asked is not None:
        same = policy.asked.message == policy.ready.message
        about = "for this" if same else f"({policy.asked.reason}): {policy.asked.message}"
        found.append(sentence(f"A person is asked {about}"))
        run.extend(line for line in (policy.asked.command,) if line)
    for request in seen.requests:
        if not request.over and request.type != "Approval":
            found.append(_request(request, now))
            run.extend(_approve(request, commands))
    found.extend(_waits(policy, now))
    if not found and policy.ready.true:
        found.append("Nothing is asked of anybody.")
        if policy.next_validation_at is not None:
            found.append(f"The next validation starts at {words.ahead(policy.next_validation_at, now)}.")
    return Part("What unblocks it, and when" if not policy.ready.true else "What is next", tuple(found), _once(run))


def _waits(policy: Policy, now: datetime) -> Iterator[str]:
    wait = wait_of(policy)
    if wait is None:
        if policy.seen and not policy.ready.true:
            yield "It goes on by itself as soon as what is named above is mended; nothing has to be restarted."
        return
    if policy.operation is not None:
        yield f"It waits for {wait.what}."
    for signal in policy.signals:
        if signal.name == "Recovery" and signal.verdict != "ClearProven" and signal.missing:
            yield f"To believe that S3 is back it lacks: {', '.join(signal.missing)}."
    if wait.until is not None:
        yield f"It is looked at again at {words.ahead(wait.until, now)}."
    if wait.overdue is not None:
        yield f"If it takes longer than until {words.ahead(wait.overdue, now)}, people are told."
    if wait.restore_by is not None:
        yield f"Replicas are back by {words.ahead(wait.restore_by, now)}, whatever it finds."


def _request(request: Request, now: datetime) -> str:
    state = f"is {request.phase}" if request.phase else "has not been looked at yet"
    said = f": {request.message}" if request.message else ""
    again = f"; it is looked at again at {words.ahead(request.until, now)}" if request.until is not None else ""
    return sentence(f"CertStorageRequest {request.name} ({request.type}{request.asked_by}) {state}{said}{again}")


def _approve(request: Request, commands: Commands) -> Iterator[str]:
    if request.waits:
        yield commands.line("approve", request.name, namespace=request.namespace)


def _once(lines: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))
