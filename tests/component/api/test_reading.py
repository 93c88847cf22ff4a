"""What people see: kubectl explain, get, get -o wide, and the names under which the kinds are found."""

import pytest

from crds.reference import KINDS, load, rows, version
from tests.component.api.server import GROUP, Client, Json, Server, policy

MOMENT = "2026-11-23T03:10:00Z"


@pytest.fixture(scope="module")
def in_an_outage(server: Server, namespace: str, operator: Client) -> Json:
    where = f"{GROUP}/namespaces/{namespace}/certstoragepolicies"
    body = server.admin.create(where, policy(namespace)).body
    body["status"] = {
        "conditions": [
            {
                "type": kind,
                "status": "False",
                "reason": reason,
                "message": "reads are local on 3/3 Pods",
                "lastTransitionTime": MOMENT,
            }
            for kind, reason in (("SignalsTrusted", "Other"), ("Ready", "OutageReadsLocal"))
        ],
        "reads": {"desired": "Local", "template": "Local", "pods": 3, "podsAsDesired": 3},
        "signals": [
            {"name": "Outage", "verdict": "Firing"},
            {"name": "SaveFail", "verdict": "Firing", "value": "100%"},
            {"name": "ReadFallback", "verdict": "Firing", "value": "99.5%"},
        ],
        "operation": {"type": "Outage", "step": "WaitingForS3"},
        "lastValidation": {"verdict": "Pass", "mismatch": "0.02%", "finishedAt": MOMENT},
        "incidentName": "certificates-20261123-0310",
    }
    answer = operator.replace(f"{where}/certificates/status", body)
    assert answer.code == 200, answer.message
    return answer.body


def table(text: str) -> list[dict[str, str]]:
    """kubectl's table as rows by column; columns begin where their heads do."""
    head, *lines = text.splitlines()
    starts = [at for at in range(len(head)) if head[at] != " " and (at == 0 or head[at - 1] == " ")]
    ends = [*starts[1:], None]
    names = [head[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    spans = list(zip(names, starts, ends, strict=True))
    return [{name: line[start:end].strip() for name, start, end in spans} for line in lines]


def test_get_shows_the_state_in_one_line(server: Server, namespace: str, in_an_outage: Json) -> None:
    (row,) = table(server.plane.kubectl("get", "certsp", "-n", namespace))
    age = row.pop("AGE")
    assert row == {
        "NAME": "certificates",
        "READY": "False",
        "REASON": "OutageReadsLocal",
        "READS": "Local",
        "VALIDATED": "Pass",
    }
    assert age.endswith("s")


def test_get_wide_adds_the_ratios(server: Server, namespace: str, in_an_outage: Json) -> None:
    (row,) = table(server.plane.kubectl("get", "certstoragepolicy", "-n", namespace, "-o", "wide"))
    assert {name: row[name] for name in list(row)[6:] if name != "VALIDATED-AT"} == {
        "SAVE-FAIL": "100%",
        "READ-FALLBACK": "99.5%",
        "MISMATCH": "0.02%",
        "MODE": "Enforce",
        "DEPLOYMENT": "deltacrown",
        "STEP": "WaitingForS3",
        "INCIDENT": "certificates-20261123-0310",
    }


def test_the_category_finds_all_kinds(server: Server, namespace: str, in_an_outage: Json) -> None:
    found = server.plane.kubectl("get", "certstorage", "-n", namespace, "-o", "name")
    assert found == "certstoragepolicy.storage.deltacrown.io/certificates\n"
    listed = server.plane.kubectl("api-resources", "--categories=certstorage", "--no-headers")
    assert {tuple(line.split()[:2]) for line in listed.splitlines()} == {
        ("certstoragepolicies", "certsp"),
        ("certstoragerequests", "certsr"),
        ("certstorageincidents", "certsi"),
    }


def test_explain_storage(server: Server) -> None:
    text = server.plane.kubectl("explain", "certstoragepolicy.spec.storage")
    words = " ".join(text.split())
    assert "Where certificates are, twice: the file x below localPath is the object in the bucket whose key is" in words
    assert "bucket <string> -required-" in words
    assert "Default: certificates/." in words
    assert "Its free space is watched while reads are local (Scenario 1, step 4)." in words


@pytest.mark.parametrize("plural", KINDS)
def test_explain_knows_every_field(server: Server, plural: str) -> None:
    text = server.plane.kubectl("explain", plural, "--recursive")
    names = {line.split("\t")[0].strip() for line in text.splitlines() if "\t" in line}
    schema = version(load(plural))["schema"]["openAPIV3Schema"]
    for part in ("spec", "status"):
        for row in rows(schema["properties"][part]):
            assert row.path.split(".")[-1] in names


def test_describe_reads_well(server: Server, namespace: str, in_an_outage: Json) -> None:
    text = server.plane.kubectl("describe", "certsp", "certificates", "-n", namespace)
    for line in ("Reason:                OutageReadsLocal", "Step:  WaitingForS3", "Template:         Local"):
        assert line in text
