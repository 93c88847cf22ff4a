"""Names that the rules, the reader, the dashboard and the operator's own metrics share."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from certstorage.api.signals import SignalName

OPERATOR_NAMESPACE: Final = "certstorage-system"
OPERATOR_DEPLOYMENT: Final = "certstorage-operator"

RULE_GROUP: Final = "cert-s3"
WATCHDOG: Final = "CertStorageWatchdog"
VOLUME_COLLAPSE: Final = "CertS3VolumeCollapse"
WARM_UP_ANNOTATION: Final = "warm_up_seconds"
"""On the watchdog: how long after its first evaluation this rule file's quiet proves nothing."""

ALERT_OF_SIGNAL: Final = {
    SignalName.OUTAGE: "CertS3Outage",
    SignalName.BLACK_HOLE: "CertS3BlackHole",
    SignalName.SAVE_FAIL: "CertS3SaveFailHigh",
    SignalName.READ_FALLBACK: "CertS3ReadFallbackHigh",
    SignalName.DELETE_FAIL: "CertS3DeleteFailHigh",
    SignalName.WRITE_SUCCESS: "CertS3WriteSuccessLow",
    SignalName.MISMATCH: "CertBackfillMismatchHigh",
    SignalName.DEGRADED: "CertS3Degraded",
    SignalName.FALLBACK_ELEVATED: "CertS3ReadFallbackElevated",
    SignalName.GET_SLOW: "CertS3GetSlow",
    SignalName.LOCAL_DISK: "CertLocalDiskLow",
    SignalName.METRICS: "CertS3MetricsAbsent",
}
"""Which alert speaks for a signal. Recovery has none: it is read from `cert_s3:recovered`."""


class Fact(IntFlag):
    """What `cert_s3:facts` says of a workload, as a sum; recorded only while the workload is scraped."""

    SCRAPED = 1
    READS = 2
    """Reads were tried within a minute, from wherever."""
    SAVES = 4
    DELETES = 8
    READ_FROM_S3 = 16
    """S3 answered a read within a minute."""
    WRITTEN_TO_S3 = 32
    """S3 took a write within a minute."""
    READS_JUDGED = 64
    """Enough reads within ten minutes to make a ratio."""
    SAVES_JUDGED = 128
    DELETES_JUDGED = 256
    WRITES_JUDGED = 512
    SAVES_FAILING = 1024
    """One percent of saves or more fail now."""
    RECOVERED = 2048
    """`cert_s3:recovered` is 1."""
    SAVE_FAILED_LATELY = 4096
    """A save failed within ten minutes, however few there were."""
    VALIDATED = 8192
    """The operator exports the mismatch rate of a receipt."""
    WATCHED = 16384
    """Scraped throughout the minute: what was not counted in it did not happen."""


# Metrics of the operator itself. Those about a policy carry the labels `policy_namespace`, `policy` and `workload`
# (the policy's signals.workload): a scrape puts the operator's own `namespace` and `deployment` on every series, and
# the rules map the policy's onto them.
POLICY_LABELS: Final = ("policy_namespace", "policy", "workload")
METRIC_MISMATCH: Final = "cert_backfill_mismatch_rate_percent"
"""Gauge, percent, of the last receipt; exported by the operator, since one in the application dies with each flip."""
METRIC_MISMATCH_TIME: Final = "cert_backfill_mismatch_timestamp_seconds"
"""Gauge, Unix seconds: when that receipt was made."""
METRIC_POLICY: Final = "certstorage_policy_info"
"""Gauge, 1 for each policy in care: whose metrics must be there."""
METRIC_LAST_EVALUATION: Final = "certstorage_last_evaluation_timestamp_seconds"
"""Gauge without labels, Unix seconds: when the operator last went through its signals."""
METRIC_BLOCKED_SINCE: Final = "certstorage_blocked_since_timestamp_seconds"
"""Gauge with one more label, `reason`; Unix seconds; there only while a policy is blocked."""
METRIC_SWEEP_DEADLINE: Final = "certstorage_sweep_deadline_timestamp_seconds"
"""Gauge, Unix seconds; there only while a sweep holds the replicas."""
METRIC_PODS_NOT_AS_DESIRED: Final = "certstorage_pods_not_as_desired"
"""Gauge: Pods that run with another read flag than the policy wants."""
METRIC_READS_LOCAL: Final = "certstorage_reads_local"
"""Gauge, 1 while the operator holds reads local, else 0."""
