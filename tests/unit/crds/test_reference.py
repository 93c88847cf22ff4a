"""docs/api.md is what the schemas say."""

from crds import reference


def test_the_page_is_current() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.render(), "run: make api-docs"


def test_every_field_has_its_row() -> None:
    page = reference.render()
    for plural in reference.KINDS:
        schema = reference.version(reference.load(plural))["schema"]["openAPIV3Schema"]
        for part in ("spec", "status"):
            for row in reference.rows(schema["properties"][part]):
                assert f"| `{row.path}` |" in page


def test_a_default_is_read_from_its_sentence() -> None:
    assert reference.split_default("Share of objects. Default: 0.5%.") == ("Share of objects.", "0.5%")
    assert reference.split_default('When it starts. Default: "0 3 * * *".') == ("When it starts.", "0 3 * * *")
    assert reference.split_default("Absent: 1.") == ("Absent: 1.", None)
