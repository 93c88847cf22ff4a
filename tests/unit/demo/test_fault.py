"""How faults are written."""

import pytest

from deploy.demo.faultproxy.fault import Fault, FaultError, Mode, Op, Treatment, parse


@pytest.mark.parametrize(
    ("text", "treatment"),
    [
        ("pass", Treatment()),
        ("reset", Treatment(Mode.RESET)),
        ("error503", Treatment(Mode.ERROR_503)),
        ("denied", Treatment(Mode.DENIED)),
        ("blackhole", Treatment(Mode.BLACK_HOLE)),
        ("delay=500", Treatment(Mode.DELAY, 500)),
        ("partial=40", Treatment(Mode.PARTIAL, 40)),
        ("partial=0", Treatment(Mode.PARTIAL, 0)),
        ("failing=12", Treatment(Mode.FAILING, 12)),
        ("lost=12", Treatment(Mode.LOST, 12)),
    ],
)
def test_a_fault_of_everything_reads_as_it_is_written(text: str, treatment: Treatment) -> None:
    fault = parse(text)
    assert [fault.treatment(op) for op in Op] == [treatment] * len(Op)
    assert fault.whole == treatment
    assert str(fault) == text


@pytest.mark.parametrize(
    ("text", "of", "written"),
    [
        ("put:failing=12", {Op.PUT: Treatment(Mode.FAILING, 12)}, "put:failing=12"),
        (
            "delete:denied,get:delay=700",
            {Op.GET: Treatment(Mode.DELAY, 700), Op.DELETE: Treatment(Mode.DENIED)},
            "get:delay=700,delete:denied",
        ),
        ("get:reset,put:reset,delete:reset,list:reset", dict.fromkeys(Op, Treatment(Mode.RESET)), "reset"),
        ("get:pass", {}, "pass"),
    ],
)
def test_a_fault_by_operation_lets_the_others_pass(text: str, of: dict[Op, Treatment], written: str) -> None:
    fault = parse(text)
    assert [fault.treatment(op) for op in Op] == [Fault(of).treatment(op) for op in Op]
    assert str(fault) == written
    assert str(parse(written)) == written


@pytest.mark.parametrize(
    "text",
    ["", "off", "delay", "delay=", "delay=-1", "delay=1.5", "delay=600001", "partial=101", "failing=101", "reset=1",
     "PASS", "put:", "put:explode", "copy:reset", "put:reset,put:pass", "put:reset,", "reset,put:pass"],
)  # fmt: skip
def test_nothing_else_is_a_fault(text: str) -> None:
    with pytest.raises(FaultError):
        parse(text)
