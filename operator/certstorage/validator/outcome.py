"""Telling the outcome: the report file, the receipt, one line for people, the exit code."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from certstorage.validator import receipt, report
from certstorage.validator.recover import Found
from certstorage.validator.repair import Act
from certstorage.validator.settings import Settings
from certstorage.validator.settle import Settled
from certstorage.validator.store import Store, StoreError
from certstorage.validator.verdict import Status, Verdict

BUCKET = "bucket"
"""As an output: the report goes into the bucket, under the validator's own prefix."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Where the outcome goes. `nonce` and `inputs_hash` come back in the receipt as they were given."""

    command: str
    settings: Settings
    started: datetime
    output: str | None
    termination_message: Path | None
    nonce: str = ""
    inputs_hash: str = ""

    def tell(
        self, verdict: Verdict, found: Found, finished: datetime, sampling: dict[str, object], store: Store
    ) -> int:
        """Write report and receipt, print the line, return the exit code; a report that cannot be kept is no PASS."""
        document = self._document(verdict, found, finished, sampling)
        where, status, note = "", verdict.status, ""
        try:
            where = self._keep(document, finished, store)
        except (OSError, StoreError) as error:
            note = f"; report not kept: {error}"
            if status is Status.PASS:
                status, verdict = (
                    Status.INCONCLUSIVE,
                    Verdict(Status.INCONCLUSIVE, "ReportNotWritten", verdict.message, verdict.rate, verdict.upper),
                )
        message = f"{verdict.message}{note}"
        if self.termination_message is not None:
            self._receipt(verdict, message, found, finished, where)
        sys.stderr.write(f"{status}: {message}{f' ({where})' if where else ''}\n")
        return status.exit_code

    def _keep(self, document: dict[str, object], finished: datetime, store: Store) -> str:
        if self.output is None:
            return ""
        if self.output == "-":
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
            return "stdout"
        if self.output == BUCKET:
            name = f"{finished:%Y%m%dT%H%M%SZ}-{self.command}-{self.nonce or 'manual'}.json"
            key = f"{self.settings.own_prefix}reports/{name}"
            store.put(key, json.dumps(document).encode(), replacing=None)
            return f"s3://{self.settings.bucket}/{key}"
        report.write(document, Path(self.output))
        return self.output

    def _receipt(self, verdict: Verdict, message: str, found: Found, finished: datetime, where: str) -> None:
        assert self.termination_message is not None
        at_risk, rest = found.at_risk or Settled(), found.rest or Settled()
        receipt.write(
            {
                "schema": receipt.SCHEMA,
                "command": self.command,
                "nonce": self.nonce,
                "inputsHash": self.inputs_hash,
                "verdict": str(verdict.status),
                "detail": verdict.detail,
                "message": message,
                "startedAt": report.utc(self.started),
                "finishedAt": report.utc(finished),
                "mismatchPercent": round(verdict.rate * 100, 6),
                "upperBoundPercent": round(verdict.upper * 100, 6),
                "sampled": at_risk.checked + rest.checked,
                "population": found.counts.union,
                "mismatches": len(at_risk.mismatches) + len(rest.mismatches),
                "unverified": 0,
                "errors": len(at_risk.unknown) + len(rest.unknown),
                "atRiskOpen": len(at_risk.mismatches) + len(at_risk.unknown),
                "probe": "skipped" if found.probe is None else "ok" if found.probe.ok else "failed",
                "uploaded": found.act(Act.UPLOADED),
                "resolved": found.act(Act.QUARANTINED),
                "pattern": {"kind": "none", "axis": "", "value": ""},
                "report": where,
                "examples": [look.key for look in (*at_risk.mismatches, *rest.mismatches, *at_risk.unknown)][:20],
            },
            self.termination_message,
        )

    def _document(
        self, verdict: Verdict, found: Found, finished: datetime, sampling: dict[str, object]
    ) -> dict[str, object]:
        at_risk, rest = found.at_risk or Settled(), found.rest or Settled()
        mismatches = [*at_risk.mismatches, *rest.mismatches]
        unknown = [*at_risk.unknown, *rest.unknown]
        return {
            "schema": report.SCHEMA,
            "command": self.command,
            "nonce": self.nonce,
            "inputs_hash": self.inputs_hash,
            "status": str(verdict.status),
            "verdict_detail": verdict.detail,
            "message": verdict.message,
            "started_at": report.utc(self.started),
            "finished_at": report.utc(finished),
            "bucket": self.settings.bucket,
            "prefix": self.settings.prefix,
            "root": str(self.settings.root),
            "mismatch_rate_percent": round(verdict.rate * 100, 6),
            "upper_bound_percent": round(verdict.upper * 100, 6),
            "total_sampled": at_risk.checked + rest.checked,
            "mismatch_count": len(mismatches),
            "error_count": len(unknown),
            "population": {
                "local": found.counts.local,
                "s3": found.counts.s3,
                "missing_in_s3": found.counts.missing,
                "extra_in_s3": found.counts.extra,
                "size_differs": found.counts.sizes,
                "in_flight": len(at_risk.in_flight) + len(rest.in_flight),
                "local_trouble": found.trouble.first,
            },
            "sampling": sampling,
            "strata": [
                report.stratum("at_risk", found.at_risk_keys, found.at_risk),
                report.stratum("rest", found.rest_keys, found.rest),
            ],
            "probe": found.probe.json() if found.probe else None,
            "repairs": {
                "uploaded": found.act(Act.UPLOADED),
                "quarantined": found.act(Act.QUARANTINED),
                "taken_back": found.act(Act.TAKEN_BACK),
                "suspect": found.act(Act.LOCAL_SUSPECT),
                "failed": found.act(Act.FAILED),
            },
            "mismatch_details": [report.detail(look) for look in mismatches[: report.MOST_DETAILS]],
            "mismatch_details_truncated": len(mismatches) > report.MOST_DETAILS,
            "error_details": [report.detail(look) for look in unknown[: report.MOST_DETAILS]],
        }
