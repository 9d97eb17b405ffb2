"""A text divided among machines: nothing twice, nothing left out, and none opens more files than it needs."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from albert_cli.data import hub
from albert_cli.data.corpus import Corpus
from albert_cli.data.text_share import WHOLE, Share, share_out
from albert_cli.errors import DataError


def parts(count: int, **settings: object) -> list[list[str]]:
    """What each of some machines reads."""
    corpora = [Corpus(**settings, share=Share(number, count)) for number in range(count)]  # type: ignore[arg-type]
    return [[document.text for document in corpus.read()] for corpus in corpora]


def whole(**settings: object) -> list[str]:
    return [document.text for document in Corpus(**settings).read()]  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 1000), max_size=40), st.integers(1, 6))
def test_files_are_shared_out_evenly_or_not_at_all(sizes: list[int], count: int) -> None:
    shared = share_out(sizes, count)
    if shared is None:
        return
    assert sorted(number for machine in shared for number in machine) == list(range(len(sizes)))
    assert all(machine == sorted(machine) for machine in shared)
    loads = [sum(sizes[number] for number in machine) for machine in shared]
    assert max(loads) * count <= 1.25 * sum(sizes)


def test_one_large_file_cannot_be_shared_out() -> None:
    assert share_out([1000, 1, 1, 1], 2) is None
    assert share_out([10], 2) is None
    assert share_out([9, 5, 4, 8], 2) == [[0, 2], [1, 3]]


def test_even_files_are_opened_by_one_machine_each(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(f"Text {number}.")
    assert parts(3, path=str(tmp_path)) == [["Text 0.", "Text 3."], ["Text 1.", "Text 4."], ["Text 2.", "Text 5."]]
    opened: list[str] = []
    key = Corpus(path=str(tmp_path), share=Share(1, 3)).key(lambda file: opened.append(file.name) or file.name)
    assert opened == ["1.txt", "4.txt"]
    assert key["share"] == [1, 3]


def test_documents_of_uneven_files_are_counted_off(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n".join(f"Document {number}." for number in range(7)))
    (tmp_path / "b.txt").write_text("Another.")
    text = {"path": str(tmp_path), "documents": "blank_line"}
    found = parts(2, **text)
    assert found == [whole(**text)[::2], whole(**text)[1::2]]


def test_a_limit_counts_the_documents_of_all_machines(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(f"Text {number}.")
    assert parts(2, path=str(tmp_path), limit=3) == [["Text 0.", "Text 2."], ["Text 1."]]


def test_saved_tables_and_the_built_in_text_are_counted_off(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": [f"Row {number}." for number in range(5)]}).save_to_disk(tmp_path / "table")
    first, second = parts(2, path=str(tmp_path / "table"))
    assert (first, second) == (["Row 0.", "Row 2.", "Row 4."], ["Row 1.", "Row 3."])
    docs = whole(dataset="python-docs", limit=10)
    assert parts(2, dataset="python-docs", limit=10) == [docs[::2], docs[1::2]]


@pytest.mark.parametrize("shards", [1, 4])
def test_streamed_rows_are_divided_by_the_library(shards: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By shards where their number allows it, else by rows; a copy in the cache is counted off."""
    for number in range(shards):
        rows = [json.dumps({"text": f"{number}-{row}"}) for row in range(6)]
        (tmp_path / f"{number}.jsonl").write_text("\n".join(rows))
    files = sorted(str(file) for file in tmp_path.glob("*.jsonl"))

    real = datasets.load_dataset
    monkeypatch.setattr(hub, "_why_unreachable", lambda name: None)
    monkeypatch.setattr(
        datasets,
        "load_dataset",
        lambda *_, streaming, **__: real(
            "json", data_files=files, split="train", streaming=streaming, cache_dir=str(tmp_path / "hf")
        ),
    )
    everything = whole(dataset="some/data")
    first, second = parts(2, dataset="some/data")
    assert sorted(first + second) == sorted(everything)
    expected = everything[::2] if shards == 1 else [text for text in everything if text[0] in "02"]
    assert first == expected
    monkeypatch.setattr(hub, "_why_unreachable", lambda name: "no network")
    assert parts(2, dataset="some/data") == [everything[::2], everything[1::2]]


def test_a_machine_without_any_document_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One.")
    with pytest.raises(DataError, match=r"no text for machine 1/2 \(from 0\)") as caught:
        parts(2, path=str(tmp_path / "a.txt"))
    assert caught.value.hint is not None
    assert "data.each_node=whole" in caught.value.hint


def test_the_whole_text_has_the_key_that_it_always_had(tmp_path: Path) -> None:
    """Prepared shards stay valid."""
    (tmp_path / "a.txt").write_text("One.")
    corpus = Corpus(path=str(tmp_path / "a.txt"))
    assert corpus.share == WHOLE
    assert set(corpus.key()) == {"column", "limit", "documents", "sentences", "language", "files"}
