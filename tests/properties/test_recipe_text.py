"""Any text and any number that a recipe may hold comes back from YAML as it went in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from albert_cli.recipe.render import one_line, to_yaml
from albert_cli.recipe.yaml_strict import read_yaml

PRINTABLE = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn")), max_size=40)
NUMBER_LIKE = st.from_regex(r"\A[-+]?[0-9._:eExo]{1,12}\Z")
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), PRINTABLE, NUMBER_LIKE)


@given(st.one_of(VALUES, st.lists(VALUES, max_size=4)))
def test_a_value_survives_block_and_flow_form(value: object) -> None:
    for text in (to_yaml({"key": value}), f"key: {one_line(value)}  # said here\n"):
        document = read_yaml(text, source="f")
        assert document.problems == []
        assert document.value == {"key": value}
        assert type(document.value["key"]) is type(value)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(content: bytes) -> None:
    document = read_yaml(content, source="f")
    assert document.value is None or not document.problems or isinstance(document.problems, list)
