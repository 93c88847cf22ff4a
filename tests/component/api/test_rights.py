"""What the operator's own service account may do: each verb that it uses, and no other."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certstorage.api.policy import FINALIZER
from tests.cluster.shell import until
from tests.component.api.server import GROUP, Client, Json, Server, policy

ROOT = Path(__file__).resolve().parents[3]

OURS = "storage.deltacrown.io"
ENROLLED: dict[tuple[str, str], str] = {
    (OURS, "certstoragepolicies"): "get list watch update",
    (OURS, "certstoragepolicies/status"): "update",
    (OURS, "certstoragerequests"): "list watch create delete",
    (OURS, "certstoragerequests/status"): "update",
    (OURS, "certstorageincidents"): "get list watch create delete",
    (OURS, "certstorageincidents/status"): "update",
    ("apps", "deployments"): "get list watch patch",
    ("apps", "replicasets"): "list",
    ("", "pods"): "list",
    ("batch", "jobs"): "get list watch create delete",
    ("", "persistentvolumeclaims"): "get",
    ("autoscaling", "horizontalpodautoscalers"): "list",
    ("keda.sh", "scaledobjects"): "list",
    ("", "events"): "create",
}
"""What it may do in an enrolled namespace, whatever the object's name."""

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def rules(client: Client, namespace: str) -> dict[tuple[str, ...], set[str]]:
    """All that an identity may do in a namespace, as the API server counts it: verbs by group, resource and name."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    status = client.create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review).body["status"]
    assert status["incomplete"] is False
    found: dict[tuple[str, ...], set[str]] = {}
    for rule in status["resourceRules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames") or [""]:
                    key = (group, resource, name) if name else (group, resource)
                    found.setdefault(key, set()).update(rule["verbs"])
    return found


@pytest.fixture(scope="module")
def nobody(server: Server) -> dict[tuple[str, ...], set[str]]:
    """What every identity may do."""
    return rules(server.user("nobody"), "default")


def beyond(
    everyone: dict[tuple[str, ...], set[str]], own: dict[tuple[str, ...], set[str]]
) -> dict[tuple[str, ...], set[str]]:
    return {what: verbs for what, verbs in own.items() if verbs - everyone.get(what, set())}


def test_in_an_enrolled_namespace(operator: Client, namespace: str, nobody: dict[tuple[str, ...], set[str]]) -> None:
    wanted = {what: set(verbs.split()) for what, verbs in ENROLLED.items()}
    assert beyond(nobody, rules(operator, namespace)) == wanted


@pytest.mark.parametrize("elsewhere", ["default", "kube-system"])
def test_nothing_elsewhere(operator: Client, nobody: dict[tuple[str, ...], set[str]], elsewhere: str) -> None:
    assert beyond(nobody, rules(operator, elsewhere)) == {}


def test_in_its_own_namespace(operator: Client, nobody: dict[tuple[str, ...], set[str]]) -> None:
    assert beyond(nobody, rules(operator, "certstorage-system")) == {
        ("coordination.k8s.io", "leases"): {"get", "create", "update"},
    }


def cells() -> Iterator[tuple[str, str, str, bool]]:
    for (group, resource), allowed in ENROLLED.items():
        for verb in VERBS:
            yield group, resource, verb, verb in allowed.split()
    for group, resource in (
        ("", "secrets"),
        ("", "configmaps"),
        ("", "pods/exec"),
        ("", "pods/log"),
        ("", "serviceaccounts/token"),
        ("apps", "deployments/scale"),
        ("apps", "deployments/status"),
        ("apps", "statefulsets"),
        ("batch", "jobs/status"),
        ("batch", "cronjobs"),
        ("rbac.authorization.k8s.io", "rolebindings"),
    ):
        for verb in VERBS:
            yield group, resource, verb, False


def test_each_verb_is_allowed_or_denied_by_access_review(operator: Client, namespace: str) -> None:
    wrong = []
    for group, resource, verb, wanted in cells():
        name, _, subresource = resource.partition("/")
        attributes = {
            "namespace": namespace,
            "group": group,
            "resource": name,
            "verb": verb,
            "subresource": subresource,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        status = operator.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).body["status"]
        if status["allowed"] is not wanted:
            wrong.append((group, resource, verb, status))
    assert wrong == []


def deployment(name: str) -> Json:
    labels = {"app": name}
    container = {"name": "web", "image": "web", "env": [{"name": "CERT_S3_READ_PRIMARY", "value": "true"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def job(name: str) -> Json:
    spec = {"restartPolicy": "Never", "containers": [{"name": "validator", "image": "validator"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"suspend": True, "template": {"spec": spec}},
    }


@pytest.fixture(scope="module")
def furnished(server: Server, namespace: str) -> str:
    """The namespace with one object of each kind that the operator touches."""
    server.admin.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment("deltacrown"))
    server.admin.create(f"{GROUP}/namespaces/{namespace}/certstoragepolicies", policy(namespace))
    return namespace


def test_real_calls_that_the_operator_makes(operator: Client, furnished: str) -> None:
    ours, apps, core = (f"{group}/namespaces/{furnished}" for group in (GROUP, "/apis/apps/v1", "/api/v1"))
    mine, target = f"{ours}/certstoragepolicies/certificates", f"{apps}/deployments/deltacrown"
    jobs = f"/apis/batch/v1/namespaces/{furnished}/jobs"
    hold = {"metadata": {"annotations": {"storage.deltacrown.io/hold": "{}"}}}
    is_same = [{"op": "test", "path": "/metadata/name", "value": "deltacrown"}]
    event = {
        "metadata": {"name": "one"},
        "involvedObject": {"kind": "CertStoragePolicy", "namespace": furnished, "name": "certificates"},
        "type": "Warning",
        "reason": "OutageGoingLocal",
        "message": "reads go local",
    }
    body = operator.get(mine).body
    guarded = operator.replace(mine, body | {"metadata": body["metadata"] | {"finalizers": [FINALIZER]}})
    let_go = operator.replace(mine, guarded.body | {"metadata": guarded.body["metadata"] | {"finalizers": []}})
    started = operator.create(jobs, job("recover"))
    only_this = {"preconditions": {"uid": started.body["metadata"]["uid"]}}
    answers = {
        "list policies": operator.get(f"{ours}/certstoragepolicies"),
        "watch policies": operator.get(f"{ours}/certstoragepolicies", watch="true", timeoutSeconds="1"),
        "set the finalizer": guarded,
        "remove the finalizer": let_go,
        "list requests": operator.get(f"{ours}/certstoragerequests"),
        "list incidents": operator.get(f"{ours}/certstorageincidents"),
        "read the target": operator.get(target),
        "flip": operator.call("PATCH", target, hold, "application/strategic-merge-patch+json"),
        "give back": operator.call("PATCH", target, is_same, "application/json-patch+json"),
        "list replicasets": operator.get(f"{apps}/replicasets"),
        "list pods": operator.get(f"{core}/pods"),
        "create a job": started,
        "read the job": operator.get(f"{jobs}/recover"),
        "delete the job": operator.call("DELETE", f"{jobs}/recover", only_this),
        "read the claim": operator.get(f"{core}/persistentvolumeclaims/certificates"),
        "list autoscalers": operator.get(f"/apis/autoscaling/v2/namespaces/{furnished}/horizontalpodautoscalers"),
        "tell an event": operator.create(f"{core}/events", event),
    }
    other = {"create a job": 201, "tell an event": 201, "read the claim": 404}
    assert {what: answer.code for what, answer in answers.items()} == dict.fromkeys(answers, 200) | other


def test_the_lease(server: Server, operator: Client) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/certstorage-system/leases"
    taken = operator.create(path, {"metadata": {"name": "api-test"}, "spec": {"holderIdentity": "one"}})
    try:
        assert taken.code == 201
        renewed = operator.replace(f"{path}/api-test", taken.body | {"spec": {"holderIdentity": "two"}})
        assert renewed.code == 200
        assert operator.get(f"{path}/api-test").body["spec"] == {"holderIdentity": "two"}
        assert operator.get(path).code == 403
        assert operator.delete(f"{path}/api-test").code == 403
    finally:
        server.admin.delete(f"{path}/api-test")


def test_real_calls_that_it_must_not_make(operator: Client, furnished: str) -> None:
    ours, apps, core = (f"{group}/namespaces/{furnished}" for group in (GROUP, "/apis/apps/v1", "/api/v1"))
    mine, target = f"{ours}/certstoragepolicies/certificates", f"{apps}/deployments/deltacrown"
    answers = {
        "read a secret": operator.get(f"{core}/secrets/any"),
        "list secrets": operator.get(f"{core}/secrets"),
        "read its own secret": operator.get("/api/v1/namespaces/certstorage-system/secrets/certstorage-nudge"),
        "read a configmap": operator.get(f"{core}/configmaps/kube-root-ca.crt"),
        "create a configmap": operator.create(f"{core}/configmaps", {"metadata": {"name": "x"}}),
        "delete a pod": operator.delete(f"{core}/pods/any"),
        "scale": operator.merge(f"{target}/scale", {"spec": {"replicas": 0}}),
        "replace a deployment": operator.replace(target, deployment("deltacrown")),
        "delete a deployment": operator.delete(target),
        "create a policy": operator.create(f"{ours}/certstoragepolicies", policy(furnished, "own")),
        "delete a policy": operator.delete(mine),
        "edit a request": operator.merge(f"{ours}/certstoragerequests/any", {"spec": {}}),
        "policies everywhere": operator.get(f"{GROUP}/certstoragepolicies"),
        "policies not enrolled": operator.get(f"{GROUP}/namespaces/default/certstoragepolicies"),
        "deployments not enrolled": operator.get("/apis/apps/v1/namespaces/kube-system/deployments"),
        "namespaces": operator.get("/api/v1/namespaces"),
        "nodes": operator.get("/api/v1/nodes"),
        "definitions": operator.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
    }
    assert {what: answer.code for what, answer in answers.items()} == dict.fromkeys(answers, 403)


def test_the_whole_cluster_only_by_explicit_choice(server: Server, operator: Client) -> None:
    manifest = ROOT / "deploy" / "operator" / "cluster-wide" / "clusterrolebinding.yaml"

    def served(code: int) -> Callable[[], bool]:
        return lambda: operator.get(f"{GROUP}/certstoragepolicies").code == code

    server.plane.kubectl("apply", "-f", str(manifest))
    try:
        until("policies everywhere are served", served(200), seconds=30)
        assert operator.get("/apis/apps/v1/deployments").code == 200
        assert operator.get("/api/v1/secrets").code == 403
    finally:
        server.plane.kubectl("delete", "-f", str(manifest))
    until("policies everywhere are no longer served", served(403), seconds=30)
