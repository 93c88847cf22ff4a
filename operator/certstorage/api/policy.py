"""`CertStoragePolicy` as the code sees it: frozen, typed, parsed once at the edge.

The schema and its CEL rules reject bad documents before they get here; parsing again is for documents stored under an
older schema. Ratios are between 0 and 1, durations in seconds. Defaults repeat the CRD's (a test compares them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from certstorage.api.reading import Fields, InvalidFieldError

GROUP = "storage.deltacrown.io"
API_VERSION = "v1alpha1"
PLURAL = "certstoragepolicies"
FINALIZER = f"{GROUP}/hold"
FIELD_MANAGER = "certstorage-operator"

PolicyUID = NewType("PolicyUID", str)


class InvalidPolicyError(ValueError):
    """A document that the schema should have rejected; the message names the field and the mend."""


class Mode(StrEnum):
    """What the operator may do for this policy."""

    ENFORCE = "Enforce"
    PROTECT_ONLY = "ProtectOnly"
    """The safe direction only: reads go local, a person brings them back."""
    OBSERVE = "Observe"
    """Decides and reports, never acts."""


class Approval(StrEnum):
    """Whether a person is asked first."""

    AUTOMATIC = "Automatic"
    REQUIRED = "Required"


class LongTimeouts(StrEnum):
    """When the longer S3 timeouts of scenario 2 may be set."""

    NEVER = "Never"
    WHEN_LATENCY_SUSPECTED = "WhenLatencySuspected"


class Switch(StrEnum):
    """On or off, in words that read well in YAML."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class Repair(StrEnum):
    """What routine validation may mend by itself."""

    REPORT = "Report"
    MISSING = "Missing"
    ALL = "All"


class Quarterly(StrEnum):
    """What the quarterly compliance sweep does."""

    REQUEST = "Request"
    NEVER = "Never"


class SweepFailure(StrEnum):
    """What a sweep that did not pass leaves behind."""

    SERVE_LOCAL = "ServeLocal"
    HOLD = "Hold"


@dataclass(frozen=True, slots=True)
class TargetRef:
    """The Deployment under care; an empty `container` means its only one."""

    name: str
    container: str = ""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where certificates are: the bucket and prefix, and the same tree on the mounted local path."""

    bucket: str
    prefix: str = "certificates/"
    local_path: str = "/mnt/media/certificates"
    region: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class EnvNames:
    """Names of the application's environment variables; empty where the application has none."""

    read_primary: str = "CERT_S3_READ_PRIMARY"
    dual_write: str = "CERT_S3_DUAL_WRITE"
    log_level: str = "LOG_LEVEL"
    connect_timeout: str = ""
    read_timeout: str = ""

    def all(self) -> tuple[str, ...]:
        """Every variable that a policy with these names may ask to patch."""
        names = (self.read_primary, self.dual_write, self.log_level, self.connect_timeout, self.read_timeout)
        return tuple(name for name in names if name)


@dataclass(frozen=True, slots=True)
class SignalsSpec:
    """Which configured Prometheus server speaks of this workload, and under which label value."""

    prometheus: str = "default"
    workload: str = ""


@dataclass(frozen=True, slots=True)
class Recovery:
    """The way back to S3 (scenario 1, Post-Recovery)."""

    hold_seconds: int = 600
    approval: Approval = Approval.AUTOMATIC
    max_attempts: int = 3
    sample_rate: float = 0.01
    min_sample: int = 2000
    max_mismatch: float = 0.005
    max_fallback: float = 0.01
    fallback_check_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Degradation:
    """Scenario 2."""

    debug_logging: Switch = Switch.ENABLED
    long_timeouts: LongTimeouts = LongTimeouts.NEVER
    max_duration_seconds: int = 3600
    sample_rate: float = 0.05


@dataclass(frozen=True, slots=True)
class Validation:
    """The nightly backfill validation; `image`, `command` and so on are empty for the operator's own validator."""

    schedule: str = "0 3 * * *"
    time_zone: str = "Etc/UTC"
    sample_rate: float = 0.01
    timeout_seconds: int = 7200
    repair: Repair = Repair.MISSING
    image: str = ""
    command: tuple[str, ...] = ()
    service_account: str = ""
    shards: int = 1


@dataclass(frozen=True, slots=True)
class SweepWindow:
    """When a sweep may run by itself: a cron schedule for its start, in a time zone, and its length in seconds."""

    schedule: str
    time_zone: str
    duration_seconds: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """The integrity sweep."""

    approval: Approval = Approval.REQUIRED
    quarterly: Quarterly = Quarterly.REQUEST
    after_outage_seconds: int = 1800
    after_backfill_objects: int = 10_000
    sample_rate: float = 0.10
    max_duration_seconds: int = 7200
    on_failure: SweepFailure = SweepFailure.SERVE_LOCAL
    window: SweepWindow | None = None


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """The spec, with every default filled in."""

    target: TargetRef
    storage: Storage
    mode: Mode = Mode.ENFORCE
    env: EnvNames = EnvNames()
    signals: SignalsSpec = SignalsSpec()
    recovery: Recovery = Recovery()
    degradation: Degradation = Degradation()
    validation: Validation = Validation()
    sweep: Sweep = Sweep()
    alert_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: who it is, which generation, and what it asks."""

    namespace: str
    name: str
    uid: PolicyUID
    generation: int
    spec: PolicySpec
    created: str = ""
    """creationTimestamp as stored; orders two policies that claim the same Deployment."""

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


def parse(body: Mapping[str, object]) -> Policy:
    """Read a policy object as the API server returns it.

    Raises:
        InvalidPolicyError: a field is missing or not of its kind.
    """
    try:
        whole = Fields(body, "policy")
        metadata, spec = whole.table("metadata", required=True), Fields(dict(whole.table("spec").raw), "spec")
        return Policy(
            namespace=metadata.text("namespace"),
            name=metadata.text("name"),
            uid=PolicyUID(metadata.text("uid")),
            generation=metadata.number("generation", 1),
            spec=_spec(spec),
            created=metadata.text("creationTimestamp", ""),
        )
    except InvalidFieldError as error:
        raise InvalidPolicyError(str(error)) from error


def _spec(spec: Fields) -> PolicySpec:
    target = spec.table("targetRef", required=True)
    name = target.text("name")
    signals = spec.table("signals")
    return PolicySpec(
        target=TargetRef(name, target.text("container", "")),
        storage=_storage(spec.table("storage", required=True)),
        mode=spec.choice("mode", Mode, Mode.ENFORCE),
        env=_env(spec.table("env")),
        signals=SignalsSpec(signals.text("prometheus", "default"), signals.text("workload", name)),
        recovery=_recovery(spec.table("recovery")),
        degradation=_degradation(spec.table("degradation")),
        validation=_validation(spec.table("validation")),
        sweep=_sweep(spec.table("sweep")),
        alert_labels=spec.texts("alertLabels"),
    )


def _storage(storage: Fields) -> Storage:
    return Storage(
        bucket=storage.text("bucket"),
        prefix=storage.text("prefix", "certificates/"),
        local_path=storage.text("localPath", "/mnt/media/certificates"),
        region=storage.text("region", ""),
        endpoint=storage.text("endpoint", ""),
    )


def _env(env: Fields) -> EnvNames:
    return EnvNames(
        read_primary=env.text("readPrimary", "CERT_S3_READ_PRIMARY"),
        dual_write=env.text("dualWrite", "CERT_S3_DUAL_WRITE"),
        log_level=env.text("logLevel", "LOG_LEVEL"),
        connect_timeout=env.text("connectTimeout", ""),
        read_timeout=env.text("readTimeout", ""),
    )


def _recovery(recovery: Fields) -> Recovery:
    return Recovery(
        hold_seconds=recovery.number("holdSeconds", 600),
        approval=recovery.choice("approval", Approval, Approval.AUTOMATIC),
        max_attempts=recovery.number("maxAttempts", 3, least=1),
        sample_rate=recovery.ratio("sampleRate", "1%"),
        min_sample=recovery.number("minSample", 2000, least=1),
        max_mismatch=recovery.ratio("maxMismatch", "0.5%"),
        max_fallback=recovery.ratio("maxFallback", "1%"),
        fallback_check_seconds=recovery.number("fallbackCheckSeconds", 300, least=1),
    )


def _degradation(degradation: Fields) -> Degradation:
    return Degradation(
        debug_logging=degradation.choice("debugLogging", Switch, Switch.ENABLED),
        long_timeouts=degradation.choice("longTimeouts", LongTimeouts, LongTimeouts.NEVER),
        max_duration_seconds=degradation.number("maxDurationSeconds", 3600, least=1),
        sample_rate=degradation.ratio("sampleRate", "5%"),
    )


def _validation(validation: Fields) -> Validation:
    command = validation.raw.get("command") or []
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        raise InvalidFieldError(f"{validation.path}.command: expected a list of text")
    return Validation(
        schedule=validation.text("schedule", "0 3 * * *"),
        time_zone=validation.text("timeZone", "Etc/UTC"),
        sample_rate=validation.ratio("sampleRate", "1%"),
        timeout_seconds=validation.number("timeoutSeconds", 7200, least=1),
        repair=validation.choice("repair", Repair, Repair.MISSING),
        image=validation.text("image", ""),
        command=tuple(command),
        service_account=validation.text("serviceAccountName", ""),
        shards=validation.number("shards", 1, least=1),
    )


def _sweep(sweep: Fields) -> Sweep:
    window = sweep.table("window") if sweep.has("window") else None
    return Sweep(
        approval=sweep.choice("approval", Approval, Approval.REQUIRED),
        quarterly=sweep.choice("quarterly", Quarterly, Quarterly.REQUEST),
        after_outage_seconds=sweep.number("afterOutageSeconds", 1800),
        after_backfill_objects=sweep.number("afterBackfillObjects", 10_000, least=1),
        sample_rate=sweep.ratio("sampleRate", "10%"),
        max_duration_seconds=sweep.number("maxDurationSeconds", 7200, least=1),
        on_failure=sweep.choice("onFailure", SweepFailure, SweepFailure.SERVE_LOCAL),
        window=None
        if window is None
        else SweepWindow(
            schedule=window.text("schedule"),
            time_zone=window.text("timeZone", "Etc/UTC"),
            duration_seconds=window.number("durationSeconds", least=1),
        ),
    )
