"""What the API server refuses, in its own words, and the one line that is made of it."""

from typing import Any

import pytest

from certstorage.cli.finding import near
from certstorage.cli.port import (
    DEPLOYMENTS,
    POLICIES,
    REQUESTS,
    CliError,
    ForbiddenError,
    NotFoundError,
    UnreachableError,
)
from certstorage.cli.refusals import Call, Place, logged_out, refusal, unreachable
from tests.unit.cli.world import PLACE, FakeKube, documents, run

GET, CREATE = Call(POLICIES, "production", "certificates"), Call(REQUESTS, "production")
RBAC = (
    'certstoragepolicies.storage.deltacrown.io is forbidden: User "jane" cannot list resource "certstoragepolicies" '
    'in API group "storage.deltacrown.io" '
)
ADMISSION = (
    'certstoragerequests.storage.deltacrown.io "certificates-sweep-x" is forbidden: ValidatingAdmissionPolicy '
    "'certstorage-requesters' with binding 'certstorage-requesters' denied request: "
)
VERB = (
    "jane may not ask for this: a CertStorageRequest of type Sweep needs the verb sweep on "
    "certstoragepolicies.storage.deltacrown.io certificates in namespace production; the roles edit (all but approval) "
    "and admin have it"
)
WHERE = "https://prod.example.com:6443 (context prod)"


@pytest.mark.parametrize(
    ("call", "code", "body", "kind", "said"),
    [
        (
            GET,
            401,
            {"message": "Unauthorized"},
            CliError,
            f"not logged in: {WHERE} does not know who you are; log in as for kubectl, then: "
            "kubectl auth whoami --context prod",
        ),
        (
            GET,
            403,
            {"message": RBAC + 'in the namespace "production"'},
            ForbiddenError,
            "jane may not list certstoragepolicies.storage.deltacrown.io in namespace production: ask for the role "
            "view there; check with: kubectl auth can-i list certstoragepolicies.storage.deltacrown.io -n production "
            "--context prod",
        ),
        (
            GET,
            403,
            {"message": RBAC + "at the cluster scope"},
            ForbiddenError,
            "jane may not list certstoragepolicies.storage.deltacrown.io in all namespaces: name one with -n, or ask "
            "for the cluster role view; check with: kubectl auth can-i list "
            "certstoragepolicies.storage.deltacrown.io -A --context prod",
        ),
        (
            Call(DEPLOYMENTS, "production", "x"),
            403,
            {"message": 'User "jane" cannot patch resource "pods" in API group "" in the namespace "production"'},
            ForbiddenError,
            "jane may not patch pods in namespace production: ask for the role admin there; check with: "
            "kubectl auth can-i patch pods -n production --context prod",
        ),
        (
            CREATE,
            403,
            {"message": ADMISSION + VERB},
            ForbiddenError,
            f"{VERB}; check with: kubectl auth can-i sweep certstoragepolicies.storage.deltacrown.io/certificates "
            "-n production --context prod",
        ),
        (
            CREATE,
            403,
            {"message": ADMISSION + "spec.trigger is for the operator"},
            ForbiddenError,
            "spec.trigger is for the operator; see what you may do: kubectl auth can-i --list --context prod",
        ),
        (
            GET,
            403,
            None,
            ForbiddenError,
            f"{WHERE} forbids it; see what you may do: kubectl auth can-i --list --context prod",
        ),
        (
            GET,
            404,
            {"message": "not found", "details": {"name": "certificates", "kind": "certstoragepolicies"}},
            NotFoundError,
            "there is no CertStoragePolicy certificates in namespace production",
        ),
        (
            CREATE,
            404,
            {"message": 'namespaces "production" not found', "details": {"name": "production", "kind": "namespaces"}},
            NotFoundError,
            f"there is no namespace production at {WHERE}; see: kubectl get namespaces --context prod",
        ),
        (
            GET,
            404,
            None,
            CliError,
            f"{WHERE} does not know certstoragepolicies.storage.deltacrown.io: its CRDs are not installed; install "
            "them (kubectl apply -k crds --context prod), or name another cluster with --context",
        ),
        (
            Call(DEPLOYMENTS, "production"),
            404,
            None,
            NotFoundError,
            f"{WHERE} does not know deployments of apps/v1",
        ),
        (
            CREATE,
            422,
            {
                "message": "long",
                "details": {"causes": [{"message": "spec.keys is for spec.type: Repair"}, {"message": "and more"}]},
            },
            CliError,
            f"{WHERE} does not take the CertStorageRequest: spec.keys is for spec.type: Repair; and more",
        ),
        (CREATE, 409, None, CliError, f"{WHERE} does not take the CertStorageRequest: status 409"),
        (
            GET,
            503,
            {"message": "etcd is down"},
            UnreachableError,
            f"{WHERE} answers with status 503: etcd is down; try again in a moment, or look: "
            "kubectl get --raw /readyz --context prod",
        ),
    ],
)
def test_a_refusal_says_what_where_and_how_to_mend_it(
    call: Call, code: int, body: dict[str, Any] | None, kind: type[CliError], said: str
) -> None:
    error = refusal(PLACE, call, code, body)
    assert type(error) is kind
    assert str(error) == said


def test_inside_a_pod_there_is_no_context_to_name() -> None:
    error = unreachable(Place("https://10.0.0.1"), "refused")
    assert str(error) == (
        "no answer from https://10.0.0.1: refused; is the cluster up, the context right? kubectl cluster-info"
    )


def test_a_login_that_fails_is_one_line() -> None:
    error = logged_out("exec: process returned 1.\n  token expired.", where="context prod", context="prod")
    assert str(error) == (
        "cannot log in with context prod: exec: process returned 1. token expired; mend it until this works: "
        "kubectl auth whoami --context prod"
    )


@pytest.mark.parametrize(
    ("name", "names", "found"),
    [
        ("certificate", ["certificates", "invoices"], ["certificates"]),
        ("cert", ["certificates", "invoices"], ["certificates"]),
        ("certificates-production", ["certificates"], ["certificates"]),
        ("certifcates", ["certificates", "certificates-eu", "x"], ["certificates", "certificates-eu"]),
        ("zebra", ["certificates"], []),
    ],
)
def test_near_names(name: str, names: list[str], found: list[str]) -> None:
    assert near(name, names) == found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "why certificate",
            "there is no CertStoragePolicy certificate in namespace production; is it certificates? "
            "See: kubectl certstorage status -n production",
        ),
        (
            "why invoices",
            "there is no CertStoragePolicy invoices in namespace production; there is one in billing: "
            "kubectl certstorage status invoices -n billing",
        ),
        (
            "status zebra --context prod",
            "there is no CertStoragePolicy zebra in namespace production; see which there are: "
            "kubectl certstorage status -A --context prod",
        ),
        (
            "approve zebra",
            "there is no CertStorageRequest zebra in namespace production; waiting for an answer there: "
            "certificates-sweep-x7k2p; see: kubectl certstorage approve certificates-sweep-x7k2p -n production",
        ),
        (
            "approve zebra -n billing",
            "there is no CertStorageRequest zebra in namespace billing, and none waits for an answer there; see: "
            "kubectl get certstoragerequests -A",
        ),
    ],
)
def test_what_is_not_there_comes_with_a_suggestion(line: str, said: str) -> None:
    ran = run(FakeKube(documents("sweep-asked", "fresh")), line)
    assert (ran.code, ran.out, ran.err) == (3, "", f"error: {said}\n")


def test_who_may_not_look_elsewhere_is_told_about_this_namespace_all_the_same() -> None:
    class Narrow(FakeKube):
        def list(self, resource: Any, namespace: str = "", *, fields: str = "") -> Any:
            if not namespace:
                raise ForbiddenError("no")
            return super().list(resource, namespace, fields=fields)

    ran = run(Narrow(documents("healthy")), "why zebra")
    assert ran.err.startswith("error: there is no CertStoragePolicy zebra in namespace production; see which there are")
