"""Scenario 1, step 4 of the runbook: monitor local storage capacity, alert if < 10 % free space (bytes or inodes).

It goes on while reads are held local, when it matters most: a full disk then means certificates that cannot be saved.
"""

from __future__ import annotations

from certstorage.api.incidents import IncidentFinding
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import Signal, SignalName, Verdict
from certstorage.runbook.milder import Milder, Opinion, mild, told
from certstorage.runbook.wants import Context, Wants

ROW = "scenario-1/step-4"


def _opine(context: Context, signal: Signal, _: tuple[IncidentFinding, ...]) -> Opinion:
    policy = context.policy
    why = "; reads are held local, so this disk is all there is" if context.reads_held else ""
    text = f"{told(signal)}: less than 10 % of {policy.spec.storage.local_path} is free{why}"
    command = (
        f"kubectl -n {policy.namespace} exec deployment/{policy.spec.target.name} -- "
        f"df -h -i {policy.spec.storage.local_path}"
    )
    page = f"{text}; make room or enlarge the volume" if signal.verdict is Verdict.FIRING else ""
    return Opinion(text, ROW, page=page, command=command)


DISK = Milder(
    scenario=Scenario.LOCAL_DISK_LOW,
    signal=SignalName.LOCAL_DISK,
    reason=Reason.LOCAL_DISK_LOW,
    row=ROW,
    opine=_opine,
    probe=False,
    in_outage=True,
)


def disk(context: Context) -> Wants:
    """What the scenario of a full local disk wants now."""
    return mild(context, DISK)
