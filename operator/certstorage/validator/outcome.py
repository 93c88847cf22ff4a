"""Telling the outcome: the report, the receipt, a few lines for people, the exit code."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from certstorage.validator import receipt, report
from certstorage.validator.found import Found
from certstorage.validator.mender import Act
from certstorage.validator.report import Header, Json
from certstorage.validator.settings import Settings
from certstorage.validator.store import Store, StoreError
from certstorage.validator.verdict import Status, Verdict

BUCKET = "bucket"
"""As an output: the report goes into the bucket, under the validator's own prefix."""
_EXAMPLES = 20
_SHORT = 160
"""Characters of what a probe found, in a receipt that must fit into 4 KiB; the report has all."""
_SHOWN = 5


class Teller(NamedTuple):
    """Where the outcome goes. `output`: a path, "-" for standard output, BUCKET, or None for nowhere."""

    settings: Settings
    output: str | None
    termination_message: Path | None

    def tell(
        self,
        header: Header,
        verdict: Verdict,
        found: Found,
        *,
        finished: datetime,
        sampling: Json,
        store: Store,
    ) -> int:
        """Write report and receipt, tell people, return the exit code. A report that cannot be kept is no PASS."""
        document = report.build(header, self.settings, verdict, found, sampling=sampling, finished=finished)
        where = ""
        try:
            where = self._keep(document, header, finished, store)
        except (OSError, StoreError) as error:
            verdict = verdict._replace(message=f"{verdict.message}; the report could not be kept: {error}")
            if verdict.status is Status.PASS:
                verdict = verdict._replace(status=Status.INCONCLUSIVE, detail="ReportNotKept")
        if self.termination_message is not None:
            verdict = self._receipt(header, verdict, found, finished, where)
        sys.stderr.write("\n".join(_lines(verdict, found, where)) + "\n")
        return verdict.status.exit_code

    def _keep(self, document: Json, header: Header, finished: datetime, store: Store) -> str:
        if self.output is None:
            return ""
        if self.output == "-":
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
            return ""
        if self.output == BUCKET:
            name = f"{finished:%Y%m%dT%H%M%S.%fZ}-{header.command}-{header.nonce or 'manual'}.json"
            key = f"{self.settings.own_prefix}reports/{name}"
            store.put(key, json.dumps(document).encode(), replacing=None)
            return f"s3://{self.settings.bucket}/{key}"
        report.write(document, Path(self.output))
        return self.output

    def _receipt(self, header: Header, verdict: Verdict, found: Found, finished: datetime, where: str) -> Verdict:
        assert self.termination_message is not None
        try:
            receipt.write(_receipt(header, verdict, found, finished, where), self.termination_message)
        except OSError as error:
            message = f"{verdict.message}; no receipt at {self.termination_message}: {error.strerror}"
            status = Status.INCONCLUSIVE if verdict.status is Status.PASS else verdict.status
            return verdict._replace(status=status, detail="ReceiptNotWritten", message=message)
        return verdict


def _receipt(header: Header, verdict: Verdict, found: Found, finished: datetime, where: str) -> Json:
    probed: Json = {}
    if header.command == "probe" and found.probe is not None:
        probed = {
            "steps": {step: said[:_SHORT] for step, said in found.probe.steps.items()},
            "findings": [{**one.json(), "detail": one.detail[:_SHORT]} for one in found.findings],
            "getP95Seconds": found.probe.get_p95,
        }
    unverified = found.at_risk.unverified + found.rest.unverified
    named = found.pattern
    return {
        "schema": receipt.SCHEMA,
        "command": header.command,
        "nonce": header.nonce,
        "inputsHash": header.inputs_hash,
        "shard": f"{header.shard.part}/{header.shard.parts}" if header.shard.parts > 1 else "",
        "verdict": str(verdict.status),
        "detail": verdict.detail,
        "message": verdict.message,
        "startedAt": report.utc(header.started),
        "finishedAt": report.utc(finished),
        "mismatchPercent": report.percent(verdict.rate),
        "upperBoundPercent": report.percent(verdict.upper),
        "sampled": found.at_risk.checked + found.rest.checked,
        "population": found.judged,
        "mismatches": len(found.at_risk.mismatches) + len(found.rest.mismatches),
        "unverified": unverified,
        "errors": len(found.at_risk.unknown) + len(found.rest.unknown) - unverified,
        "atRiskOpen": len(found.at_risk.mismatches) + len(found.at_risk.unknown),
        "probe": "skipped" if found.probe is None else "ok" if found.probe.ok else "failed",
        "uploaded": found.acted(Act.UPLOADED),
        "resolved": found.acted(Act.QUARANTINED),
        "pattern": {"kind": str(named.kind), "axis": named.axis, "value": named.value},
        "report": where,
        **probed,
        "examples": [look.key for look in islice((*found.mismatches(), *found.at_risk.unknown), _EXAMPLES)],
    }


def _lines(verdict: Verdict, found: Found, where: str) -> list[str]:
    lines = [f"{verdict.status} {verdict.detail}: {verdict.message}"]
    if found.counts.union:
        lines.append(
            f"  {found.counts.local} files, {found.counts.s3} objects; {found.counts.missing} missing in S3, "
            f"{found.counts.extra} extra, {found.counts.sizes} of another size; "
            f"{found.at_risk.checked} at risk and {found.rest.checked} others read"
        )
    acts = [f"{count} {act}" for act, count in found.at_risk.acts.items() if count]
    if acts:
        lines.append(f"  repairs: {', '.join(acts)}")
    lines += [
        f"  {look.key}: {look.cause or look.outcome}{f' ({look.detail})' if look.detail else ''}"
        for look in islice(found.mismatches(), _SHOWN)
    ]
    if found.pattern.advice:
        lines.append(f"  pattern: {found.pattern.kind} {found.pattern.value}".rstrip() + f". {found.pattern.advice}")
    if where:
        lines.append(f"  report: {where}")
    return lines
