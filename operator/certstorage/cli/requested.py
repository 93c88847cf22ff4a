"""A request as the command line sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from certstorage.cli.doc import Doc
from certstorage.cli.port import Json


@dataclass(frozen=True, slots=True)
class Request:
    """One CertStorageRequest with its status; `phase` is empty until the operator has looked at it."""

    namespace: str
    name: str
    policy: str
    type: str
    reason: str
    by: str
    trigger: str
    phase: str
    why: str
    message: str
    until: datetime | None
    expires_at: datetime | None
    plan: tuple[str, ...]
    plan_hash: str
    verdict: str
    report: str

    @property
    def over(self) -> bool:
        """Whether nothing more will become of it."""
        return self.phase in {"Denied", "Done", "Expired"}

    @property
    def asked_by(self) -> str:
        """Who asked, as the end of a sentence; empty when that is not known."""
        if self.by:
            return f" by {self.by}"
        return f" by trigger {self.trigger}" if self.trigger != "Person" else ""

    @property
    def waits(self) -> bool:
        """Whether its plan waits for an answer."""
        return self.phase == "Pending" and bool(self.plan_hash)


def request(body: Json) -> Request:
    """Read a CertStorageRequest."""
    doc = Doc(body)
    spec, status = doc.at("spec"), doc.at("status")
    return Request(
        namespace=doc.text("metadata", "namespace"),
        name=doc.text("metadata", "name"),
        policy=spec.text("policyName"),
        type=spec.text("type"),
        reason=spec.text("reason"),
        by=spec.text("requestedBy"),
        trigger=spec.text("trigger") or "Person",
        phase=status.text("phase"),
        why=status.text("reason"),
        message=status.text("message"),
        until=status.time("until"),
        expires_at=status.time("expiresAt"),
        plan=status.texts("plan"),
        plan_hash=status.text("planHash"),
        verdict=status.text("verdict"),
        report=status.text("report"),
    )
