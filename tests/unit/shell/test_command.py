"""The console command: help, exit codes, and how kopf logs in."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from kubernetes.aio.client import Configuration

from certstorage.api.policy import FINALIZER
from certstorage.cluster.client import LoginError, login
from certstorage.handlers import arguments, connection, handlers, main, settings
from certstorage.registry import Registry
from certstorage.wakes import Wakes

SHIPPED = Path(__file__).parents[3] / "deploy" / "operator" / "config.yaml"


def test_help_shows_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert "examples:" in told
    assert "exit codes:" in told


@pytest.mark.parametrize("argv", [["--nonsense"], ["--log-format", "xml"], ["--config", "/nowhere/config.yaml"]])
def test_usage_is_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    assert "certstorage-operator" in capsys.readouterr().err


def test_no_cluster_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(SystemExit) as left:
        main(["--config", str(SHIPPED), "--kubeconfig", str(tmp_path / "none")])
    assert left.value.code == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


async def test_a_service_account_that_is_half_there_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(LoginError, match="cannot log in"):
        await login()


def test_the_environment_names_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "operator-abc")
    monkeypatch.setenv("POD_NAMESPACE", "ops")
    monkeypatch.setenv("CERTSTORAGE_CONFIG", "/x.yaml")
    given = arguments().parse_args([])
    assert (given.identity, given.lease_namespace, str(given.config)) == ("operator-abc", "ops", "/x.yaml")


async def test_kopf_logs_in_as_our_own_client_does_and_reads_the_token_again() -> None:
    ours = Configuration(host="https://api:6443")
    ours.api_key["BearerToken"] = "bearer old"
    assert (await connection(ours)).token == "old"

    def refresh(configuration: Configuration) -> None:
        configuration.api_key["BearerToken"] = "bearer new"

    ours.refresh_api_key_hook = refresh  # type: ignore[assignment]  # the library declares what it begins with, None
    found = await connection(ours)
    assert (found.server, found.token, found.trust_env) == ("https://api:6443", "new", False)
    context = found.as_ssl_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_kopf_is_told_to_leave_nothing_behind() -> None:
    found = settings()
    assert not found.posting.enabled
    assert found.scanning.disabled
    assert found.watching.label_selectors["batch/v1/jobs"] == "storage.deltacrown.io/policy"
    assert found.persistence.finalizer != FINALIZER, "kopf takes its finalizer off objects that no handler of it holds"
    storage = found.persistence.diffbase_storage
    assert storage.fetch(body={}) is None  # type: ignore[arg-type]


def test_handlers_only_watch() -> None:
    async def build() -> None:
        registry = handlers(Wakes(Registry(), lambda _: None), Configuration())
        assert len(registry._watching.get_all_handlers()) == 5
        assert registry._changing.get_all_handlers() == []
        assert registry._spawning.get_all_handlers() == []

    asyncio.run(build())
