"""JSON and JSON Lines as people write them."""

from __future__ import annotations

import gzip
import json

import pytest

from albert_cli.data.readers_json import read_json, read_jsonl
from albert_cli.errors import DataError

ROWS = [{"text": "one", "label": "a"}, {"text": "two", "label": "b", "id": 7}]


def _columns(table):
    return {name: list(values) for name, values in table.columns.items()}


EXPECTED = {"text": ["one", "two"], "label": ["a", "b"], "id": [None, 7]}


def test_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    table = read_jsonl(path)
    assert _columns(table) == EXPECTED
    assert table.place(1).endswith(":2")


def test_compressed_lines(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode()))
    assert _columns(read_jsonl(path)) == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps({"version": 1, "data": ROWS}),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        "\n".join(json.dumps(row) for row in ROWS),
    ],
    ids=["list", "under data", "indented one after another", "lines"],
)
def test_forms_of_json(text, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert _columns(read_json(path)) == EXPECTED


def test_indented_objects_know_their_line(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("\n".join(json.dumps(row, indent=2) for row in ROWS))
    table = read_json(path)
    assert [table.place(row).rpartition(":")[2] for row in (0, 1)] == ["1", "5"]


@pytest.mark.parametrize(
    ("reader", "content", "words"),
    [
        (read_jsonl, b"", "no rows"),
        (read_json, b" \n", "no rows"),
        (read_json, b"[]", "no rows"),
        (read_jsonl, b'{"a": 1}\n{"a": 1,}\n', "not JSON: .*:2"),
        (read_jsonl, b'{"a": 1}\n[1, 2]\n', "a row is a list, not an object .*:2"),
        (read_jsonl, b'{"a": 1}\nnull\n', "a row is null, not an object .*:2"),
        (read_json, b'[{"a": 1},\n{"a": }]', "not JSON: .*:2"),
        (read_json, b'[{"a": 1}, "text"]', "a row is a string, not an object .*row 1"),
        (read_json, b'{"a": "caf\xe9"}', "not UTF-8 .*:1"),
        (read_jsonl, b"[" * 200_000, "not JSON|nested too deeply"),
    ],
)
def test_malformed_files_are_refused_at_their_line(reader, content, words, tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        reader(path)
    assert "bad.json" in caught.value.message
    assert caught.value.hint
