"""The story on a terminal: one picture that stays in place, or plain lines, one for each thing that changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tests.e2e.story.facts import DUAL_WRITE, LOG_LEVEL, OUTAGES, READ_PRIMARY, Pod
from tests.e2e.story.plot import Plot, Step, is_whole
from tests.e2e.story.view import View

BAR = 24
"""Characters of a full bar."""


class Timeline:
    """Shows each view that it is given; a picture on a terminal, lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: View | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, view: View) -> None:
        """Bring the picture up to date, or print what changed since the last view."""
        if self._live is not None:
            self._live.update(picture(view), refresh=True)
        else:
            for line in news(self._last, view):
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._last = view


def story_lines(plot: Plot, steps: tuple[Step, ...]) -> list[str]:
    """The story for the end of a run: a line each step in the order of time, with what shows it."""
    told = sorted(steps, key=lambda one: one.at)
    width = max(len(plot.titles[one.step]) for one in told)
    return [f"{clock(steps[0].at, one.at)}  {plot.titles[one.step]:<{width}}  {plot.proof(one)}" for one in told]


def picture(view: View) -> RenderableType:
    """The whole view as one panel."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", justify="right", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("S3", _s3(view))
    facts.add_row("alerts", _alerts(view))
    facts.add_row("template", _template(view))
    facts.add_row("Pods", _pods(view.pods))
    facts.add_row("saves failing", _bar(view.saves_failing))
    facts.add_row("reads falling back", _bar(view.reads_falling_back))
    facts.add_row("clients", _clients(view))
    facts.add_row("incidents", _papers(view.incidents) or "none")
    if view.requests:
        facts.add_row("requests", _papers(view.requests))
    facts.add_row("people told", f"{view.told} messages")
    facts.add_row("operator", _operator(view))
    facts.add_row("waiting for", _waiting(view))
    parts: list[RenderableType] = [facts, Text(), _checklist(view)]
    if view.trouble:
        parts.append(Text(f"the observer could not read: {view.trouble}", style="yellow"))
    title = f"{view.plot.title} · {clock(view.began, view.at)}"
    return Panel(Group(*parts), title=title, title_align="left", padding=(1, 2))


def news(before: View | None, after: View) -> Iterator[str]:
    """Plain lines for what changed between two views."""
    stamp = clock(after.began, after.at)
    old = _said(before) if before is not None else {}
    done = len(before.steps) if before is not None else 0
    for step in after.steps[done:]:
        title, proof = after.plot.titles[step.step], after.plot.proof(step)
        yield f"{clock(after.began, step.at)}  {'==':>18}  {step.step.value}: {title} ({proof})"
    for topic, text in _said(after).items():
        if text and text != old.get(topic):
            yield f"{stamp}  {topic:>18}  {text}"


def _said(view: View) -> dict[str, str]:
    """What the plain lines are about; ratios only in steps of a tenth, so that lines stay few."""
    operator = view.operator
    return {
        "S3": _s3(view).plain,
        "alerts": _alerts(view).plain,
        "template": _template(view).plain,
        "Pods": _pods(view.pods).plain,
        "saves failing": _tenth(view.saves_failing),
        "reads falling back": _tenth(view.reads_falling_back),
        "client errors": str(view.client_errors) if view.client_errors else "",
        "operator": ": ".join(part for part in (operator.step or operator.reason, operator.message) if part),
        "Job": view.job,
        "incidents": _papers(view.incidents),
        "requests": _papers(view.requests),
        "people told": f"{view.told} messages" if view.told else "",
        "waiting for": view.waiting,
        "unreadable": view.trouble,
    }


def clock(began: datetime, at: datetime) -> str:
    """Minutes and seconds since the beginning."""
    seconds = max(0, round((at - began).total_seconds()))
    return f"{seconds // 60:02}:{seconds % 60:02}"


def _s3(view: View) -> Text:
    if not view.fault:
        return Text("open", style="green")
    return Text(f"{'cut' if is_whole(view.fault) else 'faulty'} ({view.fault})", style="bold red")


def _alerts(view: View) -> Text:
    """The alerts by name; beside an outage's the runbook's others, which follow it, are only a number."""
    text = Text()
    shown = OUTAGES & view.alerts.keys() or view.alerts.keys()
    for name in sorted(shown):
        state = view.alerts[name]
        text.append(", " if text else "").append(f"{name} {state}", style="red" if state == "firing" else "yellow")
    if others := sum(state == "firing" for name, state in view.alerts.items() if name not in shown):
        text.append(f"{', and ' if text else ''}{others} other{'s' if others > 1 else ''} firing", style="yellow")
    return text or Text("none", style="green")


def _template(view: View) -> Text:
    text = Text()
    for name in (READ_PRIMARY, DUAL_WRITE, LOG_LEVEL):
        text.append("  " if text else "").append(f"{name}=").append(view.template.get(name, "?"), style="bold")
    return text.append("  replicas=").append(str(view.replicas), style="bold")


def _papers(phases: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {phase or 'new'}" for name, phase in phases.items())


def _pods(pods: tuple[Pod, ...]) -> Text:
    text = Text()
    for pod in sorted(pods, key=lambda pod: (pod.going, pod.reads != "false", not pod.ready)):
        where = {"true": "S3", "false": "local"}.get(pod.reads, "?")
        style = "dim" if pod.going else {"S3": "blue", "local": "magenta"}.get(where, "red")
        state = " (going)" if pod.going else "" if pod.ready else " (starting)"
        text.append("  " if text else "").append(f"{'●' if pod.ready else '○'} {where}{state}", style=style)
    return text or Text("none", style="red")


def _bar(ratio: float | None) -> Text:
    if ratio is None:
        return Text("no data", style="dim")
    full = round(ratio * BAR)
    style = "red" if ratio >= 0.95 else "yellow" if ratio >= 0.01 else "green"
    return Text.assemble(("█" * full, style), ("░" * (BAR - full), "dim"), f" {_percent(ratio)}")


def _clients(view: View) -> Text:
    errors = Text(f"{view.client_errors} errors", style="bold red" if view.client_errors else "bold green")
    return Text(f"{view.operations:,} operations, ").append(errors)


def _operator(view: View) -> Text:
    said = view.operator
    text = Text(said.step or said.reason or "says nothing", style="bold")
    if said.message:
        text.append(f": {said.message}", style="not bold")
    return text.append(f" (until {said.until})", style="not bold dim") if said.until else text


def _waiting(view: View) -> Text:
    text = Text(view.waiting or "nothing")
    if view.deadline is not None:
        text.append(f" (at most {max(0, round((view.deadline - view.at).total_seconds()))} s more)", style="dim")
    return text


def _checklist(view: View) -> Table:
    table = Table.grid(padding=(0, 2))
    done = {step.step: step for step in view.steps}
    titles = view.plot.titles
    current = next((name for name in titles if name not in done), None)
    for name, title in titles.items():
        step = done.get(name)
        if step is not None:
            table.add_row(
                Text("✔", style="green"), clock(view.began, step.at), title, Text(view.plot.proof(step), style="dim")
            )
        elif name is current:
            table.add_row(Text("▸", style="bold cyan"), "", Text(title, style="bold"), "")
        else:
            table.add_row("·", "", Text(title, style="dim"), "")
    return table


def _percent(ratio: object) -> str:
    return f"{ratio:.0%}" if isinstance(ratio, float | int) else "no data"


def _tenth(ratio: float | None) -> str:
    return "" if ratio is None else f"about {round(ratio * 10) * 10} %"
