"""Text that is read while training: in its own order, pass after pass, continued exactly where it was left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pretraining_toys import LetterTokenizer, write_corpus
from test_pretraining import LAW, examples_of

from albert_cli.data import live
from albert_cli.data.corpus import Corpus
from albert_cli.data.live import LiveSource, LiveText
from albert_cli.errors import DataError

# Examples that hold a whole document each, so that none of its text is cut off.
WHOLE = replace(LAW, sentence="none", short_seq_prob=0.0, max_length=1024)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_BLOCK_CHARACTERS", 1500)


def make(tmp_path: Path, *, skip: int = 0, law: object = LAW, **settings: int) -> LiveSource:
    if not (tmp_path / "corpus.txt").exists():
        write_corpus(tmp_path, documents=12)
    corpus = Corpus(path=str(tmp_path / "corpus.txt"), sentences="newline")
    text = LiveText([corpus], LetterTokenizer(), skip=skip)
    return LiveSource(text, law=law, **{"batch_size": 4, "max_steps": 60, **settings})  # type: ignore[arg-type]


def text_of(source: LiveSource, steps: range) -> str:
    """What the examples of some steps say, put together, special tokens left out."""
    tokenizer, pieces = LetterTokenizer(), []
    for step in steps:
        for batch in source[step]:
            restored = batch.input_ids.clone()
            restored[batch.targets["masked_positions"]] = batch.targets["masked_labels"]
            pieces += [tokenizer.pieces[index] for index in restored.tolist() if index > 4]
    return "".join(pieces).replace("▁", "")


def test_the_text_comes_in_its_own_order_and_again_at_the_end(tmp_path: Path) -> None:
    source = make(tmp_path, law=WHOLE)
    said = text_of(source, range(9))
    whole = "".join((tmp_path / "corpus.txt").read_text().split())
    assert len(said) > 2 * len(whole)
    assert said.startswith(whole + whole[:1000])


def test_a_pass_is_masked_anew(tmp_path: Path) -> None:
    source = make(tmp_path, law=WHOLE, batch_size=1, max_steps=60)
    batches = [source[step][0] for step in range(60)]
    first = batches[0]
    length = first.lengths[0]

    def shown(batch: object) -> list[int]:
        restored = batch.input_ids.clone()  # type: ignore[attr-defined]
        restored[batch.targets["masked_positions"]] = batch.targets["masked_labels"]  # type: ignore[attr-defined]
        return list(restored.tolist())

    again = next(batch for batch in batches[1:] if shown(batch) == shown(first))
    assert again.lengths[0] == length
    assert again.input_ids.tolist() != first.input_ids.tolist()


def test_continued_at_a_position_it_gives_what_it_would_have_given(tmp_path: Path) -> None:
    source = make(tmp_path)
    expected = [examples_of(source[step]) for step in range(50)]
    for step in (1, 7, 23, 41):
        tokenizer = LetterTokenizer()
        resumed = make(tmp_path)
        resumed.text = LiveText(resumed.text._corpora, tokenizer)
        position = source.position(step)
        assert all(isinstance(value, int) for value in position.values())
        resumed.seek(position)
        assert [examples_of(resumed[later]) for later in range(step, 50)] == expected[step:]
    assert source.position(41)["first"] > 0


def test_steps_can_be_asked_again_after_going_on(tmp_path: Path) -> None:
    source = make(tmp_path)
    forward = [examples_of(source[step]) for step in range(30)]
    assert [examples_of(source[step]) for step in (20, 3, 29, 0)] == [forward[step] for step in (20, 3, 29, 0)]


@pytest.mark.parametrize(("batch_size", "accumulate", "world_size"), [(8, 1, 1), (2, 4, 1), (2, 2, 2), (4, 1, 2)])
def test_a_step_holds_the_same_examples_however_it_is_cut(
    tmp_path: Path, batch_size: int, accumulate: int, world_size: int
) -> None:
    expected = [examples_of(make(tmp_path, batch_size=8)[step]) for step in (0, 4)]
    for step, whole in zip((0, 4), expected, strict=True):
        parts = [
            make(tmp_path, batch_size=batch_size, accumulate=accumulate, rank=rank, world_size=world_size)[step]
            for rank in range(world_size)
        ]
        in_order = [parts[rank][micro] for micro in range(accumulate) for rank in range(world_size)]
        assert examples_of(in_order) == whole


def test_what_is_held_out_is_never_read(tmp_path: Path) -> None:
    source = make(tmp_path, skip=5, law=WHOLE)
    documents = (tmp_path / "corpus.txt").read_text().split("\n\n")
    rest = "".join("".join(documents[5:]).split())
    assert text_of(source, range(5)).startswith(rest + rest[:500])


def test_a_text_without_examples_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("a\n\nb\n")
    with pytest.raises(DataError, match="no example"):
        make(tmp_path)[0]
    with pytest.raises(IndexError):
        make(tmp_path)[60]
