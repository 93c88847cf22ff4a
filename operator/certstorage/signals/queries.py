"""What is asked of Prometheus: one question for every workload's facts, one for all post-flip checks. Pure text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from certstorage.signals.recording_rules import FACTS

P95: Final = "cert_s3:get_seconds_p95:10m"
DISK: Final = "cert_local:disk_free_ratio"
RATIO_TEN: Final = "cert_s3:fail_ratio:10m"
RATIO_NOW: Final = "cert_s3:fail_ratio:now"
WRITE_RATIO: Final = "cert_s3:write_success_ratio:10m"

_IDENTITY: Final = "or on (__name__, namespace, deployment, op, resource)"
RECORDED: Final = (
    f'{{__name__=~"{FACTS}|{P95}|{DISK}"}}'
    # of ratios only what is not perfect, or ten thousand healthy workloads would send six zeros each
    f" {_IDENTITY} ({RATIO_TEN} > 0) {_IDENTITY} ({RATIO_NOW} > 0) {_IDENTITY} ({WRITE_RATIO} < 1)"
    f" {_IDENTITY} vector(time())"
)
"""Facts and imperfect ratios of all workloads, and the server's clock as the one series without labels."""

RULES_PATH: Final = "/api/v1/rules"
RULES_QUERY: Final = {"type": "alert"}
QUERY_PATH: Final = "/api/v1/query"


_LONGEST_STEM: Final = 58
"""Kubernetes cuts what it generates a name from to this, and adds five random characters."""


@dataclass(frozen=True, slots=True, order=True)
class ReplicaSet:
    """The Pods of one pod template: those of a namespace whose names begin with `stem`."""

    namespace: str
    deployment: str
    template_hash: str

    @property
    def stem(self) -> str:
        """The names of its Pods but for their last five characters."""
        return self._whole[:_LONGEST_STEM]

    @property
    def told_apart(self) -> bool:
        """Whether its Pods can be told from an older template's by name: the hash of a long name is cut off."""
        return self.stem == self._whole

    @property
    def _whole(self) -> str:
        return f"{self.deployment}-{self.template_hash}-"


def fallback_query(replica_sets: Iterable[ReplicaSet]) -> str:
    """Raw read counters of the Pods of some ReplicaSets, summed since their start, and how many were scraped twice.

    The answer has the labels `namespace`, `stem` and `what`: reads, fallbacks or pods.
    """
    wanted = sorted(set(replica_sets))
    namespaces = "|".join(sorted({re.escape(one.namespace) for one in wanted}))
    stems = "|".join(sorted({re.escape(one.stem) for one in wanted}))
    pods = f"namespace=~{_quoted(namespaces)},pod=~{_quoted(f'({stems})[a-z0-9]{{5}}')}"
    reads, fallbacks = f"cert_s3_read_total{{{pods}}}", f"cert_s3_read_fallback_total{{{pods}}}"
    # a Pod that is gone has an answer to the range and none to the instant
    twice = f"count_over_time({reads}[5m]) >= 2 and {reads}"
    return " or ".join(
        (_summed("sum", reads, "reads"), _summed("sum", fallbacks, "fallbacks"), _summed("count", twice, "pods"))
    )


def _summed(how: str, vector: str, what: str) -> str:
    named = f'label_replace({vector}, "stem", "$1", "pod", "(.+).{{5}}")'
    return f'label_replace({how} by (namespace, stem) ({named}), "what", "{what}", "", "")'


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
