"""Tests of a node make namespaces, mounts and a network interface: root only."""

import os

import pytest

collect_ignore = [] if os.geteuid() == 0 else ["test_node.py", "test_two_clones.py"]


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is left out and why."""
    return f"left out, since we are not root: {', '.join(collect_ignore)}" if collect_ignore else ""
