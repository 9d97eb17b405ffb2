"""Token shards: what is written is what was read, whole or not there, made once."""

from __future__ import annotations

import json
import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pretraining_toys import LetterTokenizer, write_corpus

from albert_cli.data.corpus import Corpus
from albert_cli.data.held_out import split_documents
from albert_cli.data.prepare import prepare_shards
from albert_cli.data.shards import Shards
from albert_cli.errors import DataError


def make(tmp_path: Path, text: str | None = None, **settings: object) -> Shards:
    path = write_corpus(tmp_path) if text is None else tmp_path / "text.txt"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    corpus = Corpus(path=str(path), sentences="newline", **settings)  # type: ignore[arg-type]
    return prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "cache")


def test_what_is_written_reads_back_as_the_text(tmp_path: Path) -> None:
    shards = make(tmp_path, "the cat.\nit sat.\n\na dog\n")
    tokenizer = LetterTokenizer()
    offsets = shards.sentence_offsets
    sentences = [tokenizer.decode(shards.ids[b:e].tolist()) for b, e in pairwise(offsets)]
    assert sentences == ["the cat.", "it sat.", "a dog"]
    assert shards.document_offsets.tolist() == [0, 2, 3]
    assert shards.ids.dtype == np.uint16


def test_the_manifest_counts(tmp_path: Path) -> None:
    made = make(tmp_path, "the cat.\nit §§ sat.\n\na dog\n\n\ufffd\n").manifest
    assert (made.documents, made.sentences, made.tokens) == (3, 4, 7 + 8 + 4 + 1)
    assert made.characters == len("the cat.") + len("it §§ sat.") + len("a dog") + 1
    assert made.unknown_tokens == 3
    assert made.unknown_rate == pytest.approx(3 / 20)
    assert made.single_sentence_documents == 2
    assert (made.splitter, made.vocab_size) == ("newline", LetterTokenizer().vocab_size)
    raw = json.loads((tmp_path / "cache").glob("shards-*/manifest.json").__next__().read_text())
    assert raw["tokens"] == 20


def test_chunks_do_not_change_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(tmp_path)
    monkeypatch.setattr("albert_cli.data.prepare._CHUNK_CHARACTERS", 300)
    corpus = Corpus(path=str(tmp_path / "corpus.txt"), sentences="newline")
    progress: list[int] = []
    parts = prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "other", on_progress=progress.append)
    assert len(progress) > 5
    assert progress[-1] == whole.manifest.characters
    assert whole.manifest == parts.manifest
    for name in ("ids", "sentence_offsets", "document_offsets"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))


def test_shards_are_made_once_for_the_same_text_settings_and_tokenizer(tmp_path: Path) -> None:
    path = write_corpus(tmp_path)
    corpus, cache = Corpus(path=str(path), sentences="newline"), tmp_path / "cache"
    tokenizer = LetterTokenizer()
    first = prepare_shards(corpus, tokenizer, cache_dir=cache)
    calls = tokenizer.calls
    assert prepare_shards(corpus, tokenizer, cache_dir=cache).folder == first.folder
    assert tokenizer.calls == calls
    others = {
        prepare_shards(corpus, LetterTokenizer("abcdefghij"), cache_dir=cache).folder,
        prepare_shards(Corpus(path=str(path), sentences="newline", language="de"), tokenizer, cache_dir=cache).folder,
        prepare_shards(corpus, tokenizer, cache_dir=cache, duplicates="exact").folder,
        prepare_shards(Corpus(path=str(path), sentences="newline", limit=3), tokenizer, cache_dir=cache).folder,
        prepare_shards(Corpus(path=str(path), sentences="regex"), tokenizer, cache_dir=cache).folder,
    }
    assert len(others | {first.folder}) == 6
    path.write_text("new text.\nmore.\n")
    assert prepare_shards(corpus, tokenizer, cache_dir=cache).manifest.sentences == 2


def test_damaged_shards_are_refused_and_made_anew(tmp_path: Path) -> None:
    corpus = Corpus(path=str(write_corpus(tmp_path)), sentences="newline")
    shards = prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "cache")
    with (shards.folder / "ids.bin").open("ab") as ids:
        ids.write(b"x")
    with pytest.raises(DataError, match="damaged"):
        Shards(shards.folder)
    again = prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "cache")
    assert again.folder == shards.folder
    assert again.manifest == shards.manifest
    (shards.folder / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match="no token shards"):
        Shards(shards.folder)
    assert prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "cache").manifest == shards.manifest


def test_a_failure_on_the_way_leaves_nothing_behind(tmp_path: Path) -> None:
    class Broken(LetterTokenizer):
        def encode_batch(self, texts: list[str]) -> list[list[int]]:
            raise RuntimeError("no")

    corpus = Corpus(path=str(write_corpus(tmp_path)), sentences="newline")
    with pytest.raises(RuntimeError):
        prepare_shards(corpus, Broken(), cache_dir=tmp_path / "cache")
    left = [path.name for path in (tmp_path / "cache").iterdir()]
    assert not [name for name in left if name.startswith(("shards", "parts"))]


def test_an_unwritable_cache_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    corpus = Corpus(path=str(write_corpus(tmp_path)), sentences="newline")
    with pytest.raises(DataError, match="cannot write token shards") as caught:
        prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "file" / "cache")
    assert "data.cache" in str(caught.value.hint)


def test_shards_pickle_as_a_path(tmp_path: Path) -> None:
    shards = make(tmp_path)
    raw = pickle.dumps(shards)
    assert len(raw) < 500
    assert np.array_equal(pickle.loads(raw).ids, shards.ids)


def test_a_large_vocabulary_needs_wider_ids(tmp_path: Path) -> None:
    class Large(LetterTokenizer):
        @property
        def vocab_size(self) -> int:
            return 1 << 17

        def encode_batch(self, texts: list[str]) -> list[list[int]]:
            return [[100_000, 7] for _ in texts]

    corpus = Corpus(path=str(write_corpus(tmp_path)), sentences="newline")
    shards = prepare_shards(corpus, Large(), cache_dir=tmp_path / "cache")
    assert shards.ids.dtype == np.uint32
    assert shards.ids[0] == 100_000


def test_piece_counts_are_those_of_the_documents_asked_for(tmp_path: Path) -> None:
    shards = make(tmp_path)
    train, kept = split_documents(shards, held_out=0.3, seed=1)
    counts = shards.piece_counts(train)
    assert counts.sum() + shards.piece_counts(kept).sum() == shards.manifest.tokens
    offsets = shards.sentence_offsets
    text = np.concatenate([shards.ids[offsets[b] : offsets[e]] for b, e in train])
    assert np.array_equal(counts, np.bincount(text, minlength=len(counts)))


def test_held_out_documents_are_a_hash_of_seed_and_number(tmp_path: Path) -> None:
    write_corpus(tmp_path, documents=400, sentences_each=2)
    shards = prepare_shards(
        Corpus(path=str(tmp_path / "corpus.txt"), sentences="newline"), LetterTokenizer(), cache_dir=tmp_path / "c"
    )
    train, kept = split_documents(shards, held_out=0.1, seed=1)
    assert 20 <= len(kept) <= 62
    both = np.concatenate([train, kept])
    assert np.array_equal(both[np.argsort(both[:, 0])], split_documents(shards, held_out=0.0, seed=1)[0])
    assert np.array_equal(kept, split_documents(shards, held_out=0.1, seed=1)[1])
    assert not np.array_equal(kept, split_documents(shards, held_out=0.1, seed=2)[1])
    more = {tuple(pair) for pair in split_documents(shards, held_out=0.2, seed=1)[1]}
    assert {tuple(pair) for pair in kept} < more


@pytest.mark.parametrize("share", [0.0001, 0.5, 0.9999])
def test_each_side_gets_a_document(tmp_path: Path, share: float) -> None:
    shards = make(tmp_path, "a.\nb.\n\nc.\nd.\n")
    train, kept = split_documents(shards, held_out=share, seed=0)
    assert len(train) == len(kept) == 1


def test_of_a_single_document_the_last_sentences_are_held_out(tmp_path: Path) -> None:
    shards = make(tmp_path, "\n".join("abcdefghij"))
    assert [part.tolist() for part in split_documents(shards, held_out=0.2, seed=0)] == [[[0, 8]], [[8, 10]]]
    assert [part.tolist() for part in split_documents(shards, held_out=0.001, seed=0)] == [[[0, 9]], [[9, 10]]]
    one = make(tmp_path, "a.")
    with pytest.raises(DataError, match="one sentence"):
        split_documents(one, held_out=0.1, seed=0)
    assert len(split_documents(one, held_out=0, seed=0)[0]) == 1
