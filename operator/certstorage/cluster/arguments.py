"""The command line of a validator Job, by what the Job is for (docs/validator.md has every option). Pure."""

from __future__ import annotations

from certstorage.api.decision import JobKind, JobWanted, RepairMode
from certstorage.api.reading import rfc3339
from certstorage.api.requests import Expected

INDEX = "JOB_COMPLETION_INDEX"
"""The variable in which an Indexed Job tells each Pod its number; the kubelet puts it into the arguments."""

MOST_OBJECTS = 1_000_000_000
"""More than a bucket's prefix holds: any number of objects may be put away."""


def arguments(wanted: JobWanted, shards: int) -> list[str]:
    """What the program is given. The report goes to the bucket, so that it outlives the Pod."""
    match wanted.kind, wanted.mends:
        case (JobKind.RECOVERY, _) | (JobKind.VALIDATION, True):
            said = ["recover", *_since(wanted), *_probes(wanted), *_sample(wanted), *_expected(wanted), *_shard(shards)]
        case ((JobKind.VALIDATION | JobKind.SWEEP), _):
            repair = ["--repair", wanted.repair.value]
            said = ["check", *_since(wanted), *_sample(wanted), *repair, *_shard(shards)]
        case JobKind.REPAIR, _:
            said = ["repair", "--apply", *_selection(wanted)]
        case JobKind.FINDINGS, _:
            said = ["probe", *_probes(wanted)]
    return [*said, "--output", "bucket"]


def _since(wanted: JobWanted) -> list[str]:
    return [] if wanted.since is None else ["--since", rfc3339(wanted.since)]


def _probes(wanted: JobWanted) -> list[str]:
    return ["--probes", str(wanted.probes), "--probe-interval", str(wanted.probe_interval_seconds)]


def _sample(wanted: JobWanted) -> list[str]:
    return [
        "--sample-rate",
        f"{wanted.sample_rate:g}",
        "--min-sample",
        str(wanted.min_sample),
        "--max-mismatch",
        f"{wanted.max_mismatch:g}",
    ]


def _expected(wanted: JobWanted) -> list[str]:
    """What would stop the run as the trace of a wrong disk or bucket, and does not, since a person knows better."""
    deletions = ["--max-extra-share", "1", "--max-quarantine", str(MOST_OBJECTS)]
    said = {Expected.DELETIONS: deletions, Expected.BACKLOG: ["--max-missing-share", "1"]}
    return [word for one in sorted(set(wanted.expected)) for word in said[one]]


def _shard(shards: int) -> list[str]:
    return ["--shard", f"$({INDEX})/{shards}"] if shards > 1 else []


def _selection(wanted: JobWanted) -> list[str]:
    """Which mismatches of which report. Keys come as `--key=…`: one may begin with a dash."""
    only = RepairMode.ALL if wanted.repair is RepairMode.REPORT else wanted.repair
    found = ["--from-report", wanted.source, "--only", only.value]
    found += [f"--under={wanted.under}"] if wanted.under else []
    return [*found, *(f"--key={key}" for key in wanted.keys)]
