"""Reading what is stored: lenient, and nothing that a terminal would obey."""

import pytest

from certstorage.cli.doc import Doc
from certstorage.cli.overview import policy
from tests.unit.cli.world import documents


def test_what_is_missing_or_of_another_kind_reads_as_absent() -> None:
    doc = Doc({"a": {"b": 3, "t": "yesterday", "naive": "2026-11-23T03:00:00"}, "list": [1, {"x": "y"}, "z"]})
    assert doc.number("a", "b") == 3
    assert doc.text("a", "b") == ""
    assert doc.number("a", "b", "c") is None
    assert doc.number("nothing") is None
    assert doc.time("a", "t") is None
    assert doc.time("a", "naive") is None
    assert doc.each("a") == []
    assert [item.text("x") for item in doc.each("list")] == ["y"]
    assert doc.texts("list") == ("z",)
    assert Doc("not an object").raw == {}
    assert Doc({"yes": True}).number("yes") is None


def test_a_message_cannot_move_the_cursor() -> None:
    assert Doc({"m": "all\x1b[2J\r\nis \x9bwell\x07 "}).text("m") == "all [2J is  well"
    assert Doc({"m": ["\x1b]0;title\x07"]}).texts("m") == ("]0;title",)


@pytest.mark.parametrize(
    ("message", "unblock", "said", "command"),
    [
        ("mend it: kubectl -n a get b", "", "mend it", "kubectl -n a get b"),
        ("one: two: kubectl certstorage approve x -n y", "", "one: two", "kubectl certstorage approve x -n y"),
        ("no command here", "", "no command here", ""),
        ("no command here", "kubectl do it", "no command here", "kubectl do it"),
        ("mend it: kubectl this", "kubectl that", "mend it", "kubectl that"),
    ],
)
def test_what_is_asked_is_told_apart_from_its_command(message: str, unblock: str, said: str, command: str) -> None:
    (body, *_) = documents("exhausted")
    body["status"]["unblock"] = unblock
    (asked,) = [one for one in body["status"]["conditions"] if one["type"] == "ActionRequired"]
    asked["message"] = message
    found = policy(body).asked
    assert found is not None
    assert (found.message, found.command) == (said, command)


def test_nothing_is_asked_while_the_condition_is_not_true() -> None:
    (body, *_) = documents("outage")
    assert policy(body).asked is None
    assert policy({"metadata": {"name": "a", "namespace": "b"}}).asked is None
