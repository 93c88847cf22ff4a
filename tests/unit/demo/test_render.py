"""What depends on timing is written from values.yaml, and what is committed is what is written."""

from typing import Any

import pytest
import yaml

from certstorage.api import policy
from certstorage.signals.timings import Timings, parse_timings
from deploy.demo.render import HERE, ValuesError, all_files, render


@pytest.fixture
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((HERE / "values.yaml").read_text())
    return found


def test_what_is_committed_is_up_to_date() -> None:
    stale = [str(path.relative_to(HERE)) for path, text in all_files().items() if path.read_text() != text]
    assert stale == [], "run `make demo-manifests`"


def test_the_rules_are_those_of_the_values(values: dict[str, Any]) -> None:
    assert parse_timings(values["rules"]) != Timings()
    assert values["rules"]["interval"] == values["scrape"]["interval"]


@pytest.mark.parametrize(("folder", "scaled"), [("generated", True), ("production-timing/generated", False)])
def test_the_policy_is_read_by_the_operator(folder: str, scaled: bool) -> None:
    document = yaml.safe_load((HERE / folder / "policy.yaml").read_text())
    document["metadata"]["uid"] = "1"
    found = policy.parse(document).spec
    assert (found.target.name, found.target.container) == ("deltacrown", "web")
    assert (found.recovery != policy.Recovery()) is scaled
    assert found.storage.bucket == "deltacrown-certificates"


def test_production_timing_has_no_policy_value_of_its_own() -> None:
    document = yaml.safe_load((HERE / "production-timing" / "generated" / "policy.yaml").read_text())
    assert document["spec"].keys() == {"targetRef", "storage", "env", "validation", "alertLabels"}
    assert document["spec"]["validation"] == {"repair": "All"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"scrap": {}}, "scrap"),
        ({"scrape": {"timeout": "1s"}}, "scrape.timeout"),
        ({"alertmanager": {"group_wait": "1s"}}, "alertmanager.group_wait"),
        ({"operator": {"pollSecond": 2}}, "operator.pollSecond"),
    ],
)
def test_a_value_that_nothing_reads_is_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ValuesError, match=named):
        render(values)
