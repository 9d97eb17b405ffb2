"""Tables of texts that cannot be used: one message that names file and line, exit code 3, nothing left behind."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from command_line import Outcome, albert, refuse_without_a_trace, settings

GIGABYTE = 2**30

# own task, name of the file, content, words of the message
CASES = [
    ("text-classification", "rows.csv", "", ["no rows", "rows.csv"]),
    ("text-classification", "rows.csv", "text,label\n", ["no rows", "rows.csv"]),
    ("text-classification", "rows.tsv", "\n\n", ["no rows", "rows.tsv"]),
    ("text-classification", "rows.json", "[]", ["no rows", "rows.json"]),
    ("text-classification", "rows.jsonl", "\n", ["no rows", "rows.jsonl"]),
    ("text-classification", "rows.parquet", "not a parquet file", ["rows.parquet"]),
    ("text-classification", "rows.csv.gz", "not compressed", ["rows.csv.gz"]),
    (
        "text-classification",
        "rows.csv",
        "text,mark\na,1\nb,0\n",
        ["no column for the label", "rows.csv:1", "text, mark"],
    ),
    ("text-classification", "rows.csv", "words,more,label\na,b,1\nc,d,0\n", ["no column for the text", "rows.csv:1"]),
    ("text-classification", "rows.csv", "text,label\na,1\nb\n", ["1 cells where the first line has 2", "rows.csv:3"]),
    ("text-classification", "rows.csv", 'text,label\n"a,1\nb,0\n', ["not CSV", "rows.csv:2"]),
    ("text-classification", "rows.csv", "text,label\na,1\nb,0\nc,\nd,1\n", ["no label", "rows.csv:4"]),
    ("text-classification", "rows.csv", "text,label\na,1\nb,1\n", ["the only label is '1'"]),
    ("text-classification", "rows.csv", b"text,label\na,1\n\xff,0\n", ["not UTF-8", "rows.csv:3"]),
    ("text-classification", "rows.jsonl", '{"text": "a", "label": 1}\n{"text": "b",\n', ["not JSON", "rows.jsonl:2"]),
    ("text-classification", "rows.jsonl", '{"text": "a", "label": 1}\n[1]\n', ["a row is a list", "rows.jsonl:2"]),
    ("text-classification", "rows.jsonl", '{"text": 3, "label": 1}\n{"text": "b", "label": 0}\n' * 2, ["mixed type"]),
    ("text-classification", "rows.jsonl", '{"text": "a", "label": {"x": 1}}\n' * 2, ["is no class"]),
    ("text-classification", "rows.json", '{"data": [{"text": "a"}, 7]}', ["a row is a number", "rows.json, row 1"]),
    ("text-classification", "rows.json", "[" * 100_000, ["nested too deeply", "rows.json:1"]),
    ("text-regression", "rows.csv", "text,score\na,1.5\nb,high\n", ["not a number: 'high'", "rows.csv:3"]),
    ("text-regression", "rows.csv", "text,score\na,1.5\nb,inf\n", ["not a number: 'inf'", "rows.csv:3"]),
    ("multi-label", "rows.jsonl", '{"text": "a", "labels": ["x"]}\n{"text": "b", "labels": [0.5]}\n', ["rows.jsonl:2"]),
    ("text-classification", "rows.txt", "a\nb\n", ["rows.txt"]),
]


def refused(home: Path, task: str, path: Path, out: Path) -> Outcome:
    small = settings(data__path=path, model="tiny", tokenizer=home / "tokenizer")
    return albert("finetune", f"own/{task}", *small, "--threads", "1", "--out", out)


@pytest.mark.parametrize(("task", "name", "content", "words"), CASES)
def test_a_table_that_cannot_be_used(
    task: str, name: str, content: str | bytes, words: list[str], home: Path, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refuse_without_a_trace(refused(home, task, path, tmp_path / "out"), 3, tmp_path / "out", *words)


def test_a_label_of_dev_that_training_rows_do_not_have(home: Path, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,good\nb,bad\n")
    (tmp_path / "dev.csv").write_text("text,label\na,good\nc,odd\n")
    outcome = refused(home, "text-classification", tmp_path, tmp_path / "out")
    refuse_without_a_trace(outcome, 3, tmp_path / "out", "unknown label 'odd'", "dev.csv:3")
    assert "known labels: bad, good" in outcome.err


def test_nothing_there(home: Path, tmp_path: Path) -> None:
    for path, word in ((tmp_path / "nowhere.csv", "no file or folder"), (tmp_path, "no file of a split")):
        refuse_without_a_trace(refused(home, "text-classification", path, tmp_path / "out"), 3, tmp_path / "out", word)


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.json", "rows.jsonl"])
def test_a_line_of_a_gigabyte_is_refused_before_it_is_read(name: str, home: Path, tmp_path: Path) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write({".csv": b"text,label\na,1\n", ".tsv": b"text\tlabel\na\t1\n"}.get(path.suffix, b'{"text": "'))
        file.truncate(GIGABYTE)  # a hole on the disk, NUL characters to a reader
    outcome = refused(home, "text-classification", path, tmp_path / "out")
    refuse_without_a_trace(outcome, 3, tmp_path / "out", name, "a line of more than")


def test_a_small_file_that_unpacks_to_one_long_line(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"text\tlabel\n")
        for _ in range(72):
            file.write(bytes(2**20))
    outcome = refused(home, "text-classification", path, tmp_path / "out")
    refuse_without_a_trace(outcome, 3, tmp_path / "out", "rows.tsv.gz", "a line of more than")
