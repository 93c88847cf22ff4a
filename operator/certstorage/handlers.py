"""The console command `certstorage-operator`, and all that knows kopf: watching, one line a handler.

Only `on.event` is used: it leaves no finalizer and no annotation on other people's objects, and nothing of it can die
silently. Status is written by our own client.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kopf
from kubernetes.aio.client import ApiClient, Configuration

from certstorage import __version__, giveback
from certstorage.api.policy import API_VERSION, GROUP, PLURAL
from certstorage.app import Options, serve
from certstorage.cluster.client import LoginError
from certstorage.cluster.jobs import LABEL_POLICY
from certstorage.cluster.port import INCIDENTS, REQUESTS
from certstorage.config import Config, InvalidConfigError, load
from certstorage.logs import LogFormat, set_up
from certstorage.runbook.decide import decide
from certstorage.wakes import Wakes
from certstorage.watching import EVERYWHERE

OK, FAILED, USAGE = 0, 1, 2


class NoDiff(kopf.DiffBaseStorage):
    """Keeps no copy of objects; the default copies each one per event."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        """Nothing of the object matters."""
        return {}

    def fetch(self, *, body: Any) -> Any:
        """Nothing was stored."""
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Nothing is stored."""


class Connection(kopf.ConnectionInfo):
    """Verifies chain and host name, but takes cluster CAs that are not strict X.509, as our own client does."""

    def as_ssl_context(self) -> ssl.SSLContext:
        """The context of kopf, less strict about extensions."""
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def handlers(wakes: Wakes, login: Configuration) -> kopf.OperatorRegistry:
    """One-liners that wake keys."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def _login(**_: Any) -> kopf.ConnectionInfo:
        return await connection(login)

    @kopf.on.event(GROUP, API_VERSION, PLURAL, registry=registry)
    async def _policy(type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        wakes.policy(type, body)

    @kopf.on.event(GROUP, API_VERSION, REQUESTS.plural, registry=registry)
    async def _request(type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        wakes.request(type, body)

    @kopf.on.event(GROUP, API_VERSION, INCIDENTS.plural, registry=registry)
    async def _incident(type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        wakes.incident(type, body)

    @kopf.on.event("batch", "v1", "jobs", labels={LABEL_POLICY: kopf.PRESENT}, registry=registry)
    async def _job(body: Mapping[str, Any], **_: Any) -> None:
        wakes.job(body)

    @kopf.on.event("apps", "v1", "deployments", registry=registry)
    async def _deployment(body: Mapping[str, Any], **_: Any) -> None:
        wakes.deployment(body)

    return registry


async def connection(login: Configuration) -> kopf.ConnectionInfo:
    """Our own client's way in, with its token read again, as kopf wants it."""
    key = await login.get_api_key_with_prefix("BearerToken")
    return Connection(
        server=login.host,
        ca_path=login.ssl_ca_cert,
        insecure=not login.verify_ssl,
        certificate_path=login.cert_file,
        private_key_path=login.key_file,
        token=None if key is None else key.partition(" ")[2] or key,
    )


def settings() -> kopf.OperatorSettings:
    """What paid in measurements: see docs/design.md."""
    found = kopf.OperatorSettings()
    found.persistence.diffbase_storage = NoDiff()
    found.posting.enabled = False
    found.scanning.disabled = True
    found.queueing.idle_timeout = 0.2
    found.queueing.exit_timeout = 0.5
    found.watching.chunk_size = 500
    found.watching.label_selectors["batch/v1/jobs"] = LABEL_POLICY
    found.networking.request_timeout = 30
    found.networking.error_backoffs = (0.5, 1, 1, 2, 2, 3)
    return found


async def watch(listen: Callable[[], None], api: ApiClient, wakes: Wakes, namespaces: tuple[str, ...]) -> None:
    """Watch these namespaces until cancelled. `listen` takes the signals back, which kopf makes its own.

    kopf's own way to run its tasks takes every task of the loop for one of them, and gives ours five seconds at the
    end; so its tasks are run here.
    """
    tasks = await kopf.spawn_tasks(
        registry=handlers(wakes, api.configuration),
        settings=settings(),
        standalone=True,
        clusterwide=EVERYWHERE in namespaces,
        namespaces=[] if EVERYWHERE in namespaces else namespaces,
    )
    listen()
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()
    raise RuntimeError("a part of kopf ended although nobody asked it to")


async def run(config: Config, options: Options) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    loop = asyncio.get_running_loop()

    def listen() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)

    serving = asyncio.ensure_future(serve(config, options, decide, functools.partial(watch, listen)))
    listen()
    try:
        await serving
    except asyncio.CancelledError:
        return OK
    except LoginError as error:
        sys.stderr.write(f"certstorage-operator: {error}\n")
        return FAILED
    return OK


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="certstorage-operator",
        description="Run the S3 storage runbook for every CertStoragePolicy of the enrolled namespaces.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""examples:
  certstorage-operator --config /etc/certstorage/config.yaml         inside the cluster
  certstorage-operator --config config.yaml --kubeconfig ~/.kube/config --namespace production

exit codes:
  0  asked to stop (SIGTERM, SIGINT); the Lease was freed
  1  cannot log in, or a part died: start it again
  2  usage, or a configuration that cannot be used""",
    )
    add = parser.add_argument
    environ = os.environ
    add("--config", type=Path, default=Path(environ.get("CERTSTORAGE_CONFIG", "/etc/certstorage/config.yaml")),
        help="configuration file ($CERTSTORAGE_CONFIG)")  # fmt: skip
    add("--namespace", action="append", metavar="NAME",
        help="serve this namespace instead of those in the file; may be repeated")  # fmt: skip
    add("--kubeconfig", default="", help="log in by this file, even inside a cluster")
    add("--context", default="", help="context of the kubeconfig")
    add("--lease-namespace", default=environ.get("POD_NAMESPACE", "certstorage-system"),
        help="namespace of the Lease ($POD_NAMESPACE)")  # fmt: skip
    add("--lease-name", default="certstorage-operator", help="name of the Lease")
    add("--identity", default=environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        help="name of this process in the Lease and in Events ($POD_NAME)")  # fmt: skip
    add("--host", default="0.0.0.0", help="address of probes, metrics and the nudge")  # noqa: S104
    add("--port", type=int, default=8080, help="port of /healthz, /readyz and /metrics")
    add("--nudge-port", type=int, default=8081, help="port of Alertmanager's nudge")
    add("--nudge-token-file", default=environ.get("CERTSTORAGE_NUDGE_TOKEN_FILE", ""),
        help="bearer token that a nudge must carry ($CERTSTORAGE_NUDGE_TOKEN_FILE)")  # fmt: skip
    add("--log-format", type=LogFormat, choices=list(LogFormat), default=LogFormat.PLAIN, help="shape of a log line")
    add("--log-level", choices=("debug", "info", "warning"), default="info", help="what is logged")
    add("--version", action="version", version=__version__)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run and exit."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["give-back"]:
        sys.exit(giveback.main(words[1:]))
    given = arguments().parse_args(words)
    try:
        config = load(given.config, tuple(given.namespace) if given.namespace else None)
    except InvalidConfigError as error:
        sys.stderr.write(f"certstorage-operator: {error}\n")
        sys.exit(USAGE)
    set_up(given.log_format, given.log_level)
    options = Options(
        identity=given.identity,
        lease_namespace=given.lease_namespace,
        lease_name=given.lease_name,
        host=given.host,
        port=given.port,
        nudge_port=given.nudge_port,
        nudge_token_file=given.nudge_token_file,
        kubeconfig=given.kubeconfig,
        context=given.context,
    )
    sys.exit(asyncio.run(run(config, options)))


if __name__ == "__main__":
    main()
