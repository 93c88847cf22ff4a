"""What the kit asks of the host: processes, control groups, packages, commands."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cluster import cgroups, packages
from tests.cluster.errors import ClusterError, CommandError
from tests.cluster.processes import Process
from tests.cluster.shell import run, until


def test_a_process_is_not_the_next_one_with_its_number() -> None:
    me = Process.of(os.getpid())
    assert me is not None
    assert me.alive
    namesake = Process(me.pid, me.started + 1)
    assert not namesake.alive
    namesake.send(signal.SIGKILL)  # would end this very test


def test_an_ended_process_is_dead_before_and_after_it_is_reaped(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    process = Process.of(child.pid)
    assert process is not None
    process.send(signal.SIGKILL)
    until("the end", lambda: not process.alive, seconds=5)
    child.wait()
    assert not process.alive
    assert Process.of(child.pid) is None
    process.send(signal.SIGKILL)


def test_control_groups_of_version_1_are_made_in_every_hierarchy(tmp_path: Path) -> None:
    for hierarchy in ("cpu,cpuacct", "memory", "unified"):
        (tmp_path / hierarchy).mkdir()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    cgroups.make("ours", tmp_path)
    cgroups.make("ours", tmp_path)
    (tmp_path / "memory/ours/pods").mkdir()
    assert {path.parent.name for path in tmp_path.glob("*/ours")} == {"cpu,cpuacct", "cpu", "memory", "unified"}
    assert cgroups.remove("ours", tmp_path)
    assert not [*tmp_path.glob("*/ours")]
    assert cgroups.remove("ours", tmp_path)


def test_control_groups_of_version_2_get_the_controllers_there_are(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu rdma memory\n")
    (tmp_path / "cgroup.subtree_control").touch()
    cgroups.make("ours", tmp_path)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpuset +cpu +memory"
    assert cgroups.remove("ours", tmp_path)
    assert not (tmp_path / "ours").exists()


def test_where_control_groups_may_not_be_made_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/ours").touch()
    with pytest.raises(ClusterError, match="control groups cannot be made"):
        cgroups.make("ours", tmp_path)


def test_missing_tools_are_named_by_their_packages() -> None:
    assert packages.missing(["sh", "no-such-tool", "/usr/bin/no-such-path"]) == [
        "/usr/bin/no-such-path",
        "no-such-tool",
    ]
    assert packages.missing(["sh"]) == []


def test_packages_do_not_start_services(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with packages.services_stay_off(policy), pytest.raises(CommandError, match="ended with 101"):
        run([policy, "prometheus", "start"])
    assert not policy.exists()

    policy.write_text("the host's own")
    with packages.services_stay_off(policy):
        pass
    assert policy.read_text() == "the host's own"


def test_a_failed_command_says_what_it_said() -> None:
    with pytest.raises(CommandError, match="ended with 3: no luck") as caught:
        run(["sh", "-c", "echo no luck >&2; exit 3"])
    assert caught.value.returncode == 3
    with pytest.raises(ClusterError, match="no-such-program is not installed"):
        run(["no-such-program"])
    with pytest.raises(ClusterError, match=r"did not end within 0\.1 s"):
        run(["sleep", "5"], timeout=0.1)


def test_waiting_ends_with_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("the reason")
    with pytest.raises(ClusterError, match=r"it: not within 0 s.*\nthe reason"):
        until("it", lambda: False, seconds=0, log=log)
