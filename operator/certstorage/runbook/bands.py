"""How bad a value is: the runbook's bands, and what holds exactly on their edges, decided once.

| value | edge | exactly on it | why |
|---|---|---|---|
| saves that fail | 5 % | not degraded | the runbook's alert says ">5%" |
| | 20 % | partial | its scenario says "5-20%"; what is more pages |
| | 95 % | down | an outage for saves; reads decide about the flip |
| read fallback | 10 % | not elevated | ">10%" |
| | 30 % | partial | "10-30%"; what is more pages |
| | 95 % | down | from there on it is an outage, whatever saves do |
| deletes that fail | 2 % | not failing | ">2%" |
| writes that succeed | 95 % | enough | "<95%" |
| mismatch | 0.5 % | too many | the way back asks for "<0.5%", and the validator fails from there on |
| free local disk | 10 % | enough | "<10%" |

Whether an alert is in force is Prometheus' answer, with the same edges; this only grades the value it fires with.
"""

from __future__ import annotations

from enum import IntEnum

from certstorage.api.signals import Signal

MISMATCH = 0.005


class Band(IntEnum):
    """From well to down; the larger is worse."""

    WELL = 0
    PARTIAL = 1
    """Within the runbook's scenario."""
    SEVERE = 2
    """Above the scenario's band: as in it, and people are paged."""
    DOWN = 3


SAVES = (0.05, 0.20, 0.95)
FALLBACK = (0.10, 0.30, 0.95)


def band(value: float, edges: tuple[float, float, float]) -> Band:
    """The band of a failing ratio (0 to 1): the first two edges belong to the band below, the last to the one above."""
    partial, severe, down = edges
    if value >= down:
        return Band.DOWN
    if value > severe:
        return Band.SEVERE
    return Band.PARTIAL if value > partial else Band.WELL


def band_of(signal: Signal, edges: tuple[float, float, float]) -> Band:
    """The band of a firing signal: PARTIAL at least, since the alert is in force whatever its value has become."""
    return Band.PARTIAL if signal.value is None else max(Band.PARTIAL, band(signal.value, edges))


def mismatch_fails(ratio: float) -> bool:
    """Whether too many objects differ."""
    return ratio >= MISMATCH
