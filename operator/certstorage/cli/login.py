"""Logging in as kubectl does: a kubeconfig, else the service account of the Pod that this runs in."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_incluster_config
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

from certstorage.cli.refusals import Place, logged_out

NAMESPACE_OF_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A client, the place it talks to, and the namespace of the context."""

    api: ApiClient
    place: Place
    namespace: str


def log_in(*, kubeconfig: str = "", context: str = "") -> LoggedIn:
    """Log in; what is empty is as kubectl has it: KUBECONFIG or ~/.kube/config, and its current context.

    Raises:
        CliError: there is no kubeconfig, it has no such context, or the login that it names fails.
    """
    paths = kubeconfig or os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    settings = Configuration()
    settings.disable_strict_ssl_verification = True  # as cluster/client.py does and why
    try:
        merged = KubeConfigMerger(paths)  # type: ignore[no-untyped-call]
        if merged.config is None:
            if os.environ.get("KUBERNETES_SERVICE_HOST") and not kubeconfig and not context:
                return _in_pod(settings)
            raise logged_out("there is no such file", where=paths, context=context)
        with _complaints() as said:
            loader = KubeConfigLoader(  # type: ignore[no-untyped-call]
                merged.config, active_context=context or None, config_persister=merged.save_changes
            )
            loader.load_and_set(settings)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        raise logged_out(error, where=paths, context=context) from error
    except (TypeError, AttributeError, KeyError) as error:  # the loader trusts the shape of its file
        raise logged_out("it is not a kubeconfig", where=paths, context=context) from error
    current = loader.current_context
    name = str(current["name"])
    if said:
        raise logged_out("; ".join(said), where=f"context {name} of {paths}", context=context)
    namespace = current["context"].get("namespace") or "default"
    return LoggedIn(ApiClient(settings), Place(settings.host, name), str(namespace))


def _in_pod(settings: Configuration) -> LoggedIn:
    load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    return LoggedIn(ApiClient(settings), Place(settings.host), NAMESPACE_OF_POD.read_text(encoding="utf-8").strip())


class _Collector(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What the loader logs: it swallows the failure of a login plugin and goes on as nobody."""
    said: list[str] = []
    collector, root = _Collector(said), logging.getLogger()
    root.addHandler(collector)
    try:
        yield said
    finally:
        root.removeHandler(collector)
