"""``python -m tests.cluster``: see ``--help``."""

from tests.cluster.cli import main

main()
