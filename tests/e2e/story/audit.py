"""The API server's audit log: who wrote what, with the object as it was after the write."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.story.facts import JobDeleted, JobMade, Write

HOLD = "storage.deltacrown.io/hold"
INCIDENT = "storage.deltacrown.io/incident"
ATTEMPT = "storage.deltacrown.io/attempt"
KIND = "storage.deltacrown.io/kind"
CONTAINER = "web"

_LONGEST_LINE = 8 << 20
"""In bytes: both objects of a write, as large as etcd takes them, and more."""

Event = Mapping[str, Any]
"""One audit.k8s.io/v1 Event as JSON."""


@dataclass(slots=True)
class AuditLog:
    """A log that grows; each `read` gives what came since the last one. A line that is still being written waits."""

    path: Path
    offset: int = 0

    def skip(self) -> None:
        """Begin at the present end; a line that is still being written belongs to what comes."""
        with self.path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            tail = log.seek(max(0, end - _LONGEST_LINE))
            self.offset = tail + log.read(end - tail).rfind(b"\n") + 1

    def read(self) -> Iterator[Event]:
        """Every event written since the last call, in the order of the file."""
        with self.path.open("rb") as log:
            if log.seek(0, 2) < self.offset:
                self.offset = 0  # the server has begun a new file
            log.seek(self.offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self.offset += len(line)
                yield json.loads(line)


def time(text: str) -> datetime:
    """An RFC 3339 time with a zone, in any precision that Kubernetes and Prometheus write."""
    return datetime.fromisoformat(text)


def deployment_write(event: Event, namespace: str, name: str) -> Write | None:
    """The accepted write to this Deployment (not to its status) that the event tells of, if it does."""
    ref, answer = event.get("objectRef", {}), event.get("responseObject")
    about = (ref.get("resource"), ref.get("namespace"), ref.get("name"), ref.get("subresource", ""))
    if about != ("deployments", namespace, name, "") or not _accepted(event) or not answer or "spec" not in answer:
        return None
    metadata = answer["metadata"]
    return Write(
        at=time(event["stageTimestamp"]),
        received=time(event["requestReceivedTimestamp"]),
        audit_id=event["auditID"],
        verb=event["verb"],
        user=event["user"]["username"],
        agent=event.get("userAgent", ""),
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=metadata["generation"],
        env=container_env(answer["spec"]["template"]["spec"]["containers"]),
        hold=metadata.get("annotations", {}).get(HOLD, ""),
        managers=tuple(sorted({entry["manager"] for entry in metadata.get("managedFields", [])})),
        replicas=answer["spec"].get("replicas"),
    )


def job_made(event: Event, namespace: str) -> JobMade | None:
    """The accepted creation of a Job in this namespace that the event tells of, if it does."""
    ref, answer = event.get("objectRef", {}), event.get("responseObject")
    about = (event.get("verb"), ref.get("resource"), ref.get("namespace"))
    if about != ("create", "jobs", namespace) or not _accepted(event) or not answer:
        return None
    metadata = answer["metadata"]
    labels = metadata.get("labels", {})
    return JobMade(
        at=time(event["stageTimestamp"]),
        user=event["user"]["username"],
        name=metadata["name"],
        uid=metadata["uid"],
        incident=labels.get(INCIDENT, ""),
        attempt=labels.get(ATTEMPT, ""),
        kind=labels.get(KIND, ""),
        arguments=tuple(answer["spec"]["template"]["spec"]["containers"][0].get("args", ())),
    )


def job_deleted(event: Event, namespace: str) -> JobDeleted | None:
    """The accepted deletion of a Job in this namespace that the event tells of, if it does."""
    ref = event.get("objectRef", {})
    if (event.get("verb"), ref.get("resource"), ref.get("namespace")) != ("delete", "jobs", namespace):
        return None
    return (
        JobDeleted(time(event["stageTimestamp"]), event["user"]["username"], ref["name"]) if _accepted(event) else None
    )


def container_env(containers: Sequence[Mapping[str, Any]], name: str = CONTAINER) -> dict[str, str]:
    """The literal environment of one container of a Pod; entries from references are left out."""
    for container in containers:
        if container["name"] == name:
            return {
                entry["name"]: entry.get("value", "") for entry in container.get("env", []) if "valueFrom" not in entry
            }
    return {}


def _accepted(event: Event) -> bool:
    code = event.get("responseStatus", {}).get("code", 0)
    return event.get("stage") == "ResponseComplete" and 200 <= code < 300
