"""`merge`: one report from the reports of all shards."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from certstorage.validator.commands import common
from certstorage.validator.merge import load, merge
from certstorage.validator.report import Header


def run(options: Namespace) -> int:
    """Run it; returns the exit code."""
    documents = load(options.reports)
    merged = merge(documents, options.max_mismatch)
    options.command = merged.command
    options.bucket, options.prefix = documents[0]["bucket"], documents[0]["prefix"]
    options.root = Path(documents[0]["root"])
    session = common.session(options)
    session.found = merged.found
    header = Header(merged.command, merged.started, merged.nonce, merged.inputs_hash)
    return session.tell(header, merged.verdict, {**merged.sampling, "shards": len(documents)})
