"""What RBAC cannot say: who may write a policy, a request, a status, and who is warned about a hold."""

import pytest

from tests.cluster.shell import until
from tests.component.api.server import GROUP, Client, Json, Server, policy
from tests.component.api.test_requests import request
from tests.component.api.test_rights import deployment

OURS = "storage.deltacrown.io"
OPERATOR = "system:serviceaccount:certstorage-system:certstorage-operator"
ANY = "get,list,watch,create,update,patch,delete"
HELD = {"metadata": {"annotations": {"storage.deltacrown.io/hold": '{"v":1}'}}}


@pytest.fixture(scope="module")
def policies(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/certstoragepolicies"


@pytest.fixture(scope="module")
def requests(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/certstoragerequests"


@pytest.fixture(scope="module")
def only_policies(server: Server, namespace: str) -> Client:
    """May do anything to policies, and nothing else."""
    server.allow(namespace, "only-policies", (OURS, "certstoragepolicies,certstoragepolicies/status", ANY))
    return server.user("only-policies")


@pytest.fixture(scope="module")
def owner(server: Server, namespace: str) -> Client:
    """May also create Jobs, and patch one Deployment."""
    one = {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["deltacrown"], "verbs": ["patch"]}
    ours = {"apiGroups": [OURS], "resources": ["certstoragepolicies"], "verbs": ANY.split(",")}
    server.grant(namespace, "owner", ours, one, {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]})
    return server.user("owner")


@pytest.fixture(scope="module")
def owned(owner: Client, policies: str, namespace: str) -> Json:
    answer = owner.create(policies, policy(namespace, "owned"))
    assert answer.code == 201, answer.message
    return answer.body


def denial(policy_name: str, text: str) -> str:
    return f"ValidatingAdmissionPolicy '{policy_name}' with binding '{policy_name}' denied request: {text}"


def test_rights_on_policies_alone_do_not_make_an_author(only_policies: Client, policies: str, namespace: str) -> None:
    answer = only_policies.create(policies, policy(namespace, "grab"))
    assert answer.code == 403
    assert answer.message.endswith(
        denial(
            "certstorage-authors",
            "a policy acts on its Deployment with the operator's rights, so its author needs them too: "
            f"only-policies may not patch deployments.apps deltacrown in namespace {namespace}; "
            "ask for that permission, or let someone who has it apply this",
        )
    )


def test_an_edit_of_spec_asks_again(only_policies: Client, policies: str, owned: Json) -> None:
    answer = only_policies.merge(f"{policies}/owned", {"spec": {"mode": "Observe"}})
    assert answer.code == 403
    assert "only-policies may not patch deployments.apps deltacrown" in answer.message


def test_what_is_no_spec_passes(only_policies: Client, policies: str, owned: Json) -> None:
    assert only_policies.merge(f"{policies}/owned", {"metadata": {"labels": {"team": "sre"}}}).code == 200
    assert only_policies.merge(f"{policies}/owned", {"spec": {"mode": owned["spec"]["mode"]}}).code == 200


def test_a_right_on_one_deployment_counts_for_that_one_alone(owner: Client, policies: str, namespace: str) -> None:
    other = policy(namespace, "other", targetRef={"name": "payments"})
    answer = owner.create(policies, other)
    assert answer.code == 403
    assert "owner may not patch deployments.apps payments" in answer.message


def test_a_policy_is_not_moved_to_a_deployment_that_its_author_may_patch(
    owner: Client, policies: str, owned: Json
) -> None:
    answer = owner.merge(f"{policies}/owned", {"spec": {"targetRef": {"name": "deltacrown2"}}})
    assert answer.code in {403, 422}
    assert owner.get(f"{policies}/owned").body["spec"]["targetRef"]["name"] == "deltacrown"


def test_an_author_must_be_allowed_to_run_jobs(server: Server, policies: str, namespace: str) -> None:
    server.allow(namespace, "no-jobs", (OURS, "certstoragepolicies", ANY), ("apps", "deployments", "patch"))
    answer = server.user("no-jobs").create(policies, policy(namespace, "no-jobs"))
    assert answer.code == 403
    assert answer.message.endswith(
        denial(
            "certstorage-authors",
            "a policy runs validator Jobs with the operator's rights, so its author needs them too: "
            f"no-jobs may not create jobs.batch in namespace {namespace}; "
            "ask for that permission, or let someone who has it apply this",
        )
    )


def test_the_operator_never_edits_a_spec(operator: Client, policies: str, owned: Json) -> None:
    current = operator.get(f"{policies}/owned").body
    answer = operator.replace(f"{policies}/owned", current | {"spec": current["spec"] | {"mode": "Observe"}})
    assert answer.code == 403
    assert answer.message.endswith(
        denial("certstorage-authors", "spec is people's to write: the operator never changes what it is asked")
    )


@pytest.mark.parametrize("verb", ["merge", "replace"])
def test_status_is_the_operators_alone(
    server: Server, only_policies: Client, operator: Client, policies: str, owned: Json, verb: str
) -> None:
    for somebody, name in ((only_policies, "only-policies"), (server.admin, "admin")):
        current = server.admin.get(f"{policies}/owned").body
        forged = {"incidentName": "forged"}
        body = {"status": forged} if verb == "merge" else current | {"status": forged}
        answer = getattr(somebody, verb)(f"{policies}/owned/status", body)
        assert answer.code == 403
        assert answer.message.endswith(
            denial(
                "certstorage-status",
                f"status is written by the operator alone, and {name} is not it: to change what it does edit spec "
                "(mode: Observe stops it) or create a CertStorageRequest; a lost status is written again by itself",
            )
        )
    body = operator.get(f"{policies}/owned").body | {"status": {"observedGeneration": 1}}
    assert operator.replace(f"{policies}/owned/status", body).code == 200


@pytest.mark.parametrize("plural", ["certstoragerequests", "certstorageincidents"])
def test_so_is_the_status_of_the_other_kinds(server: Server, namespace: str, plural: str) -> None:
    path = f"{GROUP}/namespaces/{namespace}/{plural}"
    kind = {"certstoragerequests": "CertStorageRequest", "certstorageincidents": "CertStorageIncident"}[plural]
    spec = {"policyName": "owned", "type": "Sweep", "reason": "r"} if kind == "CertStorageRequest" else {}
    body = {"apiVersion": f"{OURS}/v1alpha1", "kind": kind, "metadata": {"name": "forged"}, "spec": spec}
    assert server.admin.create(path, body).code == 201
    answer = server.admin.merge(f"{path}/forged/status", {"status": {"phase": "Approved"}})
    assert answer.code == 403
    assert "status is written by the operator alone" in answer.message


def test_a_status_in_a_new_object_is_dropped(server: Server, policies: str, namespace: str) -> None:
    forged = policy(namespace, "forged") | {"status": {"incidentName": "forged"}}
    assert "status" not in server.admin.create(policies, forged, dryRun="All").body


def test_a_request_needs_its_own_verb_on_the_policy(server: Server, requests: str, namespace: str) -> None:
    server.allow(
        namespace, "sweeper", (OURS, "certstoragerequests", "create"), (OURS, "certstoragepolicies", "sweep,validation")
    )
    sweeper = server.user("sweeper")
    assert sweeper.create(requests, request({"type": "Sweep"}, "s"), dryRun="All").code == 201
    assert sweeper.create(requests, request({"type": "Validation"}, "v"), dryRun="All").code == 201
    answer = sweeper.create(requests, request({"type": "Return"}, "r"), dryRun="All")
    assert answer.code == 403
    assert answer.message.endswith(
        denial(
            "certstorage-requesters",
            "sweeper may not ask for this: a CertStorageRequest of type Return needs the verb return on "
            f"certstoragepolicies.storage.deltacrown.io certificates in namespace {namespace}; the roles edit (all but "
            "approval) and admin have it",
        )
    )


def test_nobody_asks_in_anothers_name(server: Server, requests: str) -> None:
    spec = {"type": "Approval", "approves": {"requestName": "x", "planHash": "9f86d081"}, "requestedBy": "jane"}
    answer = server.admin.create(requests, request(spec), dryRun="All")
    assert answer.code == 403
    assert answer.message.endswith(
        denial(
            "certstorage-requesters", "spec.requestedBy must be who creates the request: write admin, or leave it out"
        )
    )


def test_triggers_are_the_operators(server: Server, operator: Client, requests: str) -> None:
    quarterly = request({"type": "Sweep", "trigger": "Quarterly"})
    answer = server.admin.create(requests, quarterly, dryRun="All")
    assert answer.code == 403
    assert answer.message.endswith("spec.trigger other than Person is for the operator's own triggers: leave it out")
    assert operator.create(requests, quarterly, dryRun="All").code == 201


def test_the_operator_never_approves(operator: Client, requests: str) -> None:
    spec = {"type": "Approval", "approves": {"requestName": "x", "planHash": "9f86d081"}, "requestedBy": OPERATOR}
    answer = operator.create(requests, request(spec), dryRun="All")
    assert answer.code == 403
    assert answer.message.endswith("spec.type: Approval is a person's answer: the operator never gives it")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("view", set()),
        ("edit", {"policy", "Sweep", "Validation", "Repair", "Return"}),
        ("admin", {"policy", "Sweep", "Validation", "Repair", "Return", "Approval"}),
    ],
)
def test_kubernetes_own_roles(
    server: Server, namespace: str, policies: str, requests: str, role: str, may: set[str]
) -> None:
    server.bind(namespace, f"by-{role}", "ClusterRole", role)
    person = server.user(f"by-{role}")
    # The controller manager joins our rules to Kubernetes' roles a moment after they are made.
    until(f"{role} sees policies", lambda: person.get(policies).code == 200, seconds=60)
    done = {"policy"} if person.create(policies, policy(namespace, role), dryRun="All").code == 201 else set()
    for kind in ("Sweep", "Validation", "Repair", "Return", "Approval"):
        spec: Json = {"type": kind, "requestedBy": f"by-{role}"}
        if kind == "Approval":
            spec["approves"] = {"requestName": "x", "planHash": "9f86d081"}
        if person.create(requests, request(spec), dryRun="All").code == 201:
            done.add(kind)
    assert done == may
    assert person.merge(f"{policies}/owned/status", {"status": {}}).code == 403


@pytest.fixture(scope="module")
def held(server: Server, operator: Client, namespace: str) -> str:
    """A Deployment that the operator holds."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert server.admin.create(path, deployment("held")).code == 201
    answer = operator.merge(f"{path}/held", HELD)
    assert (answer.code, answer.warnings) == (200, ())
    return f"{path}/held"


OVERRIDE = "set mode: Observe in the CertStoragePolicy"


def flags(value: str) -> Json:
    env = [{"name": "CERT_S3_READ_PRIMARY", "value": value}]
    return {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web", "env": env}]}}}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (flags("false"), f"changes of the flags or replicas that it holds will be undone. To override it, {OVERRIDE}"),
        (
            {"spec": {"replicas": 1}},
            "this Deployment is held by the operator (kubectl get certstoragepolicies shows why)",
        ),
        (
            {"metadata": {"annotations": {"storage.deltacrown.io/hold": None}}},
            "without it nothing is given back by itself. To override the operator, " + OVERRIDE,
        ),
        (
            {"metadata": {"annotations": {"storage.deltacrown.io/hold": "{}"}}},
            "this changes the annotation storage.deltacrown.io/hold",
        ),
    ],
    ids=["flag", "replicas", "hold-removed", "hold-changed"],
)
def test_people_are_warned_and_never_stopped(server: Server, held: str, change: Json, words: str) -> None:
    answer = server.admin.merge(held, change, dryRun="All")
    assert answer.code == 200
    (warning,) = answer.warnings
    assert words in warning


@pytest.mark.parametrize("change", [{"metadata": {"labels": {"a": "b"}}}, {"spec": {"paused": True}}], ids=str)
def test_other_changes_of_a_held_deployment_are_nobodys_business(server: Server, held: str, change: Json) -> None:
    assert server.admin.merge(held, change, dryRun="All").warnings == ()


def test_a_deployment_that_is_not_held_is_left_alone(server: Server, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert server.admin.create(path, deployment("free")).code == 201
    assert server.admin.merge(f"{path}/free", flags("false")).warnings == ()


def test_the_operator_is_not_warned_about_itself(operator: Client, held: str) -> None:
    assert operator.merge(held, flags("false"), dryRun="All").warnings == ()
