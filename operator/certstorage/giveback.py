"""`certstorage-operator give-back`: replicas that a sweep took and that are overdue, given back without the operator.

A sweep writes down, in the same write that stops the application, how many replicas there were and by when they must
be back. The operator keeps that time; should it be dead, this keeps it: a CronJob runs it every few minutes. Reads stay
as they are. The rest of the hold stays too, by which an operator that comes back to life knows that the sweep is over,
and does not stop the application for it again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certstorage.api.decision import EventType, EventWanted, TargetPatch
from certstorage.api.hold import ANNOTATION, InvalidHoldError, load
from certstorage.cluster.client import ApiCluster, LoginError, login
from certstorage.cluster.patches import target_patch
from certstorage.cluster.port import (
    DEPLOYMENTS,
    Cluster,
    ClusterError,
    ConflictError,
    Json,
    NotFoundError,
    UnprocessableError,
)
from certstorage.cluster.record import event, tell
from certstorage.config import InvalidConfigError
from certstorage.config import load as load_config
from certstorage.logs import LogFormat, set_up

GRACE = timedelta(minutes=1)
"""After the time is over: an operator that lives gives back by itself, and knows what to say about it."""
TRIES = 5
"""Writes of one Deployment, when somebody else writes it at the same time."""
REASON = "ReplicasGivenBack"
EVERYWHERE = ""
OK, FAILED, USAGE = 0, 1, 2

log = logging.getLogger(__name__)


def overdue(deployment: Json, now: datetime) -> TargetPatch | None:
    """The write that gives the replicas back, if it is time (UTC); None when nothing is held, or not for too long.

    Replicas that somebody has set since are left as they are. A hold that was copied from another Deployment holds
    nothing.

    Raises:
        InvalidHoldError: there is a hold that cannot be read.
    """
    metadata = deployment["metadata"]
    text = metadata.get("annotations", {}).get(ANNOTATION)
    if text is None:
        return None
    hold = load(text)
    if hold.replicas is None or hold.restore_by is None or hold.target_uid != metadata["uid"]:
        return None
    if now < hold.restore_by + GRACE:
        return None
    stopped = deployment["spec"].get("replicas", 1) == 0
    return TargetPatch(
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        hold=replace(hold, replicas=None, restore_by=None, epoch=hold.epoch + 1),
        replicas=hold.replicas if stopped else None,
    )


async def give_back(cluster: Cluster, namespaces: Sequence[str], now: datetime, instance: str) -> bool:
    """Give back all that is overdue in these namespaces; whether everything could be looked at and written."""
    well = True
    for namespace in namespaces:
        try:
            deployments = await cluster.list(DEPLOYMENTS, namespace)
        except ClusterError as error:
            log.error("Deployments cannot be listed: %s", error)
            well = False
            continue
        for deployment in deployments:
            well = await _one(cluster, deployment, now, instance) and well
    return well


async def _one(cluster: Cluster, deployment: Json, now: datetime, instance: str) -> bool:
    where = f"{deployment['metadata']['namespace']}/{deployment['metadata']['name']}"
    try:
        await _write(cluster, deployment, now, instance)
    except NotFoundError:
        return True
    except (InvalidHoldError, ClusterError) as error:
        log.error("Deployment %s: %s", where, error)
        return False
    return True


async def _write(cluster: Cluster, deployment: Json, now: datetime, instance: str) -> None:
    namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
    for left in reversed(range(TRIES)):
        patch = overdue(deployment, now)
        if patch is None:
            return
        try:
            await cluster.patch(DEPLOYMENTS, namespace, name, target_patch(patch, deployment, ""))
        except (ConflictError, UnprocessableError):
            # on a newer object a place of the patch may be missing (422) before the conflict shows
            if not left:
                raise
            deployment = await cluster.get(DEPLOYMENTS, namespace, name)
            continue
        await _tell(cluster, deployment, patch, now, instance)
        return


async def _tell(cluster: Cluster, deployment: Json, patch: TargetPatch, now: datetime, instance: str) -> None:
    if patch.replicas is None:
        text = "a sweep's time is over; somebody has set replicas since, which stay as they are"
    else:
        text = f"a sweep's time is over and the operator did not end it: {patch.replicas} replicas are given back"
    wanted = EventWanted(EventType.WARNING, REASON, text)
    await tell(cluster, event(deployment, wanted, now, instance, about=DEPLOYMENTS))


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="certstorage-operator give-back",
        description="Give back the replicas of every Deployment whose sweep is past its time, and end.",
        epilog="exit codes: 0 all is well, 1 something could not be looked at or written, 2 wrong usage",
    )
    environ = os.environ
    parser.add_argument("--config", type=Path, default=Path(environ.get("CERTSTORAGE_CONFIG", "config.yaml")),
        help="the operator's configuration, which names the namespaces ($CERTSTORAGE_CONFIG)")  # fmt: skip
    parser.add_argument("--namespace", action="append", help="look here only, whatever the configuration says")
    parser.add_argument("--kubeconfig", default="", help="a kubeconfig, outside of the cluster")
    parser.add_argument("--context", default="", help="context of the kubeconfig")
    parser.add_argument("--identity", default=environ.get("POD_NAME") or "give-back", help="name in Events ($POD_NAME)")
    parser.add_argument("--log-format", type=LogFormat, choices=list(LogFormat), default=LogFormat.PLAIN,
        help="shape of a log line")  # fmt: skip
    return parser


def main(argv: Sequence[str]) -> int:
    """Run once; the exit code."""
    given = arguments().parse_args(argv)
    set_up(given.log_format, "info")
    try:
        namespaces = load_config(given.config, tuple(given.namespace) if given.namespace else None).namespaces
        return asyncio.run(_run(namespaces, given))
    except InvalidConfigError as error:
        sys.stderr.write(f"certstorage-operator: {error}\n")
        return USAGE
    except LoginError as error:
        sys.stderr.write(f"certstorage-operator: {error}\n")
        return FAILED


async def _run(namespaces: tuple[str, ...] | None, given: argparse.Namespace) -> int:
    cluster = ApiCluster(await login(kubeconfig_path=given.kubeconfig, context=given.context))
    try:
        where = (EVERYWHERE,) if namespaces is None else namespaces
        well = await give_back(cluster, where, datetime.now(UTC), given.identity)
    finally:
        await cluster.close()
    return OK if well else FAILED
