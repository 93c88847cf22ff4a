"""Reports and receipts: whole, valid, bounded, and told even when there is nothing good to tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.validator import receipt, report
from certstorage.validator.found import Found
from certstorage.validator.outcome import BUCKET, Teller
from certstorage.validator.report import Header
from certstorage.validator.sampling import Shard
from certstorage.validator.settings import Settings
from certstorage.validator.verdict import Status, Verdict, unknown
from tests.unit.validator.fakes import OWN, PREFIX, Copies, FakeStore
from tests.unit.validator.runs import NOW, check, recover
from tests.unit.validator.test_check import damage, fill
from tests.unit.validator.test_recover import outage

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
PASSED = Verdict(Status.PASS, "Clean", "all the same", 0.0, 0.001)


def valid(document: object, name: str) -> None:
    """Raise unless it is what its schema says."""
    schema = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(document)


def test_reports_of_every_kind_are_valid(copies: Copies) -> None:
    keys = fill(copies, 40)
    for key in keys[:3]:
        damage(copies, key)
    del copies.store.objects[keys[5]]
    copies.delete_locally("2026/cert_0006.pdf")
    for ran in (check(copies), check(copies, shard=Shard(0, 2)), recover(copies)):
        valid(json.loads(json.dumps(ran.report)), "validator-report-v1.json")


def test_a_report_of_an_outage_is_valid(copies: Copies) -> None:
    ran = recover(copies, since=outage(copies))
    valid(json.loads(json.dumps(ran.report)), "validator-report-v1.json")


def test_the_runbooks_fields_are_there(copies: Copies) -> None:
    fill(copies, 3)
    document = check(copies).report
    assert document["status"] == "PASS"
    assert {"mismatch_rate_percent", "total_sampled", "mismatch_details"} <= document.keys()


class Told:
    """A teller with a place for everything."""

    def __init__(self, folder: Path) -> None:
        self.store = FakeStore()
        self.output = folder / "out" / "report.json"
        self.termination = folder / "termination-log"
        self.termination.touch()
        self.settings = Settings("bucket", PREFIX, Path("/tree"))

    def tell(self, verdict: Verdict, found: Found | None = None, output: str | None = "file") -> int:
        """Tell it all."""
        teller = Teller(self.settings, str(self.output) if output == "file" else output, self.termination)
        header = Header("recover", NOW, "nonce", "hash")
        return teller.tell(header, verdict, found or Found(), finished=NOW, sampling={}, store=self.store)

    @property
    def receipt(self) -> dict[str, Any]:
        """What the operator would read."""
        found = json.loads(self.termination.read_bytes())
        assert isinstance(found, dict)
        return found


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


@pytest.mark.parametrize(
    ("verdict", "code"), [(PASSED, 0), (PASSED._replace(status=Status.FAIL), 1), (unknown("Errors", "why"), 2)]
)
def test_tells_report_receipt_and_code(told: Told, verdict: Verdict, code: int) -> None:
    assert told.tell(verdict) == code
    valid(json.loads(told.output.read_text()), "validator-report-v1.json")
    valid(told.receipt, "validator-receipt-v1.json")
    assert (told.receipt["verdict"], told.receipt["nonce"], told.receipt["inputsHash"]) == (
        verdict.status,
        "nonce",
        "hash",
    )
    assert told.receipt["report"] == str(told.output)


def test_the_report_may_go_into_the_bucket(told: Told) -> None:
    assert told.tell(PASSED, output=BUCKET) == 0
    (key,) = told.store.objects
    assert key.startswith(f"{OWN}reports/")
    assert told.receipt["report"] == f"s3://bucket/{key}"


def test_the_report_may_go_to_standard_output(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told.tell(PASSED, output="-")
    assert json.loads(capsys.readouterr().out)["status"] == "PASS"


def test_a_report_that_cannot_be_kept_is_no_pass(told: Told) -> None:
    told.output.parent.write_text("a file where a directory should be")
    assert told.tell(PASSED) == 2
    assert (told.receipt["verdict"], told.receipt["detail"]) == ("INCONCLUSIVE", "ReportNotKept")


def test_a_report_that_cannot_be_kept_hides_no_failure(told: Told) -> None:
    told.store.bucket = False
    assert told.tell(PASSED._replace(status=Status.FAIL, detail="AtRiskOpen"), output=BUCKET) == 1
    assert told.receipt["detail"] == "AtRiskOpen"


def test_a_receipt_that_cannot_be_written_is_no_pass(told: Told) -> None:
    told.termination.unlink()
    told.termination.mkdir()
    assert told.tell(PASSED) == 2


def test_a_full_disk_leaves_the_old_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write({"status": "PASS"}, path)
    with pytest.raises(TypeError):
        report.write({"status": object()}, path)
    assert json.loads(path.read_text()) == {"status": "PASS"}
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


@given(st.lists(st.text(max_size=900), max_size=30), st.text(max_size=6_000))
def test_a_receipt_always_fits(examples: list[str], message: str) -> None:
    data = receipt.fitted({"schema": receipt.SCHEMA, "message": message, "examples": examples})
    assert len(data) <= receipt.MAX_BYTES
    kept = json.loads(data)
    assert kept["examples"] == examples[: len(kept["examples"])]
    assert message.startswith(kept["message"])


def test_a_receipt_path_is_named_or_the_kubelets(tmp_path: Path) -> None:
    assert receipt.default_path({"CERT_TERMINATION_MESSAGE": str(tmp_path / "x")}) == tmp_path / "x"


@pytest.mark.parametrize(("rate", "percent"), [(0, 0), (0.005, 0.5), (1, 100), (1.5, 100), (-1, 0), (1 / 3, 33.333333)])
def test_rates_in_percent(rate: float, percent: float) -> None:
    assert report.percent(rate) == percent
