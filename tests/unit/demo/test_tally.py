"""Counting errors, with bounded memory."""

from datetime import UTC, datetime

from deploy.demo.loadgen.tally import EXAMPLES, Kind, Op, Tally

NOW = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)


def test_every_series_is_there_from_the_start() -> None:
    tally = Tally()
    for op in Op:
        assert tally.registry.get_sample_value("cert_demo_client_requests_total", {"op": op, "result": "error"}) == 0
        for kind in Kind:
            assert tally.registry.get_sample_value("cert_demo_client_errors_total", {"op": op, "kind": kind}) == 0
    assert tally.report()["errors"] == {"total": 0, "byKind": {kind.value: 0 for kind in Kind}, "last": []}


def test_totals_and_examples() -> None:
    tally = Tally()
    tally.ok(Op.READ, "s3")
    tally.ok(Op.SAVE)
    tally.skipped(Op.DELETE)
    tally.error(Op.READ, Kind.STALE, "certificates/a.pdf", "from s3: v1", NOW)
    report = tally.report()
    assert report["totals"]["read"] == {"ok": 1, "error": 1, "skipped": 0}
    assert report["totals"]["delete"] == {"ok": 0, "error": 0, "skipped": 1}
    assert (report["errors"]["total"], report["errors"]["byKind"]["stale"]) == (1, 1)
    assert report["errors"]["last"] == [
        {
            "at": "2026-11-23T03:10:00.000+00:00",
            "op": "read",
            "kind": "stale",
            "key": "certificates/a.pdf",
            "detail": "from s3: v1",
        }
    ]
    assert tally.registry.get_sample_value("cert_demo_client_reads_total", {"source": "s3"}) == 1


def test_only_the_last_examples_are_kept() -> None:
    tally = Tally()
    for number in range(EXAMPLES + 50):
        tally.error(Op.SAVE, Kind.HTTP, f"k{number}", "x" * 1000, NOW)
    errors = tally.report()["errors"]
    assert errors["total"] == EXAMPLES + 50
    assert [len(errors["last"]), errors["last"][-1]["key"]] == [EXAMPLES, f"k{EXAMPLES + 49}"]
    assert len(errors["last"][0]["detail"]) == 200
