"""`python -m faultproxy.faultctl get`, `… set blackhole`, `… set delay=500`: the control over HTTP, from a shell."""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence

_WAIT_SECONDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask or switch. 0 when done, 1 with the reason when the control refused or cannot be reached."""
    parser = argparse.ArgumentParser(prog="faultctl", description="Show or switch the fault between deltacrown and S3.")
    parser.add_argument("--url", default=os.environ.get("FAULTPROXY_CONTROL_URL", "http://127.0.0.1:9001"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("get", help="print the fault in force")
    setting = commands.add_parser("set", help="put a fault in force")
    setting.add_argument(
        "fault",
        help="pass, reset, error503, denied, blackhole, delay=<milliseconds>, partial=<percent>, failing=<percent>, "
        "lost=<percent>; "
        "by operation: put:failing=12,get:delay=700",
    )
    given = parser.parse_args(arguments)
    body = json.dumps({"fault": given.fault}).encode() if given.command == "set" else None
    request = urllib.request.Request(f"{given.url}/fault", data=body, method="PUT" if body else "GET")
    try:
        with urllib.request.urlopen(request, timeout=_WAIT_SECONDS) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        print(f"faultctl: {error.read().decode()}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"faultctl: {given.url}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
