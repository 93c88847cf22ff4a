"""What the demo's manifests promise to everybody else."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from deploy.demo.deltacrown import settings as app
from deploy.demo.loadgen import settings as load
from tests.unit.demo.conftest import DEPLOY

Documents = dict[tuple[str, str], dict[str, Any]]
Build = Callable[[str], Documents]

WORLDS = ["demo", "demo/production-timing"]


def pod_specs(documents: Documents) -> Iterator[tuple[str, dict[str, Any]]]:
    for (kind, name), document in documents.items():
        if kind in ("Deployment", "Job"):
            yield name, document["spec"]["template"]["spec"]


def env(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "from a Secret") for entry in container["env"]}


def config(documents: Documents, prefix: str) -> dict[str, str]:
    (found,) = [document for (kind, name), document in documents.items() if kind == "ConfigMap" and prefix in name]
    data: dict[str, str] = found["data"]
    return data


@pytest.fixture
def deltacrown(build: Build) -> dict[str, Any]:
    return build("demo")["Deployment", "deltacrown"]


def test_the_flags_are_written_out(deltacrown: dict[str, Any]) -> None:
    (container,) = deltacrown["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "web"
    values = env(container)
    assert values["CERT_S3_READ_PRIMARY"] == "true"
    assert values["CERT_S3_DUAL_WRITE"] == "true"
    assert values["LOG_LEVEL"] == "INFO"
    assert len(values) == len(container["env"]), "no name stands twice"
    found = app.from_environment(values)
    assert (found.read_primary, found.dual_write) == (True, True)
    assert (found.bucket, found.prefix) == ("deltacrown-certificates", "certificates/")
    assert str(found.local_path) == container["volumeMounts"][0]["mountPath"] == "/mnt/media/certificates"
    assert found.endpoint == "http://s3.s3.svc:9000"


def test_a_rollout_never_has_fewer_pods_and_each_may_finish_its_work(deltacrown: dict[str, Any]) -> None:
    spec = deltacrown["spec"]
    assert spec["replicas"] == 3
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 3}
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    found = app.from_environment(env(container))
    before_stop = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > before_stop + found.lame_duck_most_seconds + found.drain_seconds
    hang = 3 * (found.connect_timeout + found.read_timeout + 2)
    assert found.drain_seconds > hang, "a save that S3 swallows still ends"


def test_clients_wait_longer_than_s3_can_hang(build: Build, deltacrown: dict[str, Any]) -> None:
    (container,) = build("demo")["Deployment", "loadgen"]["spec"]["template"]["spec"]["containers"]
    found = load.from_environment(env(container))
    (web,) = deltacrown["spec"]["template"]["spec"]["containers"]
    assert found.timeout > app.from_environment(env(web)).drain_seconds
    assert found.prefix == "certificates/"


def test_all_replicas_share_one_claim(build: Build) -> None:
    documents = build("demo")
    volume, claim = (
        documents["PersistentVolume", "production-certificates"],
        documents["PersistentVolumeClaim", "certificates"],
    )
    assert volume["spec"]["accessModes"] == claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == ""


def test_every_container_is_confined(build: Build) -> None:
    for name, pod in pod_specs(build("demo")):
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod.get("initContainers", []) + pod["containers"]:
            confined = {**pod["securityContext"], **container["securityContext"]}
            root = container["name"] == "prepare-volume"
            assert confined["runAsNonRoot"] is not root, name
            assert (confined["runAsUser"] == 0) is root, name
            assert not confined["allowPrivilegeEscalation"], name
            assert confined["readOnlyRootFilesystem"], name
            assert confined["capabilities"] == {"drop": ["ALL"], **({"add": ["CHOWN"]} if root else {})}, name
            assert container["imagePullPolicy"] == "IfNotPresent", name


def test_the_world_fits_two_cores(build: Build) -> None:
    documents = build("demo")
    cpu = 0
    for name, pod in pod_specs(documents):
        replicas = documents.get(("Deployment", name), {}).get("spec", {}).get("replicas", 1)
        cpu += replicas * sum(int(c["resources"]["requests"]["cpu"].removesuffix("m")) for c in pod["containers"])
    assert cpu <= 500


def test_s3_knows_the_credentials_of_both(build: Build) -> None:
    documents = build("demo")
    known = yaml.safe_load(documents["Secret", "seaweedfs"]["stringData"]["s3.json"])["identities"]
    keys = {one["name"]: one["credentials"][0] for one in known}
    for secret, name in (("deltacrown-s3", "deltacrown"), ("seaweedfs", "admin")):
        data = documents["Secret", secret]["stringData"]
        assert keys[name] == {"accessKey": data["AWS_ACCESS_KEY_ID"], "secretKey": data["AWS_SECRET_ACCESS_KEY"]}


def test_alertmanager_and_operator_share_the_nudge_token(build: Build) -> None:
    theirs = build("demo")["Secret", "alertmanager-secrets"]["stringData"]["nudge-token"]
    assert build("demo/operator")["Secret", "certstorage-nudge"]["stringData"] == {"token": theirs}


@pytest.mark.parametrize("world", WORLDS)
def test_alertmanager_has_the_shipped_receivers_and_the_demos_addresses(build: Build, world: str) -> None:
    documents = build(world)
    shipped = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    config_ = yaml.safe_load(config(documents, "alertmanager-config")["alertmanager.yml"])
    receivers = {one["name"]: one for one in config_["receivers"]}
    assert receivers["watchdog"].pop("webhook_configs") == [{"url": "http://receivers.monitoring.svc:8080/webhook"}]
    assert receivers == {one["name"]: one for one in shipped["receivers"]}
    assert config_["inhibit_rules"] == shipped["inhibit_rules"]
    assert without_waits(config_["route"]) == without_waits(shipped["route"])
    assert (config_["route"] == shipped["route"]) is (world != "demo")
    assert config_["global"] == {"pagerduty_url": "http://receivers.monitoring.svc:8080/v2/enqueue"}
    templates = config(documents, "alertmanager-templates")
    assert templates == {"certstorage.tmpl": (DEPLOY / "alertmanager/templates/certstorage.tmpl").read_text()}
    secrets = documents["Secret", "alertmanager-secrets"]["stringData"]
    asked = re.findall(r"/etc/alertmanager/secrets/([a-z-]+)", yaml.safe_dump(shipped))
    assert secrets.keys() == set(asked)
    assert {len(secrets[name]) for name in secrets if name.startswith("pagerduty")} == {32}


def without_waits(route: dict[str, Any]) -> dict[str, Any]:
    kept = {
        key: value for key, value in route.items() if key not in ("group_wait", "group_interval", "repeat_interval")
    }
    return kept | {"routes": [without_waits(one) for one in route.get("routes", [])]}


@pytest.mark.parametrize("world", WORLDS)
def test_services_find_their_pods(build: Build, world: str) -> None:
    documents = build(world)
    for (kind, name), service in documents.items():
        if kind != "Service":
            continue
        for port in service["spec"]["ports"]:
            assert any(
                deployment["metadata"]["namespace"] == service["metadata"]["namespace"]
                and deployment["spec"]["template"]["metadata"]["labels"].items() >= service["spec"]["selector"].items()
                and port["targetPort"] in [one["name"] for c in template["containers"] for one in c.get("ports", [])]
                for (other, _), deployment in documents.items()
                if other == "Deployment" and (template := deployment["spec"]["template"]["spec"])
            ), name


@pytest.mark.parametrize(("world", "interval"), [("demo", "2s"), ("demo/production-timing", "15s")])
def test_prometheus_scrapes_and_evaluates_at_one_interval(build: Build, world: str, interval: str) -> None:
    documents = build(world)
    prometheus = yaml.safe_load(config(documents, "prometheus-config")["prometheus.yml"])
    assert prometheus["global"] == {"scrape_interval": interval, "evaluation_interval": interval}
    (group,) = yaml.safe_load(config(documents, "prometheus-rules")["cert-s3.yml"])["groups"]
    assert group["interval"] == interval


def test_prometheus_names_namespace_deployment_and_pod(build: Build) -> None:
    prometheus = yaml.safe_load(config(build("demo"), "prometheus-config")["prometheus.yml"])
    (job,) = prometheus["scrape_configs"]
    assert not job["honor_labels"]
    assert job["kubernetes_sd_configs"] == [
        {"role": "pod", "namespaces": {"names": ["production", "certstorage-system"]}}
    ]
    rules = {rule.get("target_label"): rule for rule in job["relabel_configs"]}
    assert {"namespace", "deployment", "pod"} <= rules.keys()
    owner = re.compile(rules["deployment"]["regex"])
    for replica_set, deployment in (
        ("deltacrown-6d4cf56db6", "deltacrown"),
        ("certstorage-operator-7f", "certstorage-operator"),
    ):
        found = owner.fullmatch(replica_set)
        assert found
        assert found.group(1) == deployment


@pytest.mark.parametrize(
    ("folder", "deployment"), [("demo", "deltacrown"), ("demo", "loadgen"), ("demo/operator", "certstorage-operator")]
)
def test_what_prometheus_scrapes_calls_its_port_http(build: Build, folder: str, deployment: str) -> None:
    pod = build(folder)["Deployment", deployment]["spec"]["template"]["spec"]
    assert "http" in [port["name"] for container in pod["containers"] for port in container["ports"]]


@pytest.mark.parametrize(("folder", "seconds"), [("demo/operator", 2), ("demo/production-timing/operator", 5)])
def test_the_operator_serves_production(build: Build, folder: str, seconds: int) -> None:
    documents = build(folder)
    (found,) = [data for (kind, name), data in documents.items() if kind == "ConfigMap" and "operator" in name]
    operator = yaml.safe_load(found["data"]["config.yaml"])
    assert operator["enrolledNamespaces"] == ["production"]
    assert operator["pollSeconds"] == seconds
    assert documents["RoleBinding", "certstorage-operator"]["metadata"]["namespace"] == "production"
