"""The installation: what kustomize makes of it, and what must agree between its files and with the code."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from certstorage.api.hold import ANNOTATION
from certstorage.api.policy import GROUP, EnvNames
from certstorage.cluster import port
from certstorage.config import KEYS, load
from crds.reference import KINDS

ROOT = Path(__file__).resolve().parents[3]
OPERATOR = ROOT / "deploy" / "operator"
ENROLL = ROOT / "deploy" / "enroll"
KUBECTL = Path(sys.executable).with_name("kubectl")

Json = dict[str, Any]


def kustomize(folder: Path) -> list[Json]:
    built = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=True)
    return [document for document in yaml.safe_load_all(built.stdout) if document]


@pytest.fixture(scope="module")
def operator() -> list[Json]:
    return kustomize(OPERATOR)


def the(documents: list[Json], kind: str, name: str = "certstorage-operator") -> Json:
    (found,) = [each for each in documents if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def some(documents: list[Json], kind: str) -> list[Json]:
    return [each for each in documents if each["kind"] == kind]


def test_every_file_is_part_of_a_kustomization() -> None:
    for folder in (ROOT / "crds", OPERATOR, OPERATOR / "cluster-wide", ENROLL):
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
        files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml", "config.yaml"}
        assert set(listed["resources"]) == files


def test_the_pod_is_confined(operator: list[Json]) -> None:
    pod = the(operator, "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all({"configMap", "secret"} & volume.keys() for volume in pod["volumes"])
    assert the(operator, "ServiceAccount")["automountServiceAccountToken"] is False
    assert (
        the(operator, "Namespace", "certstorage-system")["metadata"]["labels"]
        | {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        == the(operator, "Namespace", "certstorage-system")["metadata"]["labels"]
    )


def test_ports_agree(operator: list[Json]) -> None:
    (container,) = the(operator, "Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 8080, "nudge": 8081}
    assert {port["targetPort"]: port["port"] for port in the(operator, "Service")["spec"]["ports"]} == ports
    (way_in,) = the(operator, "NetworkPolicy")["spec"]["ingress"]
    assert {port["port"] for port in way_in["ports"]} == set(ports)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"


def test_selectors_find_the_pod(operator: list[Json]) -> None:
    labels = the(operator, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        the(operator, "Deployment")["spec"]["selector"]["matchLabels"],
        the(operator, "Service")["spec"]["selector"],
        the(operator, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        the(operator, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_the_configuration_is_mounted_under_its_hashed_name(operator: list[Json]) -> None:
    (config,) = some(operator, "ConfigMap")
    pod = the(operator, "Deployment")["spec"]["template"]["spec"]
    mounted = {volume["name"]: volume for volume in pod["volumes"]}
    assert re.fullmatch("certstorage-operator-[a-z0-9]{10}", config["metadata"]["name"])
    assert mounted["config"]["configMap"]["name"] == config["metadata"]["name"]
    (container,) = pod["containers"]
    assert {"name": "CERTSTORAGE_CONFIG", "value": "/etc/certstorage/config.yaml"} in container["env"]
    assert yaml.safe_load(config["data"]["config.yaml"])["validatorImage"] == container["image"]


def test_every_key_of_the_configuration_is_explained() -> None:
    lines = (OPERATOR / "config.yaml").read_text(encoding="utf-8").splitlines()
    keys = {line.split(":")[0]: above for above, line in pairwise(lines) if re.match(r"[a-z]", line)}
    assert keys.keys() == KEYS
    assert all(above.startswith("# ") for above in keys.values())


def test_the_configuration_is_one_that_the_operator_takes() -> None:
    config = load(OPERATOR / "config.yaml")
    assert config.namespaces == ()
    assert config.alertmanagers


def test_the_allow_list_holds_what_the_samples_ask_for() -> None:
    allowed = set(yaml.safe_load((OPERATOR / "config.yaml").read_text(encoding="utf-8"))["allowedEnv"])
    full = yaml.safe_load((ROOT / "deploy" / "samples" / "full.yaml").read_text(encoding="utf-8"))
    assert set(EnvNames().all()) < allowed
    assert set(full["spec"]["env"].values()) == allowed


def rules(documents: list[Json]) -> Iterator[Json]:
    for kind in ("Role", "ClusterRole"):
        for role in some(documents, kind):
            yield from role["rules"]


def test_no_rule_is_wider_than_it_says(operator: list[Json]) -> None:
    for rule in rules(operator):
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
        assert "secrets" not in rule["resources"]
        assert not {"escalate", "bind", "impersonate", "deletecollection"} & set(rule["verbs"])


def test_nothing_is_bound_for_the_whole_cluster(operator: list[Json]) -> None:
    assert some(operator, "ClusterRoleBinding") == []
    assert [binding["metadata"]["namespace"] for binding in some(operator, "RoleBinding")] == ["certstorage-system"]


def test_admission_names_the_operators_account(operator: list[Json]) -> None:
    account = the(operator, "ServiceAccount")["metadata"]
    name = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    for policy in some(operator, "ValidatingAdmissionPolicy"):
        named = re.findall(r"system:serviceaccount:[a-z:-]+", yaml.safe_dump(policy, width=10_000))
        assert set(named) == {name}


def test_admission_covers_our_kinds_everywhere(operator: list[Json]) -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in some(operator, "ValidatingAdmissionPolicy")}
    bindings = {each["spec"]["policyName"]: each["spec"] for each in some(operator, "ValidatingAdmissionPolicyBinding")}
    assert bindings.keys() == policies.keys()
    assert all("matchResources" not in binding for binding in bindings.values())
    (status,) = policies["certstorage-status"]["matchConstraints"]["resourceRules"]
    assert status["resources"] == [f"{plural}/status" for plural in KINDS]
    for name, spec in policies.items():
        (match,) = spec["matchConstraints"]["resourceRules"]
        ours = match["apiGroups"] == [GROUP]
        assert spec["failurePolicy"] == ("Fail" if ours else "Ignore")
        assert bindings[name]["validationActions"] == (["Deny"] if ours else ["Warn", "Audit"])
        assert all("message" in each or "messageExpression" in each for each in spec["validations"])


def test_the_hold_is_called_the_same(operator: list[Json]) -> None:
    text = yaml.safe_dump(the(operator, "ValidatingAdmissionPolicy", "certstorage-hold"), width=10_000)
    assert set(re.findall(rf"{re.escape(GROUP)}/[a-z]+", text)) == {ANNOTATION}


def test_enrolling_binds_the_operator_in_that_namespace_alone() -> None:
    documents = kustomize(ROOT / "deploy" / "samples" / "enroll")
    binding = the(documents, "RoleBinding")
    assert {each["metadata"]["namespace"] for each in documents} == {"production"}
    assert binding["roleRef"]["name"] == "certstorage-operator-enrolled"
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "certstorage-operator", "namespace": "certstorage-system"}
    ]


def test_the_whole_cluster_is_an_explicit_choice(tmp_path: Path) -> None:
    # kustomize wants relative paths, and resolves links before it compares them
    base = os.path.relpath(OPERATOR.resolve(), tmp_path.resolve())
    overlay = {"resources": [base], "components": [f"{base}/cluster-wide"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    documents = kustomize(tmp_path)
    (binding,) = some(documents, "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == "certstorage-operator-enrolled"
    assert binding["subjects"] == the(documents, "RoleBinding")["subjects"]


def test_the_role_covers_every_resource_that_the_code_names(operator: list[Json]) -> None:
    named = {(one.group, one.plural) for one in vars(port).values() if isinstance(one, port.Resource)}
    allowed = {(group, name) for rule in rules(operator) for group in rule["apiGroups"] for name in rule["resources"]}
    assert named - allowed == set()


def test_what_gives_back_is_the_operator_confined_in_the_same_way_but_never_taken_for_it(operator: list[Json]) -> None:
    template = the(operator, "CronJob", "certstorage-give-back")["spec"]["jobTemplate"]["spec"]["template"]
    job, pod = template["spec"], the(operator, "Deployment")["spec"]["template"]["spec"]
    for key in ("serviceAccountName", "securityContext", "automountServiceAccountToken", "enableServiceLinks"):
        assert job[key] == pod[key], key
    (mine,), (its,) = job["containers"], pod["containers"]
    assert (mine["image"], mine["securityContext"]) == (its["image"], its["securityContext"])
    assert mine["args"][0] == "give-back"
    assert job["volumes"] == [one for one in pod["volumes"] if one["name"] == "config"], "the same hashed name"
    labels = template["metadata"]["labels"]
    selected = the(operator, "Service")["spec"]["selector"]
    assert not selected.items() <= labels.items(), (
        "no Service, budget or network rule may take its Pods for the operator"
    )
