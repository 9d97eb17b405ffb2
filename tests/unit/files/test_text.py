"""What reaches a terminal is harmless, and text of unknown origin is read line by line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from albert_cli.errors import DataError
from albert_cli.files.text import json_line, open_text, safe_line, safe_text

HOSTILE = [
    "\x1b]0;owned\x07",
    "\x1b[31mred",
    "\x9b31mred",
    "over\rwritten",
    "a\x00b",
    "back\x08space",
    "\x7f",
    "\u202egnp.exe",
    "\u2066isolate\u2069",
    "\u200fmark",
    "\u061c",
    "line\u2028separator",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_characters_become_visible_escapes(text):
    shown = safe_text(text)
    assert shown.isprintable()
    assert "\\" in shown
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "text", ["plain", "tab\tand\nnewline", "[bold]x[/bold]", "Größe 漢字 \U0001f600", "x[i] :smile:", ""]
)
def test_harmless_text_is_left_alone(text):
    assert safe_text(text) == text


def test_escapes_name_the_character():
    assert safe_text("a\x1b[1mb\u202ec") == "a\\x1b[1mb\\u202ec"


def test_a_line_for_a_message_stays_one_short_line():
    assert safe_line("a\nb\tc") == "a\\nb\\tc"
    assert len(safe_line("x" * 10_000)) == 200
    assert safe_line("x" * 200) == "x" * 200


@pytest.mark.parametrize("text", [*HOSTILE, 'quote " and \\ backslash', "漢字"])
def test_a_json_line_reads_back_to_the_same_string_and_is_safe_to_show(text):
    line = json_line({"text": text})
    assert json.loads(line) == {"text": text}
    assert line.isprintable()
    line.encode("utf-8")


def test_a_json_line_keeps_letters_readable_and_writes_null_for_what_json_cannot_say():
    line = json_line({"word": "ß", "losses": [float("nan"), float("inf"), 1.5], "inner": {"x": float("-inf")}})
    assert line == '{"word": "ß", "losses": [null, null, 1.5], "inner": {"x": null}}'


def test_lines_of_plain_and_compressed_files_are_the_same(tmp_path: Path):
    content = "\ufeffone\r\n\ntwo\x0bstill two\u2028\nthree".encode()
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(content))
    for name in ("a.txt", "a.txt.gz"):
        with open_text(tmp_path / name) as lines:
            assert list(lines) == ["one", "", "two\x0bstill two\u2028", "three"]
            assert (lines.num_lines, lines.num_replaced) == (4, 0)


def test_bytes_that_are_not_utf8_are_replaced_and_counted(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"good \xef\xbf\xbd\nbad \xff and \xfe\n")
    with open_text(path) as lines:
        assert list(lines) == ["good \ufffd", "bad \ufffd and \ufffd"]
        assert lines.num_replaced == 2


def test_missing_files_and_directories_are_data_errors(tmp_path: Path):
    with pytest.raises(DataError, match="No such file"):
        open_text(tmp_path / "none.txt")
    with pytest.raises(DataError, match="cannot read"):
        open_text(tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-12], lambda data: b"not gzip at all", lambda data: data[:20] + b"\0" * 30]
)
def test_damaged_gzip_names_the_file_and_line(tmp_path: Path, damage):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(damage(gzip.compress(b"line of text\n" * 200)))
    with pytest.raises(DataError, match=r"damaged .*a\.txt\.gz:\d+"), open_text(path) as lines:
        list(lines)


def test_a_line_beyond_the_cap_is_refused_with_its_number(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"short\n" + b"x" * 50 + b"\n")
    with pytest.raises(DataError, match=r"more than 20 bytes .*a\.txt:2"), open_text(path, max_line_bytes=20) as lines:
        list(lines)
