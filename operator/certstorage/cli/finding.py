"""Reading what a command is about, with a helpful answer where it is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from certstorage.api import hold as holds
from certstorage.cli.doc import Doc
from certstorage.cli.overview import Policy, policy
from certstorage.cli.port import (
    DEPLOYMENTS,
    POLICIES,
    REQUESTS,
    Commands,
    ForbiddenError,
    Kube,
    NotFoundError,
)
from certstorage.cli.requested import Request, request
from certstorage.cli.why import Seen


def find_policy(kube: Kube, namespace: str, name: str, commands: Commands) -> Policy:
    """The policy of this name.

    Raises:
        NotFoundError: there is none; the text names near ones, here or in other namespaces.
    """
    try:
        return policy(kube.get(POLICIES, namespace, name))
    except NotFoundError as error:
        here = [body["metadata"]["name"] for body in kube.list(POLICIES, namespace)]
        elsewhere = [] if near(name, here) else _elsewhere(kube, namespace, name)
        hint = _hint(name, namespace, here, elsewhere, commands)
        raise NotFoundError(f"{error}{hint}") from error


def _elsewhere(kube: Kube, namespace: str, name: str) -> list[str]:
    """Other namespaces that have a policy of this name; none for those who may not look there."""
    try:
        bodies = kube.list(POLICIES)
    except ForbiddenError:
        return []
    places = [body["metadata"] for body in bodies]
    return [place["namespace"] for place in places if place["name"] == name and place["namespace"] != namespace]


def _hint(name: str, namespace: str, here: Sequence[str], elsewhere: Sequence[str], commands: Commands) -> str:
    if found := near(name, here):
        return f"; is it {' or '.join(found)}? See: {commands.line('status', namespace=namespace)}"
    if elsewhere:
        return f"; there is one in {' and '.join(elsewhere)}: {commands.line('status', name, namespace=elsewhere[0])}"
    return f"; see which there are: {commands.line('status', '-A')}"


def near(name: str, names: Iterable[str]) -> list[str]:
    """Names that somebody may have meant, the likeliest first, three at most."""
    known = sorted(names)
    begun = [one for one in known if one.startswith(name) or name.startswith(one)]
    return list(dict.fromkeys((*get_close_matches(name, known, n=3, cutoff=0.6), *begun)))[:3]


def find_request(kube: Kube, namespace: str, name: str, commands: Commands) -> Request:
    """The request of this name.

    Raises:
        NotFoundError: there is none; the text names those whose plans wait.
    """
    try:
        return request(kube.get(REQUESTS, namespace, name))
    except NotFoundError as error:
        waiting = [one.name for one in map(request, kube.list(REQUESTS, namespace)) if one.waits]
        if waiting:
            line = commands.line("approve", waiting[0], namespace=namespace)
            raise NotFoundError(f"{error}; waiting for an answer there: {', '.join(waiting)}; see: {line}") from error
        see = commands.kubectl("get", "certstoragerequests", "-A")
        raise NotFoundError(f"{error}, and none waits for an answer there; see: {see}") from error


def look(kube: Kube, found: Policy) -> Seen:
    """All that `why` needs beside the policy; a Deployment that cannot be read is something to say, not a failure."""
    requests = [request(body) for body in kube.list(REQUESTS, found.namespace)]
    mine = tuple(one for one in requests if one.policy == found.name)
    try:
        deployment = kube.get(DEPLOYMENTS, found.namespace, found.target)
    except NotFoundError as error:
        return Seen(found, hold_problem=str(error), requests=mine)
    except ForbiddenError as error:
        return Seen(found, hold_problem=f"the hold on the Deployment was not read: {error}", requests=mine)
    text = Doc(deployment).value("metadata", "annotations", holds.ANNOTATION)
    if not isinstance(text, str):
        return Seen(found, requests=mine)
    try:
        return Seen(found, hold=holds.load(text), requests=mine)
    except holds.InvalidHoldError as error:
        return Seen(found, hold_problem=f"the hold cannot be read: {error}", requests=mine)
