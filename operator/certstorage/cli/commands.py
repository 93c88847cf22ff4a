"""The commands: read, say, ask, write. What they say is worked out elsewhere, from values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from certstorage.cli import asking, history, screen, status, why
from certstorage.cli.asking import Wanted
from certstorage.cli.finding import find_policy, find_request, look
from certstorage.cli.overview import Policy, policy
from certstorage.cli.port import (
    EVENTS,
    INCIDENTS,
    POLICIES,
    REQUESTS,
    CliError,
    Commands,
    ExitCode,
    Json,
    Kube,
    UnreachableError,
)
from certstorage.cli.requested import Request, request
from certstorage.cli.tools import Tools

WATCH_SECONDS = 2.0
"""Between two looks at what is watched or waited for."""


@dataclass(frozen=True, slots=True)
class Session:
    """One command under way: logged in, in a namespace."""

    tools: Tools
    kube: Kube
    namespace: str
    commands: Commands

    def say(self, shown: RenderableType) -> None:
        """Print."""
        screen.say(self.tools.screen, shown)


def begin(tools: Tools, *, kubeconfig: str, context: str, namespace: str) -> Session:
    """Log in. What is empty is as kubectl has it. Raises CliError."""
    kube = tools.connect(kubeconfig=kubeconfig, context=context)
    return Session(tools, kube, namespace or kube.namespace, Commands(tools.program, context))


# --- looking


def show_status(session: Session, name: str, *, everywhere: bool, as_json: bool, watch: bool) -> ExitCode:
    """`status`: one policy, or all of a namespace or of the cluster."""

    def read() -> list[Policy]:
        if name:
            return [find_policy(session.kube, session.namespace, name, session.commands)]
        found = map(policy, session.kube.list(POLICIES, "" if everywhere else session.namespace))
        return sorted(found, key=lambda one: (one.namespace, one.name))

    def shown(policies: list[Policy]) -> RenderableType:
        if as_json:
            told = [status.summary(one) for one in policies]
            whole = json.dumps(told[0] if name else told, indent=2)
            return Group(Text(whole, no_wrap=True, overflow="ignore"))  # a Text alone would be joined to one that wraps
        now = session.tools.now()
        if name:
            return status.overview(policies[0], session.commands, now)
        if not policies:
            return Text(_none(session, everywhere=everywhere))
        return status.table(policies, session.commands, now, namespaces=everywhere)

    if watch:
        _watch(session, read, shown)
    session.say(shown(read()))
    return ExitCode.READY


def _none(session: Session, *, everywhere: bool) -> str:
    if everywhere:
        return "There is no CertStoragePolicy in this cluster."
    line = session.commands.line("status", "-A")
    return f"There is no CertStoragePolicy in namespace {session.namespace}; see all: {line}"


def _watch(session: Session, read: Callable[[], list[Policy]], shown: Callable[[list[Policy]], RenderableType]) -> None:
    """Look again and again until Ctrl-C: in place on a terminal, elsewhere whenever something has changed."""
    if not session.tools.screen.is_terminal:
        before: list[Json] = []
        while True:
            policies = read()
            if [one.raw for one in policies] != before:
                session.say(shown(policies))
                before = [one.raw for one in policies]
            session.tools.pause(WATCH_SECONDS)
    policies = read()
    with Live(shown(policies), console=session.tools.screen, auto_refresh=False) as live:
        while True:
            session.tools.pause(WATCH_SECONDS)
            try:
                policies = read()
                live.update(shown(policies), refresh=True)
            except UnreachableError as error:
                live.update(Group(shown(policies), Text(f"\nNot read again: {error}", style=screen.WARN)), refresh=True)


def show_why(session: Session, name: str) -> ExitCode:
    """`why`: sentences, and a code that says whether it is ready."""
    found = find_policy(session.kube, session.namespace, name, session.commands)
    parts = why.explain(look(session.kube, found), session.commands, session.tools.now())
    session.say(why.render(parts))
    return why.verdict(found)


def show_history(session: Session, name: str) -> ExitCode:
    """`history`: incidents and Events. Incidents outlive their policy, so it need not be there any more."""
    incidents = session.kube.list(INCIDENTS, session.namespace)
    chosen = f"involvedObject.kind=CertStoragePolicy,involvedObject.name={name}"
    events = session.kube.list(EVENTS, session.namespace, fields=chosen)
    chapters = history.chapters(name, incidents, events)
    if chapters:
        session.say(history.render(chapters, session.tools.now()))
        return ExitCode.READY
    found = find_policy(session.kube, session.namespace, name, session.commands)
    session.say(Text(f"Nothing is recorded of {found.key}: no incident, and no Event that is still kept."))
    return ExitCode.READY


# --- asking


def file_request(
    session: Session,
    name: str,
    wanted: Wanted,
    *,
    reason: str,
    sample_rate: str = "",
    expected: tuple[str, ...] = (),
    wait: bool = False,
) -> ExitCode:
    """`request`: create a CertStorageRequest, say what happens next, and wait for its end where that is asked."""
    found = find_policy(session.kube, session.namespace, name, session.commands)
    by = session.kube.whoami()
    body = asking.request_body(found, wanted, by=by, reason=reason, sample_rate=sample_rate, expected=expected)
    made = request(session.kube.create(REQUESTS, found.namespace, body))
    session.say(asking.filed(found, wanted, made.name, session.commands))
    return _wait(session, made) if wait else ExitCode.READY


def _wait(session: Session, made: Request) -> ExitCode:
    """Follow a request to its end, a line for each change. It expires by itself, so this ends."""
    session.say(Text("Waiting for its end; Ctrl-C ends the waiting, not the request."))
    told: tuple[str, ...] = ()
    while True:
        try:
            seen = request(session.kube.get(REQUESTS, made.namespace, made.name))
        except UnreachableError as error:
            session.say(Text(f"Not read: {error}", style=screen.WARN))
            session.tools.pause(WATCH_SECONDS)
            continue
        state = (seen.phase, seen.why, seen.message, seen.plan_hash)
        if state != told:
            session.say(asking.progress(seen, session.commands, session.tools.now()))
            told = state
        if seen.over:
            return asking.outcome(seen)
        session.tools.pause(WATCH_SECONDS)


def approve(session: Session, name: str, *, deny: bool, reason: str, yes: bool) -> ExitCode:
    """`approve`: show the plan, ask, and answer exactly the plan that was shown."""
    asked = find_request(session.kube, session.namespace, name, session.commands)
    asking.check_waits(asked, session.commands)
    session.say(asking.shown_plan(asked, session.tools.now()))
    by = session.kube.whoami()
    if not by:
        line = session.commands.kubectl("version")
        raise CliError(
            f"this cluster does not say who you are, and an answer must: it needs Kubernetes 1.28; see: {line}"
        )
    if not yes:
        verb = "Deny" if deny else "Approve"
        if not session.tools.can_answer():
            again = ("approve", name, *(["--deny"] if deny else []), "--yes")
            line = session.commands.line(*again, namespace=session.namespace)
            raise CliError(f"there is no terminal to ask on, so nothing was answered; to answer this plan: {line}")
        if not session.tools.ask(f"{verb} this plan as {by}?"):
            session.say(Text("Nothing was answered."))
            return ExitCode.NOT_READY
    body = asking.approval_body(asked, by=by, reason=reason, deny=deny)
    made = request(session.kube.create(REQUESTS, asked.namespace, body))
    session.say(asking.answered(asked, made.name, deny=deny, commands=session.commands))
    return ExitCode.READY
