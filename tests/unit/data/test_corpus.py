"""Documents out of files of every kind, and what is said of files that are not what they should be."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from albert_cli.data import hub
from albert_cli.data.corpus import Corpus
from albert_cli.data.text_files import Reading
from albert_cli.errors import DataError

LONG = "A sentence that goes on for a while. " * 40


def read(path: Path | str, **settings: object) -> list[str]:
    return [document.text for document in Corpus(path=str(path), **settings).read()]  # type: ignore[arg-type]


def test_a_file_of_short_paragraphs_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("Chapter one.\n\nIt rained.\nIt poured.\n\nThe end.\n")
    assert read(tmp_path / "book.txt") == ["Chapter one.\n\nIt rained.\nIt poured.\n\nThe end."]


def test_a_file_of_long_blocks_is_as_many_documents(tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text(f"{LONG}\n{LONG}\n\n \n{LONG}\n")
    assert read(tmp_path / "many.txt") == [f"{LONG}\n{LONG}", LONG]


def test_sentences_one_per_line_mean_blank_lines_between_documents(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("One.\nTwo.\n\nThree.\n")
    assert read(tmp_path / "lines.txt", sentences="newline") == ["One.\nTwo.", "Three."]
    assert read(tmp_path / "lines.txt", sentences="newline", documents="file") == ["One.\nTwo.\n\nThree."]
    assert read(tmp_path / "lines.txt", documents="blank_line") == ["One.\nTwo.", "Three."]


def test_a_document_does_not_go_on_in_the_next_file(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("Two.")
    (tmp_path / "a.txt").write_text("One.")
    assert read(tmp_path, sentences="newline") == ["One.", "Two."]


def test_folders_are_searched_in_order_of_names_without_hidden_and_read_me_files(tmp_path: Path) -> None:
    for name in ("b/z.txt", "b/a.txt.gz", "a.jsonl", ".hidden/x.txt", "README.txt", "notes.pdf", ".x.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        text = json.dumps({"text": name}) if name.endswith("jsonl") else name
        file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert read(tmp_path) == ["a.jsonl", "b/a.txt.gz", "b/z.txt"]


def test_patterns_and_lists(tmp_path: Path) -> None:
    for name in ("x1.txt", "x2.txt", "y.txt"):
        (tmp_path / name).write_text(name)
    assert read(tmp_path / "x*.txt") == ["x1.txt", "x2.txt"]
    corpus = Corpus(path=(str(tmp_path / "y.txt"), str(tmp_path / "x1.txt")))
    assert [document.text for document in corpus.read()] == ["y.txt", "x1.txt"]


def test_limit_counts_documents_with_text(tmp_path: Path) -> None:
    rows = [{"text": text} for text in ("", None, "one", "  ", "two", "three")]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    reading = Reading()
    assert [d.text for d in Corpus(path=str(tmp_path / "t.jsonl"), limit=2).read(reading)] == ["one", "two"]
    assert reading.empty_documents == 3


def test_origins_name_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\n\nOne.\n\nTwo.\n")
    corpus = Corpus(path=str(tmp_path / "t.txt"), documents="blank_line")
    assert [d.origin for d in corpus.read()] == [f"{tmp_path}/t.txt:3", f"{tmp_path}/t.txt:5"]


def test_odd_bytes_are_survived_and_counted(tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9 \xff\xfe b\x00c\r\nnext \xef\xbf\xbd\r\n")
    reading = Reading()
    documents = list(Corpus(path=str(tmp_path / "odd.txt")).read(reading))
    assert [d.text for d in documents] == ["café \ufffd\ufffd b c\nnext \ufffd"]
    assert reading.invalid_bytes == 3  # two bad bytes and a NUL; the U+FFFD of the file itself is text


def test_json_may_spell_characters_that_do_not_exist(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "a\\ud800b"}')
    reading = Reading()
    assert [d.text for d in Corpus(path=str(tmp_path / "t.jsonl")).read(reading)] == ["a?b"]
    assert reading.invalid_bytes == 1


@pytest.mark.parametrize("name", ["rows.json", "rows"])
def test_json_files_are_judged_by_what_is_in_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"body": "one"}\n\n{"body": "two"}\n')
    assert read(tmp_path / name, column="body") == ["one", "two"]
    (tmp_path / "list.json").write_text('[{"body": "one"}]')
    assert read(tmp_path / "list.json", column="body") == ["one"]


def test_parquet_and_saved_datasets(tmp_path: Path) -> None:
    import datasets

    table = datasets.Dataset.from_dict({"content": ["one", None, "two"], "n": [1, 2, 3]})
    table.to_parquet(tmp_path / "t.parquet")
    table.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict({"train": table, "dev": table.select([0])}).save_to_disk(tmp_path / "splits")
    assert read(tmp_path / "t.parquet", column="content") == ["one", "two"]
    assert read(tmp_path / "saved", column="content") == ["one", "two"]
    assert read(tmp_path / "splits", column="content") == ["one", "two"]
    assert read(tmp_path / "splits", column="content", split="dev") == ["one"]
    with pytest.raises(DataError, match="no split 'test'"):
        read(tmp_path / "splits", column="content", split="test")
    with pytest.raises(DataError, match=r"no column 'text' \(columns: content, n\)"):
        read(tmp_path / "t.parquet")


def test_wikiextractor_trees(tmp_path: Path) -> None:
    (tmp_path / "AA").mkdir()
    (tmp_path / "AA" / "wiki_00").write_text(
        '<doc id="1" url="u" title="Empty">\nEmpty\n\n</doc>\n'
        '<doc id="2" url="u" title="Cats &amp; dogs">\nCats &amp; dogs\n\nThey fight.\n</doc>\n'
    )
    reading = Reading()
    assert [d.text for d in Corpus(path=str(tmp_path)).read(reading)] == ["Cats & dogs\n\nThey fight."]
    assert reading.empty_documents == 1
    (tmp_path / "AA" / "wiki_00").write_text('<doc id="1" title="Cut">\nCut\n')
    with pytest.raises(DataError, match=r"wiki_00:1 the article has no </doc>"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("bad.jsonl", b'{"text": "a"}\n{"text": \n', "bad.jsonl:2 is not JSON"),
        ("row.jsonl", b'["a"]\n', "row.jsonl:1 is list, not an object"),
        ("column.jsonl", b'{"body": "a", "id": 1}\n', r"column.jsonl:1 has no column 'text' \(columns: body, id\)"),
        ("number.jsonl", b'{"text": 7}\n', "number.jsonl:1 column 'text' holds int, not text"),
        ("bad.json", b'[{"text": "a"}', "bad.json is not JSON"),
        ("empty.txt", b"", "no text in .*empty.txt"),
        ("blank.txt", b" \n\n\t\n", "no text in .*blank.txt"),
        ("wide.txt", "text".encode("utf-16"), "wide.txt is UTF-16"),
        ("cut.txt.gz", gzip.compress(LONG.encode(), mtime=0)[:40], "cannot read .*cut.txt.gz"),
        ("plain.txt.gz", b"not packed", "cannot read .*plain.txt.gz"),
        ("bad.parquet", b"PAR1 no", "bad.parquet is not a whole parquet file"),
    ],
)
def test_faults_are_named_with_their_place(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read(tmp_path / name)
    assert caught.value.hint


def test_missing_files_and_empty_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.txt", tmp_path / "*.txt"):
        with pytest.raises(DataError, match="no file or folder"):
            read(path)
    (tmp_path / "notes.pdf").write_text("x")
    with pytest.raises(DataError, match="no text files in the folder"):
        read(tmp_path)


def test_a_corpus_is_files_or_a_data_set() -> None:
    for settings in ({}, {"path": "x", "dataset": "y"}):
        with pytest.raises(DataError, match="either files or a data set"):
            Corpus(**settings)  # type: ignore[arg-type]


def test_the_key_changes_with_files_and_settings_only(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("One.")
    first = Corpus(path=str(file)).key()
    assert Corpus(path=str(file)).key() == first
    assert Corpus(path=str(file), limit=3).key() != first
    file.write_text("Other.")
    assert Corpus(path=str(file)).key() != first


def test_an_unreachable_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def refuse(*_: object, **settings: object) -> None:
        assert not settings["streaming"]  # only the cache is looked into
        raise ConnectionError("Couldn't reach it\nmore")

    monkeypatch.setattr(hub, "_why_unreachable", lambda name: "there is no network")
    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(
        DataError, match=r"^the data set a/b is not on this machine, and there is no network$"
    ) as caught:
        list(Corpus(dataset="a/b").read())
    assert "data.path" in str(caught.value.hint)


def test_hub_rows_become_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: dict[str, object] = {}

    def load(name: str, config: str | None, **settings: object) -> datasets.IterableDataset:
        asked.update(settings, name=name, config=config)
        return datasets.Dataset.from_dict({"text": ["one", "two", "three"]}).to_iterable_dataset()

    monkeypatch.setattr(hub, "_why_unreachable", lambda name: None)
    monkeypatch.setattr(datasets, "load_dataset", load)
    corpus = Corpus(dataset="a/b", config="c", revision="r", limit=2)
    assert [(d.text, d.origin) for d in corpus.read()] == [("one", "a/b[0]"), ("two", "a/b[1]")]
    assert asked == {"name": "a/b", "config": "c", "revision": "r", "split": "train", "streaming": True}


def test_a_connection_that_breaks_on_the_way_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def rows(*_: object, **__: object) -> Iterator[dict[str, str]]:
        yield {"text": "one"}
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(hub, "_why_unreachable", lambda name: None)
    monkeypatch.setattr(datasets, "load_dataset", rows)
    with pytest.raises(DataError, match="the hub did not answer for a/b: reset by peer"):
        list(Corpus(dataset="a/b").read())
