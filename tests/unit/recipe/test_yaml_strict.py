"""YAML 1.2 scalars, and everything that is refused with its line."""

from __future__ import annotations

import math

import pytest

from albert_cli.recipe.yaml_strict import MAX_BYTES, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1.0e-4", 1e-4),
        ("3", 3),
        ("-7", -7),
        ("012", 12),  # YAML 1.1 would say 10
        ("0o17", 15),
        ("0x1F", 31),
        ("1.", 1.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),  # YAML 1.1 would say false
        ("on", "on"),
        ("Yes", "Yes"),
        ("12:30:00", "12:30:00"),  # YAML 1.1 would say 45000
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("'3'", "3"),
        ('"1e-5"', "1e-5"),
        ("[1, no]", [1, "no"]),
        (".inf", math.inf),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    document = read_yaml(f"key: {text}", source="f")
    assert document.problems == []
    assert document.value == {"key": value}
    assert type(document.value["key"]) is type(value)


def test_not_a_number_is_read() -> None:
    assert math.isnan(read_yaml("key: .nan", source="f").value["key"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "f:3 a given twice (first on line 1)"),
        ("s:\n  a: 1\n  a: 3", "f:3 s.a given twice (first on line 2)"),
        ("a: &x 1", "f:1 an anchor (&x) is not allowed: write the value out"),
        ("a: 1\nb: *x", "f:2 an alias (*x) is not allowed: write the value out, or use extends"),
        ("<<: {a: 1}", "f:1 a merge key (<<) is not allowed: use extends"),
        ("? [a, b]\n: 1", "f:1 a key must be a plain word"),
        ("a: !!str 1", "f:1 a tag (tag:yaml.org,2002:str) is not allowed: write the plain value"),
        ("---\na: 1\n---\nb: 2", "f:3 not YAML: but found another document"),
        ("a: b: c", "f:1 not YAML: mapping values are not allowed here"),
        ("a:\n\tb: 1", "f:2 not YAML: found character '\\t' that cannot start any token"),
        ("a: 1\nb: \x01", "f:2 a character that YAML does not allow (U+0001)"),
        ("a: " + "9" * 5000, "f:1 a a number of 5000 digits"),
        ("x: " + "[" * 3000, "f:1 nested deeper than 20 levels"),
        ("x: " + "{a: " * 3000, "f:1 nested deeper than 20 levels"),
    ],
)
def test_what_is_refused_names_its_line(text: str, problem: str) -> None:
    document = read_yaml(text, source="f")
    assert [str(found) for found in document.problems] == [problem]


def test_a_tag_runs_nothing() -> None:
    document = read_yaml("a: !!python/object/apply:os.system [ls]", source="f")
    assert document.value == {"a": ["ls"]}
    assert "tag" in str(document.problems[0])


def test_an_alias_bomb_stays_small() -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    document = read_yaml("\n".join(["l0: &l0 [x]", *levels]), source="f")
    assert document.value["l11"] == [""] * 9
    assert len(document.problems) == 12 + 11 * 9


def test_a_cycle_is_refused() -> None:
    assert len(read_yaml("&a [*a]", source="f").problems) == 2


def test_a_huge_file_is_not_parsed() -> None:
    document = read_yaml("a" * (MAX_BYTES + 1), source="f")
    assert "larger than" in str(document.problems[0])


def test_bytes_that_are_not_utf8_name_their_line() -> None:
    document = read_yaml(b"a: 1\nb: \xff\n", source="f")
    assert [str(found) for found in document.problems] == ["f:2 not UTF-8 text"]


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert read_yaml(b"\xef\xbb\xbfa: 1", source="f").value == {"a": 1}


def test_every_key_and_item_has_its_line() -> None:
    lines = read_yaml("# c\na: 1\nb:\n  c: [x,\n    y]\n", source="f").lines
    assert lines == {(): 2, ("a",): 2, ("b",): 3, ("b", "c"): 4, ("b", "c", 0): 4, ("b", "c", 1): 5}


def test_several_problems_come_together() -> None:
    document = read_yaml("a: 1\na: 2\nb: *x\n<<: 3", source="f")
    assert len(document.problems) == 3
