"""The operator's image as a registry would store it: small, and without what production must not have."""

import re
from pathlib import Path

import pytest

from tests.cluster import images, oci

BUDGET_BYTES = 120_000_000


@pytest.fixture(scope="module")
def archive() -> Path:
    return images.OPERATOR.archive()


@pytest.fixture(scope="module")
def facts(archive: Path) -> oci.ArchiveFacts:
    return oci.read_archive(archive)


@pytest.fixture(scope="module")
def names(archive: Path) -> set[str]:
    return oci.file_names(archive)


def test_it_is_within_its_budget(facts: oci.ArchiveFacts) -> None:
    print(f"{facts.compressed_bytes / 1e6:.1f} MB compressed")
    assert facts.compressed_bytes <= BUDGET_BYTES


def test_it_runs_the_operator_as_nobody_in_particular(facts: oci.ArchiveFacts) -> None:
    assert facts.settings["User"] == "65532:65532"
    assert facts.settings["Entrypoint"] == ["certstorage-operator"]


@pytest.mark.parametrize(
    "there",
    [
        r"opt/certstorage/bin/certstorage-operator",
        r"opt/certstorage/bin/s3-backfill-validator",
        r"opt/certstorage/scripts/s3_backfill_validator\.py",
        r"opt/certstorage/lib/python3\.\d+/site-packages/certstorage/__init__\.py",
        r"opt/certstorage/lib/python3\.\d+/site-packages/certstorage/__pycache__/__init__\.cpython-\d+\.pyc",
        r"opt/certstorage/lib/python3\.\d+/site-packages/botocore/data/s3/.*",
        r"opt/certstorage/lib/python3\.\d+/site-packages/botocore/data/sts/.*",
        r"etc/ssl/certs/ca-certificates\.crt",
    ],
)
def test_what_runs_is_there(names: set[str], there: str) -> None:
    assert any(re.fullmatch(there, name) for name in names)


@pytest.mark.parametrize(
    "absent",
    [
        r".*/site-packages/(pip|setuptools|wheel|pytest|hatchling)/__init__\.py",
        r".*/pip3?",
        r".*/ensurepip/.*",
        r".*/site-packages/.*/tests?/.*",
        r".*/botocore/data/(?!s3/|sts/|sso/|sso-oidc/|signin/)[^/]+/.*",
        r"etc/pip\.conf",
        r"usr/bin/(apt-get|perl)",
        r"(build|src|out)(/.*)?",
    ],
)
def test_what_only_builds_is_not(names: set[str], absent: str) -> None:
    assert [name for name in names if re.fullmatch(absent, name)] == []
