"""Logging in as kubectl does, with kubeconfigs on disk and no cluster behind them."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from certstorage.cli.login import log_in
from certstorage.cli.port import CliError


def kubeconfig(path: Path, *, current: str = "prod", user: dict[str, Any] | None = None, **namespaces: str) -> Path:
    """A kubeconfig with a context of each name; the value is its namespace, empty for none."""
    contexts = [
        {"name": name, "context": {"cluster": name, "user": "me", **({"namespace": space} if space else {})}}
        for name, space in namespaces.items()
    ]
    clusters = [{"name": name, "cluster": {"server": f"https://{name}.example.com"}} for name in namespaces]
    users = [{"name": "me", "user": {"token": "t"} if user is None else user}]
    body = {"contexts": contexts, "clusters": clusters, "users": users, "current-context": current}
    path.write_text(yaml.safe_dump(body))
    return path


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs these tests may be logged in somewhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def test_the_current_context_and_its_namespace(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", prod="production", test="")
    login = log_in(kubeconfig=str(path))
    assert (login.place.context, login.place.server, login.namespace) == (
        "prod",
        "https://prod.example.com",
        "production",
    )


def test_another_context_without_a_namespace(tmp_path: Path) -> None:
    login = log_in(kubeconfig=str(kubeconfig(tmp_path / "config", prod="production", test="")), context="test")
    assert (str(login.place), login.namespace) == ("https://test.example.com (context test)", "default")


def test_kubeconfig_may_name_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = kubeconfig(tmp_path / "one", prod="production"), kubeconfig(tmp_path / "two", test="testing")
    monkeypatch.setenv("KUBECONFIG", f"{one}:{two}")
    assert log_in(context="test").namespace == "testing"


def test_the_file_at_home_is_found(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config", prod="production")
    assert log_in().namespace == "production"


def failing(tmp_path: Path, **how: Any) -> str:
    """The one line that a login with this kubeconfig ends with."""
    path = kubeconfig(tmp_path / "config", prod="production", **how)
    with pytest.raises(CliError) as raised:
        log_in(kubeconfig=str(path))
    assert "\n" not in str(raised.value)
    return str(raised.value).replace(str(path), "FILE")


def test_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"cannot log in with .*/\.kube/config: there is no such file; mend it until"):
        log_in()


def test_no_such_context(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", prod="production")
    with pytest.raises(CliError, match=r"Expected object with name nope .* kubectl auth whoami --context nope"):
        log_in(kubeconfig=str(path), context="nope")


@pytest.mark.parametrize("text", ["", "a: [", "just text", "[]"])
def test_a_file_that_is_no_kubeconfig(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(
        CliError, match=r"cannot log in with .*config: .*; mend it until this works: kubectl auth whoami"
    ):
        log_in(kubeconfig=str(path))


def test_a_login_plugin_that_fails_is_said_and_not_passed_over(tmp_path: Path) -> None:
    command = {"command": sys.executable, "args": ["-c", "import sys; sys.exit('token expired: run sso login')"]}
    said = failing(tmp_path, user={"exec": {"apiVersion": "client.authentication.k8s.io/v1", **command}})
    assert said.startswith("cannot log in with context prod of FILE: exec: process returned 1")
    assert "token expired: run sso login" in said


def test_a_login_plugin_that_is_missing(tmp_path: Path) -> None:
    said = failing(
        tmp_path, user={"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}}
    )
    assert "No such file or directory: 'no-such-plugin'; mend it until this works: kubectl auth whoami" in said
