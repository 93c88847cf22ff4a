"""How faults are written."""

import pytest

from deploy.demo.faultproxy.fault import Fault, FaultError, Mode, parse


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("pass", Fault()),
        ("reset", Fault(Mode.RESET)),
        ("error503", Fault(Mode.ERROR_503)),
        ("blackhole", Fault(Mode.BLACK_HOLE)),
        ("delay=500", Fault(Mode.DELAY, 500)),
        ("partial=40", Fault(Mode.PARTIAL, 40)),
        ("partial=0", Fault(Mode.PARTIAL, 0)),
    ],
)
def test_a_fault_reads_as_it_is_written(text: str, fault: Fault) -> None:
    assert parse(text) == fault
    assert str(fault) == text


@pytest.mark.parametrize(
    "text", ["", "off", "delay", "delay=", "delay=-1", "delay=1.5", "delay=600001", "partial=101", "reset=1", "PASS"]
)
def test_nothing_else_is_a_fault(text: str) -> None:
    with pytest.raises(FaultError):
        parse(text)
