"""Pretraining batches: the same examples and masks however a step is cut, and what stands in them."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pretraining_toys import LetterTokenizer, write_corpus

from albert_cli.data.batching import PackedBatch
from albert_cli.data.corpus import Corpus
from albert_cli.data.held_out import split_documents
from albert_cli.data.prepare import prepare_shards
from albert_cli.data.pretraining import ExampleLaw, PretrainingSource, held_out_batches
from albert_cli.data.pretraining_statistics import statistics
from albert_cli.data.segments import SentenceTask
from albert_cli.data.shards import Shards
from albert_cli.data.spans import MaskingLaw
from albert_cli.data.words import piece_kinds
from albert_cli.errors import DataError

LAW = ExampleLaw(kinds=piece_kinds(LetterTokenizer(), "spaces"), max_length=64, seed=3)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    folder = tmp_path_factory.mktemp("pretraining")
    write_corpus(folder, documents=30)
    corpus = Corpus(path=str(folder / "corpus.txt"), sentences="newline")
    return prepare_shards(corpus, LetterTokenizer(), cache_dir=folder / "cache")


def make_source(shards: Shards, law: ExampleLaw = LAW, **settings: int) -> PretrainingSource:
    documents, _ = split_documents(shards, held_out=0.1, seed=law.seed)
    return PretrainingSource(shards, documents, law=law, **{"batch_size": 8, "max_steps": 200, **settings})


def examples_of(batches: list[PackedBatch]) -> list[tuple[object, ...]]:
    """Every example of some batches as plain values: ids, types, masked places, labels, order."""
    found = []
    for batch in batches:
        begin = 0
        for row, length in enumerate(batch.lengths):
            places = batch.targets["masked_positions"]
            inside = (places >= begin) & (places < begin + length)
            found.append(
                (
                    int(batch.indices[row]),
                    tuple(batch.input_ids[begin : begin + length].tolist()),
                    tuple(batch.token_type_ids[begin : begin + length].tolist()),
                    tuple((places[inside] - begin).tolist()),
                    tuple(batch.targets["masked_labels"][inside].tolist()),
                    tuple(batch.targets["shown_as_mask"][inside].tolist()),
                    int(batch.targets["sentence_order_label"][row]),
                )
            )
            begin += length
    return found


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "world_size"), [(24, 1, 1), (8, 3, 1), (8, 1, 3), (4, 3, 2), (1, 4, 6)]
)
@pytest.mark.parametrize("step", [0, 5, 11])
def test_a_step_holds_the_same_examples_however_it_is_cut(
    shards: Shards, batch_size: int, accumulate: int, world_size: int, step: int
) -> None:
    expected = examples_of(make_source(shards, batch_size=12, accumulate=2)[step])
    sources = [
        make_source(shards, batch_size=batch_size, accumulate=accumulate, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    parts = [source[step] for source in sources]
    in_order = [parts[rank][micro] for micro in range(accumulate) for rank in range(world_size)]
    assert examples_of(in_order) == expected


def test_steps_can_be_asked_in_any_order_and_across_epochs(shards: Shards) -> None:
    source = make_source(shards)
    forward = [examples_of(source[step]) for step in range(60)]
    assert source.epoch_of_step(59) >= 2
    again = make_source(shards)
    assert [examples_of(again[step]) for step in reversed(range(60))] == forward[::-1]


def test_an_epoch_shows_every_example_once(shards: Shards) -> None:
    source = make_source(shards, batch_size=1)
    size = len(source.plan(0))
    assert sorted(int(source[step][0].indices[0]) for step in range(size)) == list(range(size))
    assert source.epoch_of_step(size - 1) == 0
    assert source.epoch_of_step(size) == 1


def test_another_seed_gives_other_batches(shards: Shards) -> None:
    assert examples_of(make_source(shards)[0]) != examples_of(make_source(shards, replace(LAW, seed=4))[0])


def test_workers_get_a_small_pickle_that_gives_the_same_batches(shards: Shards) -> None:
    source = make_source(shards)
    expected = examples_of(source[3])
    raw = pickle.dumps(source)
    assert len(raw) < 10_000
    assert examples_of(pickle.loads(raw)[3]) == expected


def test_a_data_loader_with_workers_gives_the_same_batches(shards: Shards) -> None:
    source = make_source(shards, accumulate=2, max_steps=6)
    loader = torch.utils.data.DataLoader(source, batch_size=None, num_workers=2)  # type: ignore[arg-type]
    assert [examples_of(step) for step in loader] == [examples_of(source[step]) for step in range(6)]


@pytest.mark.parametrize("task", ["sop", "sop_original", "nsp", "none"])
def test_what_stands_in_a_batch(shards: Shards, task: SentenceTask) -> None:
    for batch in (batch for step in range(5) for batch in make_source(shards, replace(LAW, sentence=task))[step]):
        targets = batch.targets
        assert ("sentence_order_label" in targets) == (task != "none")
        assert {value.dtype for name, value in targets.items() if name != "shown_as_mask"} == {torch.int64}
        assert targets["shown_as_mask"].dtype == torch.bool
        assert batch.input_ids.dtype == batch.token_type_ids.dtype == batch.indices.dtype == torch.int64
        restored = batch.input_ids.clone()
        restored[targets["masked_positions"]] = targets["masked_labels"]
        begin = 0
        for length in batch.lengths:
            ids, types = restored[begin : begin + length], batch.token_type_ids[begin : begin + length]
            seps = torch.nonzero(ids == LAW.kinds.sep).flatten().tolist()
            assert ids[0] == LAW.kinds.cls
            assert (ids == LAW.kinds.cls).sum() == 1
            assert length <= 64
            assert seps[-1] == length - 1
            assert len(seps) == (1 if task == "none" else 2)
            expected = [0] * length if task == "none" else [0] * (seps[0] + 1) + [1] * (length - seps[0] - 1)
            assert types.tolist() == expected
            begin += length
        assert begin == len(batch.input_ids)


def test_segments_are_text_of_the_corpus_and_the_label_is_their_order(shards: Shards) -> None:
    tokenizer = LetterTokenizer()
    text = "".join(tokenizer.pieces[piece] for piece in shards.ids)
    checked = 0
    for batch in make_source(shards)[0] + make_source(shards)[1]:
        restored = batch.input_ids.clone()
        restored[batch.targets["masked_positions"]] = batch.targets["masked_labels"]
        for row, example in enumerate(torch.split(restored, list(batch.lengths))):
            pieces = [tokenizer.pieces[piece] for piece in example.tolist()]
            cut = pieces.index("[SEP]")
            first, second = text.find("".join(pieces[1:cut])), text.find("".join(pieces[cut + 1 : -1]))
            assert min(first, second) >= 0
            if min(cut - 1, len(pieces) - cut - 2) >= 12:  # long enough to stand in one place of the text only
                assert (first > second) == bool(batch.targets["sentence_order_label"][row])
                checked += 1
    assert checked >= 8


def test_the_step_must_exist(shards: Shards) -> None:
    source = make_source(shards, max_steps=3)
    assert len(source) == 3
    assert len(list(source)) == 3  # type: ignore[call-overload]
    for step in (-1, 3):
        with pytest.raises(IndexError):
            source[step]


def test_text_too_short_for_an_example_is_an_error_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a\n\nb\n")
    corpus = Corpus(path=str(tmp_path / "t.txt"), sentences="newline")
    tiny = prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path)
    with pytest.raises(DataError, match="too short"):
        make_source(tiny)[0]


def test_held_out_batches_are_always_the_same_and_never_trained_on(shards: Shards) -> None:
    _, documents = split_documents(shards, held_out=0.2, seed=LAW.seed)
    batches = held_out_batches(shards, documents, law=LAW, batch_size=4)
    assert [b.lengths for b in batches] == [
        b.lengths for b in held_out_batches(shards, documents, law=LAW, batch_size=4)
    ]
    examples = examples_of(batches)
    assert examples == examples_of(held_out_batches(shards, documents, law=LAW, batch_size=7))
    assert [len(batch.lengths) for batch in batches[:-1]] == [4] * (len(batches) - 1)
    some = held_out_batches(shards, documents, law=LAW, batch_size=4, limit=6)
    assert sum(len(batch.lengths) for batch in some) == 6
    assert set(examples_of(some)) < set(examples)
    assert held_out_batches(shards, documents[:0], law=LAW, batch_size=4) == []


def test_statistics_name_the_laws(shards: Shards) -> None:
    law = replace(LAW, masking=MaskingLaw(ngram=2), short_seq_prob=0.0)
    found = statistics(make_source(shards, law), 100_000)
    assert (found.documents, found.sentences) == (30, 450)
    assert found.tokens == shards.manifest.tokens
    assert found.unknown_rate == 0
    assert found.sampled == found.examples == sum(found.length_histogram.values())
    assert max(found.length_histogram) == 64
    assert found.mask_rate == pytest.approx(0.15, abs=0.01)
    assert sum(found.replaced.values()) == pytest.approx(1)
    assert found.replaced["mask"] == pytest.approx(0.8, abs=0.05)
    assert set(found.ngram_histogram) == {1, 2}
    assert found.ngram_histogram[1] > found.ngram_histogram[2] > 0
    assert found.swapped_fraction == pytest.approx(0.5, abs=0.15)
    assert 0 <= found.single_segment_fraction < 0.5
    few = statistics(make_source(shards, law), 5)
    assert few.sampled == 5


def test_statistics_count_examples_of_single_sentences(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\n\n".join(["one two three four"] * 50))
    corpus = Corpus(path=str(tmp_path / "t.txt"), sentences="newline")
    single = prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path)
    found = statistics(make_source(single))
    assert found.single_segment_fraction == 1.0
    assert found.single_sentence_documents == 50
    assert 0.1 < found.mask_rate <= 3 / 18  # of 18 tokens 3, where words of 3 to 5 letters allow
