"""How asking a Prometheus server can fail. A failure is a value, and whatever it hides is Unknown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Trouble(StrEnum):
    """Why a server, a rule or a series cannot be believed; the docstring says what mends it."""

    NOT_POLLED = "NotPolled"
    """No poll has finished yet: the operator has just begun to lead."""
    NOT_CONFIGURED = "PrometheusNotConfigured"
    """No server of that name in the operator's configuration: add it, or correct spec.signals.prometheus."""
    UNREACHABLE = "PrometheusUnreachable"
    """No connection: is it running, do the Service and the NetworkPolicy let the operator through?"""
    TIMED_OUT = "PrometheusTimedOut"
    """Connected, but no whole answer in time."""
    CREDENTIALS = "CredentialsUnreadable"
    """A token, password, certificate or CA file that is configured cannot be read."""
    TLS = "TlsFailed"
    """The server's certificate is not trusted, or ours is not."""
    STATUS = "HttpStatus"
    """Another answer than 200: the message says which. A redirect is often a login page."""
    TOO_LARGE = "AnswerTooLarge"
    """More bytes than are read."""
    NOT_JSON = "NotJson"
    """No JSON, or cut off: a proxy's error page, or a connection that broke."""
    MALFORMED = "AnswerMalformed"
    """JSON of another shape than the Prometheus API's."""
    REFUSED = "QueryRefused"
    """Prometheus answered with an error of its own: the message repeats it."""
    PARTIAL = "AnswerPartial"
    """Prometheus warns that something is missing from its answer."""
    CLOCK_SKEW = "ClockSkew"
    """The server's clock and the operator's are too far apart to tell fresh from stale: mend NTP."""
    RULES_MISSING = "RulesMissing"
    """The rules of deploy/rules are not loaded, or only some of them."""
    RULES_STALE = "RulesStale"
    """The rules are loaded and not evaluated: look at the server's load."""
    RULES_FAILING = "RulesFailing"
    """A rule cannot be evaluated: the message repeats Prometheus."""
    WATCHDOG_SILENT = "WatchdogSilent"
    """The alert that always fires does not."""
    POLL_STALE = "PollStale"
    """The last poll is too long ago: the operator itself is late."""
    NO_SERIES = "NoSeries"
    """Nothing is recorded for this workload: is it scraped, is spec.signals.workload its `deployment` label?"""
    SEVERAL_SERIES = "SeveralSeries"
    """More than one series where there must be one: the server sees two workloads under one name."""
    ODD_VALUE = "OddValue"
    """A value that means nothing: NaN, infinite, or out of range."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that went wrong, in one line."""

    reason: Trouble
    message: str
