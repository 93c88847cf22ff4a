"""`history`: incidents that tell their own story, Events for the rest."""

from certstorage.cli.history import chapters
from tests.unit.cli.world import FakeKube, documents, run

OBJECTS = documents("history")
INCIDENTS = [body for body in OBJECTS if body["kind"] == "CertStorageIncident"]
EVENTS = [body for body in OBJECTS if body["kind"] == "Event"]


def test_an_incident_with_a_timeline_tells_it_and_its_events_are_left_out() -> None:
    first, between, second = chapters("certificates", INCIDENTS, EVENTS)
    assert [entry.what for entry in first.entries] == ["OutageGoingLocal", "OutageReadsLocal", "Approved", "Returned"]
    assert (between.name, [entry.what for entry in between.entries]) == ("", ["DataVerified"])
    assert (second.name, [entry.what for entry in second.entries]) == (
        "certificates-20261123-031012",
        ["OutageGoingLocal", "OutageReadsLocal"],
    )


def test_without_incidents_the_events_are_the_history() -> None:
    (only,) = chapters("certificates", [], EVENTS)
    assert [entry.what for entry in only.entries] == [
        "OutageReadsLocal",
        "DataVerified",
        "OutageGoingLocal",
        "OutageReadsLocal",
    ]


def test_what_has_no_time_is_left_out() -> None:
    empty = {"metadata": {"name": "x"}, "status": {"policyName": "certificates"}}
    assert chapters("certificates", [empty], [{"reason": "NoTime"}]) == []


def test_incidents_outlive_their_policy() -> None:
    ran = run(FakeKube(OBJECTS), "history certificates")
    assert (ran.code, ran.err) == (0, "")


def test_nothing_recorded_is_said() -> None:
    ran = run(FakeKube(documents("healthy")), "history certificates")
    said = "Nothing is recorded of production/certificates: no incident, and no Event that is still kept.\n"
    assert (ran.code, ran.out) == (0, said)
    assert run(FakeKube([]), "history certificates").code == 3
