"""The API server takes every Job that the builder's golden files show, from the operator's own service account."""

from pathlib import Path

import pytest
import yaml

from tests.component.api.server import Client

GOLDEN = Path(__file__).resolve().parents[2] / "unit" / "cluster" / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("job-*.yaml")), ids=lambda path: path.stem)
def test_a_job_is_taken_as_it_is_built(namespace: str, operator: Client, path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    manifest["metadata"]["namespace"] = namespace
    where = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    answer = operator.create(where, manifest, dryRun="All", fieldValidation="Strict")
    assert answer.code == 201, answer.message
    kept = answer.body["spec"]
    assert kept["podFailurePolicy"] == manifest["spec"]["podFailurePolicy"]
    assert kept.get("completionMode") == manifest["spec"].get("completionMode", "NonIndexed")
