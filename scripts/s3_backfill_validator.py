#!/usr/bin/env python3
"""The runbook's name for the validator: the same program as `s3-backfill-validator`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "operator"))

from certstorage.validator.main import main

main()
