"""The runbook's metric row `cert.s3.delete.fail` > 2 %: check S3 delete permissions, review IAM roles.

A Job tries each permission with the application's own identity; what is missing is named to platform engineering.
"""

from __future__ import annotations

from certstorage.api.alerts import Severity
from certstorage.api.incidents import IncidentFinding
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import Signal, SignalName
from certstorage.runbook import causes
from certstorage.runbook.milder import Milder, Opinion, mild, told
from certstorage.runbook.wants import Context, Wants

ROW = "metrics/delete-fail"


def _opine(_: Context, signal: Signal, findings: tuple[IncidentFinding, ...]) -> Opinion:
    denied = next((one for one in causes.bad(findings) if one.name == "DeleteObject"), None)
    if denied is None:
        return Opinion(
            f"{told(signal)}; deletes are retried by nobody, and what stays in S3 shows in the validation", ROW
        )
    words = f"the application's role may not delete: {denied.message}; {denied.mend}"
    return Opinion(f"{told(signal)}; {words}", ROW, page=words, severity=Severity.WARNING)


DELETES = Milder(
    scenario=Scenario.DELETE_FAILING,
    signal=SignalName.DELETE_FAIL,
    reason=Reason.DELETES_FAIL,
    row=ROW,
    opine=_opine,
)


def deletes(context: Context) -> Wants:
    """What the scenario of failing deletes wants now."""
    return mild(context, DELETES)
