"""The runbook's metric row `cert.s3.write.success` < 95 %: dual-write failing, review logs for network issues.

Critical: until it is mended every new certificate is on local disk alone. Dual-write stays on.
"""

from __future__ import annotations

from certstorage.api.incidents import IncidentFinding
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import Signal, SignalName, Verdict
from certstorage.runbook import causes
from certstorage.runbook.contacts import log_query
from certstorage.runbook.milder import Milder, Opinion, mild, told
from certstorage.runbook.wants import Context, Wants

ROW = "metrics/write-success"


def _opine(context: Context, signal: Signal, findings: tuple[IncidentFinding, ...]) -> Opinion:
    named = "; ".join(f"{one.name}: {one.message}; {one.mend}" for one in causes.bad(findings))
    words = named or "no cause is found yet: review the logs for network issues"
    text = f"{told(signal)}; dual-write stays on; {words}"
    if signal.verdict is not Verdict.FIRING:
        return Opinion(text, ROW)
    return Opinion(text, ROW, page=text, command=log_query(context.policy, signal.since or context.now))


WRITES = Milder(
    scenario=Scenario.WRITE_SUCCESS_LOW,
    signal=SignalName.WRITE_SUCCESS,
    reason=Reason.WRITES_FAIL,
    row=ROW,
    opine=_opine,
)


def writes(context: Context) -> Wants:
    """What the scenario of failing writes wants now."""
    return mild(context, WRITES)
