"""The command line of the test cluster."""

import sys

import typer

from tests.cluster import binaries
from tests.cluster.errors import ClusterError

app = typer.Typer(help="A real Kubernetes for tests and the demo.", no_args_is_help=True, add_completion=False)


@app.callback()
def _commands() -> None:
    """A real Kubernetes for tests and the demo."""


@app.command()
def build() -> None:
    """Build every program into the user's cache and print where they are."""
    for program in (binaries.kube, binaries.prometheus, binaries.promtool, binaries.alertmanager, binaries.amtool):
        print(program())


def main() -> None:
    """Run the command line; a ClusterError becomes one line and exit status 1."""
    try:
        app()
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
