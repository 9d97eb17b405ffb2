"""Sources by weight, lengths by phase, copies that come again, and epochs that need no earlier one."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from pretraining_toys import LetterTokenizer, write_corpus
from test_pretraining import LAW, examples_of

from albert_cli.data import pretraining
from albert_cli.data.corpus import Corpus
from albert_cli.data.held_out import split_documents
from albert_cli.data.mixture import Mixture, mix_sources
from albert_cli.data.phases import Phase, PhasedSource, first_steps, phase_laws
from albert_cli.data.prepare import prepare_shards
from albert_cli.data.pretraining import PretrainingSource
from albert_cli.data.sampler import in_parts
from albert_cli.data.shards import Shards


@pytest.fixture(scope="module")
def two_sources(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    folder = tmp_path_factory.mktemp("sources")
    write_corpus(folder / "a", documents=40)
    write_corpus(folder / "b", documents=10, seed=100)
    corpora = [Corpus(path=str(folder / name / "corpus.txt"), sentences="newline") for name in "ab"]
    return prepare_shards(corpora, LetterTokenizer(), cache_dir=folder / "cache")


def source_of(shards: Shards, mixture: Mixture | np.ndarray, **settings: object) -> PretrainingSource:
    law = settings.pop("law", LAW)
    return PretrainingSource(shards, mixture, law=law, **{"batch_size": 8, "max_steps": 10_000, **settings})  # type: ignore[arg-type]


def tokens_by_source(shards: Shards, source: PretrainingSource, epoch: int) -> np.ndarray:
    plan = source.plan(epoch)
    border = shards.sentence_offsets[shards.document_offsets[40]]
    sizes = (plan.first_end - plan.first_start) + (plan.second_end - plan.second_start)
    owner = (np.minimum(plan.first_start, plan.second_start) >= border).astype(int)
    return np.bincount(owner, weights=sizes, minlength=2)


@pytest.mark.parametrize(("weights", "share"), [((1, 1), 0.5), ((3, 1), 0.75), ((1, 9), 0.1)])
def test_weights_are_shares_of_the_training_text(
    two_sources: Shards, weights: tuple[float, float], share: float
) -> None:
    documents, _ = split_documents(two_sources, held_out=0, seed=1)
    mixture = mix_sources(two_sources, documents, weights)
    source = source_of(two_sources, mixture)
    found = sum(tokens_by_source(two_sources, source, epoch) for epoch in range(6))
    assert found[0] / found.sum() == pytest.approx(share, abs=0.03)
    as_it_is = tokens_by_source(two_sources, source_of(two_sources, documents), 0).sum()
    assert found.sum() / 6 == pytest.approx(as_it_is, rel=0.05)


def test_without_weights_every_document_is_seen_once(two_sources: Shards) -> None:
    documents, _ = split_documents(two_sources, held_out=0, seed=1)
    mixture = mix_sources(two_sources, documents, None)
    assert examples_of(source_of(two_sources, mixture)[3]) == examples_of(source_of(two_sources, documents)[3])
    assert [part.tolist() for part in mixture.repetitions(seed=1, epoch=5)] == [documents.tolist()]


def test_a_source_seen_in_parts_is_seen_evenly_over_the_epochs() -> None:
    documents = np.stack([np.arange(100), np.arange(1, 101)], axis=1)
    mixture = Mixture(documents, np.full(100, 2.25))
    seen: Counter[int] = Counter()
    for epoch in range(8):
        repetitions = mixture.repetitions(seed=4, epoch=epoch)
        assert [len(part) for part in repetitions[:2]] == [100, 100]
        assert 10 <= len(repetitions[2]) <= 40
        seen.update(place for part in repetitions for place in part[:, 0].tolist())
    assert set(seen.values()) == {18}  # 8 x 2.25


def test_repetitions_within_an_epoch_are_cut_and_masked_differently(two_sources: Shards) -> None:
    documents, _ = split_documents(two_sources, held_out=0, seed=1)
    source = source_of(two_sources, Mixture(documents, np.full(len(documents), 2.0)))
    plan, once = source.plan(0), source_of(two_sources, documents).plan(0)
    assert len(plan) == pytest.approx(2 * len(once), rel=0.1)
    assert np.array_equal(plan.first_start[: len(once)], once.first_start)
    assert not np.array_equal(plan.first_start[len(once) : 2 * len(once)], once.first_start[: len(plan) - len(once)])


def test_dupe_factor_brings_the_same_masks_again_in_another_order(two_sources: Shards) -> None:
    documents, _ = split_documents(two_sources, held_out=0, seed=1)

    def epochs(dupe_factor: int | None) -> list[list[object]]:
        source = source_of(two_sources, documents, law=replace(LAW, dupe_factor=dupe_factor), batch_size=1)
        size = source.epoch_size
        return [[examples_of(source[epoch * size + place])[0] for place in range(size)] for epoch in range(3)]

    first, second, third = (sorted(map(repr, epoch)) for epoch in epochs(1))
    assert first == second == third
    one, two, _ = epochs(1)
    assert one != two
    first, second, third = (set(map(repr, epoch)) for epoch in epochs(2))
    assert len(first & second) < 3
    assert len(first & third) > 0.9 * len(first)
    dynamic = [set(map(repr, epoch)) for epoch in epochs(None)]
    assert len(dynamic[0] & dynamic[1]) < 3


def test_a_resumed_run_cuts_its_own_epoch_and_the_first_only(
    two_sources: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents, _ = split_documents(two_sources, held_out=0, seed=1)
    source = source_of(two_sources, documents, max_steps=10_000)
    step = 40 * source.epoch_size // 8 + 3
    expected = examples_of(source[step])
    planned: list[int] = []
    plan_epoch = pretraining.plan_epoch

    def counted(*arguments: object, **settings: int) -> object:
        planned.append(settings["epoch"])
        return plan_epoch(*arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(pretraining, "plan_epoch", counted)
    assert examples_of(source_of(two_sources, documents, max_steps=10_000)[step]) == expected
    assert planned == [0, 40]


def test_every_epoch_has_the_places_of_the_first(two_sources: Shards) -> None:
    documents, _ = split_documents(two_sources, held_out=0, seed=1)
    source = source_of(two_sources, documents, batch_size=1, max_steps=10_000)
    sizes = [len(source.plan(epoch)) for epoch in range(5)]
    assert len(set(sizes)) > 1
    for epoch, size in enumerate(sizes):
        begin = epoch * source.epoch_size
        seen = Counter(int(source[begin + place][0].indices[0]) for place in range(source.epoch_size))
        assert max(seen.values()) <= (1 if size >= source.epoch_size else 2)
        assert len(seen) == min(size, source.epoch_size)


PHASES = [Phase(32, 0.75), Phase(64, 0.25)]


def phased(shards: Shards, max_steps: int = 40, **settings: int) -> PhasedSource:
    documents, _ = split_documents(shards, held_out=0, seed=1)
    sources = [source_of(shards, documents, law=law, **settings) for law in phase_laws(LAW, PHASES)]
    return PhasedSource(sources, first_steps(PHASES, max_steps), max_steps=max_steps)


def test_lengths_follow_the_schedule(two_sources: Shards) -> None:
    source = phased(two_sources)
    longest = [max(batch.lengths[row] for batch in source[step] for row in range(8)) for step in range(40)]
    assert max(longest[:30]) == 32
    assert max(longest[30:]) == 64
    assert len(source) == 40
    assert [source.phase_of(step) for step in (0, 29, 30, 39)] == [0, 0, 1, 1]


def test_steps_of_phases_are_functions_of_the_step(two_sources: Shards) -> None:
    forward = [examples_of(phased(two_sources)[step]) for step in (5, 29, 30, 33)]
    again = pickle.loads(pickle.dumps(phased(two_sources)))
    assert [examples_of(again[step]) for step in (33, 30, 29, 5)] == forward[::-1]
    assert examples_of(in_parts(again, 4)[30]) == forward[2]
    with pytest.raises(IndexError):
        again[40]


def test_phases_share_no_random_numbers(two_sources: Shards) -> None:
    same = [Phase(64, 0.5), Phase(64, 0.5)]
    laws = phase_laws(LAW, same)
    assert laws[0] == LAW
    assert laws[1].seed != LAW.seed
    assert first_steps([Phase(8, 0.9), Phase(8, 0.1)], 7) == [0, 6]
