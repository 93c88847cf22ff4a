"""The command line of the test cluster."""

import os
import sys
from typing import Annotated

import typer

from tests.cluster import binaries, images, oci, registry, ways
from tests.cluster.errors import ClusterError
from tests.cluster.paths import ROOT, clone_id

app = typer.Typer(help="A real Kubernetes for tests and the demo.", no_args_is_help=True, add_completion=False)

Context = Annotated[
    str | None,
    typer.Option(envvar="CLUSTER_CONTEXT", help="use this context of your kubeconfig instead of a cluster of our own"),
]


@app.command()
def up(context: Context = None) -> None:
    """Bring the cluster up, or heal it, and print where its kubeconfig is."""
    cluster = ways.up(context)
    print(cluster.kubeconfig)
    print(f"use it with: {(cluster.kubeconfig.parent / 'kubectl').relative_to(ROOT)} get pods -A", file=sys.stderr)


@app.command()
def down() -> None:
    """End the cluster and remove all that was made for it; what was built stays in the cache."""
    name = ways.remembered()
    if name is not None:
        ways.way(name).down()
    elif registry.find(clone_id()):
        ways.way(ways.NODE).down()


@app.command()
def status() -> None:
    """Show what works; exit status 1 unless all does."""
    name = ways.remembered()
    if name is None:
        print("no cluster: make cluster-up")
        raise typer.Exit(1)
    cluster = ways.way(name)
    health = cluster.health()
    print(f"{'way':24}{name}")
    print(f"{'kubeconfig':24}{cluster.kubeconfig}")
    print(f"{'audit log':24}{cluster.audit_log or 'not known'}")
    for part, works in health.items():
        print(f"{part:24}{'ready' if works else 'not ready'}")
    for clone, entry in registry.entries():
        if entry.root != str(ROOT):
            print(f"{'another node':24}{entry.root} ({clone}, {'runs' if entry.process.alive else 'ended'})")
    if not all(health.values()):
        raise typer.Exit(1)


@app.command()
def kubeconfig() -> None:
    """Print where the kubeconfig is."""
    print(ways.current().kubeconfig)


@app.command()
def image(names: Annotated[list[str] | None, typer.Argument(help="all images when none is named")] = None) -> None:
    """Build images and print archive and compressed size of each."""
    for chosen in _images(names):
        archive = chosen.archive()
        print(f"{chosen.name}  {oci.read_archive(archive).compressed_bytes / 1e6:.1f} MB compressed  {archive}")


@app.command()
def load(names: Annotated[list[str] | None, typer.Argument(help="all images when none is named")] = None) -> None:
    """Build images where needed and bring them to the cluster."""
    cluster = ways.current()
    for chosen in _images(names):
        cluster.load(chosen)


@app.command()
def build() -> None:
    """Build every program into the user's cache and print where they are."""
    for program in (binaries.kube, binaries.prometheus, binaries.promtool, binaries.alertmanager, binaries.amtool):
        print(program())


def _images(names: list[str] | None) -> list[images.Image]:
    return [images.named(name) for name in names] if names else list(images.ALL)


def main() -> None:
    """Run the command line; a ClusterError becomes one line and exit status 1."""
    os.chdir(ROOT)
    try:
        app()
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
