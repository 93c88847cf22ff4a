"""`status`: one policy in full, many in a table, or both as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from certstorage.api.conditions import ConditionType
from certstorage.api.reading import rfc3339
from certstorage.cli import screen, words
from certstorage.cli.overview import Policy, Validation
from certstorage.cli.port import Commands, Json
from certstorage.cli.waiting import wait_of

UNSEEN = "the operator has not looked at it yet: is it running, and is this namespace enrolled?"


def table(policies: Sequence[Policy], commands: Commands, now: datetime, *, namespaces: bool) -> RenderableType:
    """One line a policy, and below what to run next."""
    head = ("NAMESPACE",) if namespaces else ()
    names = (*head, "NAME", "READY", "REASON", "READS", "PODS", "STEP", "SINCE")
    rows = [(*((policy.namespace,) if namespaces else ()), *_cells(policy, now)) for policy in policies]
    return Group(screen.Fitting(names, rows, spare=("STEP", "SINCE", "PODS")), *_next(policies, commands))


def _cells(policy: Policy, now: datetime) -> tuple[str | Text, ...]:
    operation, ready = policy.operation, policy.ready
    step, since = (operation.step, operation.since) if operation is not None else ("-", ready.since)
    reads, pods, lasting = policy.template or "-", _pods(policy), words.since(since, now)
    return policy.name, screen.word(ready.status), ready.reason or "-", reads, pods, step, lasting


def _next(policies: Sequence[Policy], commands: Commands) -> Iterator[RenderableType]:
    """How many need a look, and the command for the most urgent of them."""
    asking = [policy for policy in policies if policy.asked is not None]
    waiting = [policy for policy in policies if not policy.ready.true]
    first = next(iter(asking or [policy for policy in waiting if policy.seen] or waiting), None)
    if first is None:
        return
    ready = len(policies) - len(waiting)
    asks = f", {len(asking)} {'asks' if len(asking) == 1 else 'ask'} for a person" if asking else ""
    yield Text(f"\n{ready} of {len(policies)} ready{asks}:")
    yield screen.command(commands.line("why", first.name, namespace=first.namespace))


def overview(policy: Policy, commands: Commands, now: datetime) -> RenderableType:
    """All there is to see of one policy, the most urgent first."""
    return Group(_title(policy), Text(), screen.labelled(_rows(policy, commands, now)), *_signals(policy, now))


def _title(policy: Policy) -> Text:
    title = Text.assemble((policy.key, "bold"), f"  Deployment {policy.target}  mode {policy.mode}")
    if policy.deleting:
        title.append("  being deleted", style=screen.WARN)
    if policy.seen and policy.observed_generation < policy.generation:
        text = f"  generation {policy.generation} not acted on yet (last: {policy.observed_generation})"
        title.append(text, style=screen.WARN)
    return title


def _rows(policy: Policy, commands: Commands, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    ready = policy.ready
    head = Text.assemble(screen.word(ready.status), f"  {ready.reason}" if ready.reason else "")
    if ready.since is not None:
        head.append(f" for {words.since(ready.since, now)}")
    yield "Ready", head
    yield "", Text(ready.message if policy.seen else UNSEEN)
    asked = policy.asked
    if asked is not None:
        yield "Asked", Text("a person" if asked.message == ready.message else asked.message, style=screen.WARN)
        run = asked.command or commands.line("why", policy.name, namespace=policy.namespace)
        yield "", screen.command(run, indent=screen.LABEL + 2)
    if policy.desired:
        wanted = f", for {words.since(policy.reads_since, now)}" if policy.reads_since is not None else ""
        yield "Reads", Text(f"wanted {policy.desired}, template {policy.template}, Pods {_pods(policy)}{wanted}")
    yield from _operation(policy, now)
    if policy.validation is not None:
        yield "Validated", validated(policy.validation, now)
    if policy.next_validation_at is not None:
        yield "", Text(f"next at {words.ahead(policy.next_validation_at, now)}")
    if policy.incident:
        yield "Incident", Text(policy.incident)


def _operation(policy: Policy, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    operation = policy.operation
    if operation is not None:
        parts = [f"{operation.type}, {operation.step} for {words.since(operation.since, now)}"]
        if operation.started_at is not None:
            parts.append(f"began {words.ago(operation.started_at, now)}")
        if operation.attempt:
            parts.append(f"attempt {operation.attempt}")
        if operation.failed_returns:
            parts.append(f"{operation.failed_returns} failed")
        yield "Operation", Text(", ".join(parts))
    wait = wait_of(policy)
    if wait is not None:
        yield "Waits for", Text(wait.what)
        if wait.until is not None:
            yield "", Text(f"looked at again at {words.ahead(wait.until, now)}")
        if wait.overdue is not None:
            yield "", Text(f"overdue at {words.ahead(wait.overdue, now)}")
        if wait.restore_by is not None:
            yield "", Text(f"replicas are back by {words.ahead(wait.restore_by, now)}")
    for beside in policy.beside:
        yield "Beside", Text(f"{beside.name}, {beside.step} for {words.since(beside.since, now)}")


def _signals(policy: Policy, now: datetime) -> Iterator[RenderableType]:
    trusted = policy.condition(ConditionType.SIGNALS_TRUSTED)
    if policy.seen and not trusted.true:
        text = f"\nThe signals are not to be trusted: {trusted.message or trusted.reason}"
        yield Text(text, style=screen.WARN)
    if not policy.signals:
        return
    shown = screen.columns("SIGNAL", "VERDICT", "VALUE", "SINCE", "MISSING")
    for signal in policy.signals:
        missing = ", ".join(signal.missing) or (signal.message if signal.verdict == "Unknown" else "")
        since = words.since(signal.since, now)
        shown.add_row(signal.name, screen.word(signal.verdict), signal.value or "-", since, missing or "-")
    yield Text()
    yield shown


def _pods(policy: Policy) -> str:
    return "-" if policy.pods is None else f"{policy.pods_as_desired}/{policy.pods}"


def validated(validation: Validation, now: datetime) -> Text:
    """What the last validator run said."""
    text = Text.assemble(screen.word(validation.verdict))
    if validation.finished_at is not None:
        text.append(f", {words.span(now - validation.finished_at)} ago")
    text.append(f": {validation_facts(validation)}")
    return text


def validation_facts(validation: Validation) -> str:
    """The figures of a validator run."""
    of = f" of {validation.population}" if validation.population is not None else ""
    facts = []
    if validation.mismatch:
        bound = f" (at most {validation.upper_bound})" if validation.upper_bound else ""
        facts.append(f"mismatch {validation.mismatch}{bound}")
    facts.append(f"{validation.sampled}{of} objects compared")
    if validation.unverified:
        facts.append(f"{validation.unverified} not verified")
    if validation.at_risk_open:
        facts.append(f"{validation.at_risk_open} at risk still differ")
    return ", ".join(facts)


def summary(policy: Policy) -> Json:
    """One policy for scripts: parts of the API as they are, with what is waited for and asked worked out."""
    stored = policy.raw.get("status")
    status: Json = stored if isinstance(stored, dict) else {}
    wait, asked = wait_of(policy), policy.asked
    found: Json = {
        "namespace": policy.namespace,
        "name": policy.name,
        "mode": policy.mode,
        "deployment": policy.target,
        "ready": policy.ready.status,
        "reason": policy.ready.reason,
        "message": policy.ready.message if policy.seen else UNSEEN,
        "actedOn": policy.observed_generation >= policy.generation,
        "waitsFor": wait.what if wait is not None else None,
        "until": rfc3339(wait.until) if wait is not None and wait.until is not None else None,
        "asked": {"reason": asked.reason, "message": asked.message, "command": asked.command} if asked else None,
        "incident": policy.incident or None,
    }
    parts = ("reads", "operation", "scenarios", "signals", "lastValidation")
    return {**found, **{part: status[part] for part in parts if part in status}}
