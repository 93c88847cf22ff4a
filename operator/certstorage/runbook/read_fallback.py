"""Scenario 4 of the runbook: high read fallback rate (10-30 %), reads hitting local disk though S3 is available.

The flag is looked at first, then region, network path and GET latency by a Job; the mitigation is named, and the rate
is watched to its end. Over 30 % people are paged; from 95 % on it is an outage.
"""

from __future__ import annotations

from certstorage.api.incidents import IncidentFinding
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import Signal, SignalName, Verdict
from certstorage.runbook import causes
from certstorage.runbook.bands import FALLBACK, Band, band_of
from certstorage.runbook.milder import Milder, Opinion, mild, told
from certstorage.runbook.wants import Context, Wants

_MITIGATION = {
    "ReadFlag": ("scenario-4/symptoms", "the read flag explains it"),
    "BucketRegion": (
        "scenario-4/mitigate-1",
        "cross-region reads are confirmed: migrate the bucket to the same region",
    ),
    "NetworkPath": (
        "scenario-4/mitigate-2",
        "the network path has issues: review VPC routing, NAT gateway performance",
    ),
    "GetLatency": ("scenario-4/mitigate-3", "GETs are slow: monitor and wait, fallback is safe"),
}
"""By finding, the most telling first: the runbook's row and its mitigation in one line."""


def _opine(context: Context, signal: Signal, findings: tuple[IncidentFinding, ...]) -> Opinion:
    named = {one.name: one for one in causes.bad(findings)}
    row, words = "scenario-4/mitigate-3", "no cause is found yet: monitor and wait, fallback is safe"
    slow = context.seen.signals.verdict(SignalName.GET_SLOW) is Verdict.FIRING
    for name, (found_row, found_words) in _MITIGATION.items():
        if name in named or (name == "GetLatency" and slow):
            detail = f" ({named[name].message})" if name in named else ""
            row, words = found_row, f"{found_words}{detail}"
            break
    text = f"{told(signal)}; {words}"
    severe = signal.verdict is Verdict.FIRING and band_of(signal, FALLBACK) >= Band.SEVERE
    return Opinion(text, row, page=f"more than 30 % of reads fall back: {words}" if severe else "")


READ_FALLBACK = Milder(
    scenario=Scenario.READ_FALLBACK,
    signal=SignalName.FALLBACK_ELEVATED,
    reason=Reason.READ_FALLBACK_HIGH,
    row="scenario-4/symptoms",
    opine=_opine,
    local=lambda context: (causes.flag(context),),
)


def read_fallback(context: Context) -> Wants:
    """What scenario 4 wants now."""
    return mild(context, READ_FALLBACK)
