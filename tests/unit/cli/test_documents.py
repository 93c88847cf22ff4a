"""The documents that these tests read are ones that an API server would have taken."""

from typing import Any

import jsonschema
import pytest

from crds.reference import KINDS, load, version
from tests.unit.cli.world import DOCUMENTS, documents

SCHEMAS: dict[str, Any] = {
    load(plural)["spec"]["names"]["kind"]: version(load(plural))["schema"]["openAPIV3Schema"] for plural in KINDS
}


@pytest.mark.parametrize("name", sorted(path.stem for path in DOCUMENTS.glob("*.yaml")))
def test_documents_are_as_the_schemas_say(name: str) -> None:
    for body in documents(name):
        if body["kind"] in SCHEMAS:
            # the schemas themselves are checked where they belong: tests/unit/crds
            assert list(jsonschema.Draft202012Validator(SCHEMAS[body["kind"]]).iter_errors(body)) == []
