"""The operator's configuration file, read once at the start: every complaint names the key, what is wrong, the mend.

Each key is explained in deploy/operator/config.yaml; there are no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from certstorage.api.patience import Patience
from certstorage.api.reading import Fields, InvalidFieldError
from certstorage.signals.server import Server

ALL = "all"
KEYS = frozenset(
    {
        "prometheus",
        "alertmanager",
        "webhook",
        "allowedEnv",
        "enrolledNamespaces",
        "pollSeconds",
        "maxConcurrentRollouts",
        "maxConcurrentSweeps",
        "patience",
        "validatorImage",
    }
)
PATIENCE_KEYS = frozenset({"firstBreathSeconds", "lingerSeconds", "coolDownSeconds"})
WEBHOOK_KEYS = frozenset({"url", "bearerTokenFile"})
TLS_KEYS = ("caFile", "certFile", "keyFile")
SERVER_KEYS = frozenset({"url", "prefix", *TLS_KEYS, "bearerTokenFile", "username", "passwordFile"})
BOTH_OR_NONE = (("username", "passwordFile"), ("certFile", "keyFile"))


class InvalidConfigError(ValueError):
    """The configuration cannot be used; the message is for the person who starts the operator."""


@dataclass(frozen=True, slots=True)
class WebhookServer:
    """Where alerts are posted for those without Alertmanager; the token's file is read again for every request."""

    url: str
    bearer_token_file: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. `namespaces` are those that are served; None means all of them."""

    prometheus: Mapping[str, Server]
    validator_image: str
    alertmanagers: tuple[str, ...] = ()
    webhook: WebhookServer | None = None
    allowed_env: frozenset[str] = field(default_factory=frozenset)
    namespaces: tuple[str, ...] | None = ()
    poll_seconds: int = 5
    max_concurrent_rollouts: int = 10
    max_concurrent_sweeps: int = 1
    patience: Patience = field(default_factory=Patience)


def load(path: Path, namespaces: tuple[str, ...] | None = None) -> Config:
    """Read the file; `namespaces`, where given, stand in for those in it.

    Raises:
        InvalidConfigError: it cannot be read, or a key is missing, unknown or not of its kind.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InvalidConfigError(f"{path}: {error.strerror}: name the file with --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidConfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidConfigError(f"{path}: expected keys and values at the top")
    try:
        config = parse(raw, str(path))
    except InvalidFieldError as error:
        raise InvalidConfigError(str(error)) from error
    return config if namespaces is None else replace(config, namespaces=namespaces)


def parse(raw: Mapping[str, object], path: str = "config") -> Config:
    """Read the parsed file.

    Raises:
        InvalidFieldError: a key is missing, unknown or not of its kind.
    """
    _known(raw, KEYS, path)
    fields = Fields(raw, path)
    servers = fields.table("prometheus", required=True)
    if not servers.raw:
        raise InvalidFieldError(f"{servers.path}: name at least one server, such as default")
    image = fields.text("validatorImage")
    if not image:
        raise InvalidFieldError(f"{path}.validatorImage: expected an image, found nothing")
    return Config(
        prometheus={name: _server(name, servers.table(name)) for name in servers.raw},
        validator_image=image,
        alertmanagers=tuple(_url(url, f"{path}.alertmanager") for url in _texts(fields, "alertmanager")),
        webhook=_webhook(fields.table("webhook")),
        allowed_env=frozenset(_texts(fields, "allowedEnv")),
        namespaces=_namespaces(fields),
        poll_seconds=fields.number("pollSeconds", 5, least=1),
        max_concurrent_rollouts=fields.number("maxConcurrentRollouts", 10, least=1),
        max_concurrent_sweeps=fields.number("maxConcurrentSweeps", 1, least=1),
        patience=_patience(fields.table("patience")),
    )


def _patience(fields: Fields) -> Patience:
    _known(fields.raw, PATIENCE_KEYS, fields.path)
    usual = Patience()

    def seconds(key: str, default: timedelta) -> timedelta:
        return timedelta(seconds=fields.number(key, int(default.total_seconds()), least=1))

    return Patience(
        first_breath=seconds("firstBreathSeconds", usual.first_breath),
        linger=seconds("lingerSeconds", usual.linger),
        cool_down=seconds("coolDownSeconds", usual.cool_down),
    )


def _known(raw: Mapping[str, object], keys: frozenset[str], path: str) -> None:
    unknown = sorted(str(key) for key in raw if key not in keys)
    if unknown:
        raise InvalidFieldError(f"{path}: unknown {', '.join(unknown)}; known are {', '.join(sorted(keys))}")


def _server(name: str, server: Fields) -> Server:
    _known(server.raw, SERVER_KEYS, server.path)
    if server.has("bearerTokenFile") and server.has("username"):
        raise InvalidFieldError(f"{server.path}: bearerTokenFile and username exclude each other: keep one")
    for one, other in BOTH_OR_NONE:
        if server.has(one) != server.has(other):
            raise InvalidFieldError(f"{server.path}: {one} and {other} belong together: write both or none")
    url = _url(server.text("url"), f"{server.path}.url")
    of_tls = [key for key in TLS_KEYS if server.has(key)]
    if of_tls and not url.startswith("https:"):
        raise InvalidFieldError(f"{server.path}: {', '.join(of_tls)} without TLS: write an https URL")
    return Server(
        name,
        url,
        prefix=server.text("prefix", ""),
        ca_file=server.text("caFile", ""),
        cert_file=server.text("certFile", ""),
        key_file=server.text("keyFile", ""),
        bearer_token_file=server.text("bearerTokenFile", ""),
        username=server.text("username", ""),
        password_file=server.text("passwordFile", ""),
    )


def _webhook(webhook: Fields) -> WebhookServer | None:
    _known(webhook.raw, WEBHOOK_KEYS, webhook.path)
    if not webhook.raw:
        return None
    return WebhookServer(_url(webhook.text("url"), f"{webhook.path}.url"), webhook.text("bearerTokenFile", ""))


def _url(value: str, path: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidFieldError(f"{path}: expected a URL such as http://prometheus.monitoring.svc:9090")
    if parts.username or parts.password:
        raise InvalidFieldError(f"{path}: no user or password in a URL: use username and passwordFile")
    return value.rstrip("/")


def _texts(fields: Fields, key: str) -> tuple[str, ...]:
    value = fields.raw.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise InvalidFieldError(f"{fields.path}.{key}: expected a list of text")
    return tuple(value)


def _namespaces(fields: Fields) -> tuple[str, ...] | None:
    return None if fields.raw.get("enrolledNamespaces") == ALL else _texts(fields, "enrolledNamespaces")
