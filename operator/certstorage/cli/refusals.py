"""What the API server refused, as one line for the person at the keyboard: what, where, how to mend it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from certstorage.api.policy import GROUP
from certstorage.cli.doc import Doc
from certstorage.cli.port import CliError, ForbiddenError, NotFoundError, Resource, UnreachableError

_RBAC = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_ADMISSION = re.compile(r"ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request: ")
_OUR_VERB = re.compile(
    r"needs the verb (?P<verb>\w+) on (?P<resource>\S+) (?P<name>\S+) in namespace (?P<namespace>[^\s;]+)"
)
_ROLES = {"get": "view", "list": "view", "watch": "view", "create": "edit"}


@dataclass(frozen=True, slots=True)
class Place:
    """The cluster that is spoken to, as its user knows it: the context (empty inside a Pod) and the server's URL."""

    server: str
    context: str = ""

    def __str__(self) -> str:
        return f"{self.server} (context {self.context})" if self.context else self.server

    @property
    def flag(self) -> str:
        """What names the same place to kubectl."""
        return f" --context {self.context}" if self.context else ""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked of the API server."""

    resource: Resource
    namespace: str = ""
    name: str = ""


def refusal(place: Place, call: Call, code: int, body: object) -> CliError:
    """The error for an answer that is not a success; `body` is its JSON, or None where it had none."""
    status = Doc(body)
    message = status.text("message")
    match code:
        case 401:
            return CliError(
                f"not logged in: {place} does not know who you are; log in as for kubectl, then: "
                f"kubectl auth whoami{place.flag}"
            )
        case 403:
            return _forbidden(place, message)
        case 404:
            return _missing(place, call, status)
        case 400 | 409 | 422:
            said = "; ".join(cause.text("message") for cause in status.each("details", "causes")) or message
            return CliError(f"{place} does not take the {call.resource.kind}: {said or f'status {code}'}")
    said = f": {message}" if message else ""
    check = f"kubectl get --raw /readyz{place.flag}"
    return UnreachableError(f"{place} answers with status {code}{said}; try again in a moment, or look: {check}")


def _forbidden(place: Place, message: str) -> ForbiddenError:
    ours = _OUR_VERB.search(message)
    if ours is not None:
        check = (
            f"kubectl auth can-i {ours['verb']} {ours['resource']}/{ours['name']} -n {ours['namespace']}{place.flag}"
        )
        return ForbiddenError(f"{_ADMISSION.split(message)[-1]}; check with: {check}")
    denied = _RBAC.search(message)
    if denied is None:
        said = _ADMISSION.split(message)[-1] or f"{place} forbids it"
        return ForbiddenError(f"{said}; see what you may do: kubectl auth can-i --list{place.flag}")
    plural = f"{denied['resource']}.{denied['group']}" if denied["group"] else denied["resource"]
    role = _ROLES.get(denied["verb"], "admin")
    if denied["namespace"] is None:
        check = f"kubectl auth can-i {denied['verb']} {plural} -A{place.flag}"
        where, mend = "in all namespaces", f"name one with -n, or ask for the cluster role {role}"
    else:
        check = f"kubectl auth can-i {denied['verb']} {plural} -n {denied['namespace']}{place.flag}"
        where, mend = f"in namespace {denied['namespace']}", f"ask for the role {role} there"
    return ForbiddenError(f"{denied['user']} may not {denied['verb']} {plural} {where}: {mend}; check with: {check}")


def _missing(place: Place, call: Call, status: Doc) -> CliError:
    name, kind = status.text("details", "name"), status.text("details", "kind")
    if name and kind == "namespaces":
        return NotFoundError(f"there is no namespace {name} at {place}; see: kubectl get namespaces{place.flag}")
    if name:
        return NotFoundError(f"there is no {call.resource.kind} {name} in namespace {call.namespace}")
    if call.resource.group == GROUP:
        return CliError(
            f"{place} does not know {call.resource.plural}.{GROUP}: its CRDs are not installed; install them "
            f"(kubectl apply -k crds{place.flag}), or name another cluster with --context"
        )
    return NotFoundError(f"{place} does not know {call.resource.plural} of {call.resource.api_version}")


def unreachable(place: Place, cause: object) -> UnreachableError:
    """The error for a call that got no answer."""
    check = f"kubectl cluster-info{place.flag}"
    return UnreachableError(f"no answer from {place}: {cause}; is the cluster up, the context right? {check}")


def logged_out(cause: object, *, where: str, context: str) -> CliError:
    """The error for a kubeconfig, or the login that it names, that cannot be used."""
    said = " ".join(str(cause).split()).rstrip(".")
    flag = f" --context {context}" if context else ""
    return CliError(f"cannot log in with {where}: {said}; mend it until this works: kubectl auth whoami{flag}")
