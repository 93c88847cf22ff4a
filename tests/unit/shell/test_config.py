"""The configuration file: what is shipped can be read, and every mistake names the key and the mend."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from certstorage.api.patience import Patience
from certstorage.api.reading import InvalidFieldError
from certstorage.config import Config, InvalidConfigError, WebhookServer, load, parse
from certstorage.signals.server import Server

SHIPPED = Path(__file__).parents[3] / "deploy" / "operator" / "config.yaml"
LEAST: dict[str, Any] = {"prometheus": {"default": {"url": "http://p:9090"}}, "validatorImage": "v:1"}


def test_the_shipped_file() -> None:
    config = load(SHIPPED)
    assert "default" in config.prometheus
    assert "CERT_S3_READ_PRIMARY" in config.allowed_env
    assert config.namespaces == ()
    assert config.alertmanagers
    assert load(SHIPPED, ("a", "b")).namespaces == ("a", "b")


def test_the_least_that_is_needed() -> None:
    assert parse(LEAST) == Config({"default": Server("default", "http://p:9090")}, "v:1")


def test_several_servers_each_in_its_own_way() -> None:
    secured = {"url": "https://eu:9090/", "prefix": "/prometheus", "caFile": "ca", "certFile": "c", "keyFile": "k"}
    servers = {
        "default": {"url": "http://p:9090", "bearerTokenFile": "token"},
        "eu": {**secured, "username": "op", "passwordFile": "password"},
    }
    assert parse({**LEAST, "prometheus": servers}).prometheus == {
        "default": Server("default", "http://p:9090", bearer_token_file="token"),
        "eu": Server(
            "eu",
            "https://eu:9090",
            prefix="/prometheus",
            ca_file="ca",
            cert_file="c",
            key_file="k",
            username="op",
            password_file="password",
        ),
    }


def test_patience() -> None:
    assert load(SHIPPED).patience == Patience()
    shorter = parse({**LEAST, "patience": {"coolDownSeconds": 20}}).patience
    assert shorter == replace(Patience(), cool_down=timedelta(seconds=20))


def test_a_webhook_is_a_choice() -> None:
    assert load(SHIPPED).webhook is None
    given = parse({**LEAST, "webhook": {"url": "https://hooks.example/x", "bearerTokenFile": "/t"}}).webhook
    assert given == WebhookServer("https://hooks.example/x", "/t")
    with pytest.raises(InvalidFieldError, match=r"webhook\.url"):
        parse({**LEAST, "webhook": {"bearerTokenFile": "/t"}})
    with pytest.raises(InvalidFieldError, match="unknown secret"):
        parse({**LEAST, "webhook": {"url": "https://hooks.example/x", "secret": "x"}})


def test_all_namespaces() -> None:
    assert parse({**LEAST, "enrolledNamespaces": "all"}).namespaces is None
    assert parse({**LEAST, "enrolledNamespaces": ["x"]}).namespaces == ("x",)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"promethius": {}}, "unknown promethius"),
        ({"prometheus": {}}, "name at least one server"),
        ({"prometheus": {"a": {"url": "p:9090"}}}, "prometheus.a.url: expected a URL"),
        ({"prometheus": {"a": {"url": "http://u:s3cret@p"}}}, "no user or password in a URL"),
        ({"prometheus": {"a": {"url": "http://p", "token": "x"}}}, "unknown token"),
        ({"prometheus": {"a": {"url": "http://p", "username": "u"}}}, "belong together"),
        (
            {"prometheus": {"a": {"url": "http://p", "username": "u", "passwordFile": "f", "bearerTokenFile": "t"}}},
            "exclude each other",
        ),
        ({"prometheus": {"a": {"url": "https://p", "certFile": "c"}}}, "certFile and keyFile belong together"),
        ({"prometheus": {"a": {"url": "http://p", "caFile": "c"}}}, "prometheus.a: caFile without TLS"),
        ({"validatorImage": ""}, "validatorImage"),
        ({"validatorImage": None}, "validatorImage"),
        ({"pollSeconds": 0}, "pollSeconds: expected a whole number, 1 or more"),
        ({"pollSeconds": "5"}, "pollSeconds"),
        ({"allowedEnv": "X"}, "allowedEnv: expected a list"),
        ({"alertmanager": ["ftp://x"]}, "alertmanager: expected a URL"),
        ({"patience": {"coolDown": 1}}, "patience: unknown coolDown"),
        ({"patience": {"lingerSeconds": 0}}, "patience.lingerSeconds: expected a whole number, 1 or more"),
        ({"enrolledNamespaces": "production"}, "enrolledNamespaces: expected a list"),
    ],
)
def test_a_mistake_names_the_key(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidFieldError) as found:
        parse({**LEAST, **change})
    assert told in str(found.value)
    assert "s3cret" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "told"), [(None, "--config"), ("a: [", "not YAML"), ("- a", "keys and values"), ("a: 1", "unknown a")]
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidConfigError) as found:
        load(path)
    assert told in str(found.value)
    assert str(path) in str(found.value)


def test_every_key_is_explained_in_the_shipped_file() -> None:
    assert set(yaml.safe_load(SHIPPED.read_text())) <= {
        "prometheus", "alertmanager", "webhook", "allowedEnv", "enrolledNamespaces", "pollSeconds",
        "maxConcurrentRollouts", "maxConcurrentSweeps", "patience", "validatorImage",
    }  # fmt: skip
