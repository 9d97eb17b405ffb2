"""Duplicates: signatures that agree as documents do, groups in any number of buckets, the first one stays."""

from __future__ import annotations

import numpy as np
import pytest

from albert_cli.data import duplicates
from albert_cli.data.duplicates import find_duplicates, signature_size, signatures


def documents(count: int, length: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(5, 30_000, size=length) for _ in range(count)]


def rows_of(texts: list[np.ndarray], rule: str = "near") -> np.ndarray:
    digests = np.stack([np.frombuffer(f"{hash(text.tobytes()):032x}"[-16:].encode(), np.uint8) for text in texts])
    sizes = np.array([len(text) for text in texts])
    return signatures(np.concatenate(texts), sizes, digests, rule)  # type: ignore[arg-type]


def changed(text: np.ndarray, share: float, seed: int) -> np.ndarray:
    rng, copy = np.random.default_rng(seed), text.copy()
    places = rng.choice(len(text), size=round(share * len(text)), replace=False)
    copy[places] = rng.integers(30_000, 60_000, size=len(places))
    return copy


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    sets = [{tuple(text[at : at + 5]) for at in range(len(text) - 4)} for text in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.03, 0.1, 0.4])
def test_signatures_agree_in_the_share_of_common_shingles(share: float) -> None:
    pairs = [(text, changed(text, share, number)) for number, text in enumerate(documents(40, 600))]
    found = [(rows_of([one])[0] == rows_of([other])[0]).mean() for one, other in pairs]
    expected = [jaccard(one, other) for one, other in pairs]
    assert np.mean(found) == pytest.approx(np.mean(expected), abs=0.03)


def test_a_signature_hangs_on_its_document_alone() -> None:
    texts = [*documents(5, 300), *documents(3, 4, seed=9), *documents(2, 1, seed=8)]
    together = rows_of(texts)
    assert together.shape == (10, signature_size("near"))
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(rows_of([text])[0], row)
    assert len({row.tobytes() for row in together}) == 10


@pytest.mark.parametrize("at_once", [1 << 20, 7])
def test_near_duplicates_are_found_and_others_kept(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_AT_ONCE", at_once)
    texts = documents(30, 500)
    copies = [changed(text, 0.01, number) for number, text in enumerate(texts[:20])]  # Jaccard about 0.9
    others = [changed(text, 0.15, number) for number, text in enumerate(texts[20:])]  # about 0.3
    left_out = find_duplicates(rows_of([*texts, *copies, *others]), "near")
    assert not left_out[:30].any()
    assert left_out[30:50].all()
    assert not left_out[50:].any()


def test_chains_are_one_group_and_its_first_document_stays() -> None:
    text = documents(1, 800)[0]
    chain = [text]
    for number in range(6):
        chain.append(changed(chain[-1], 0.008, number))
    assert find_duplicates(rows_of(chain), "near").tolist() == [False] + [True] * 6


def test_exact_duplicates_are_those_with_equal_hashes() -> None:
    texts = documents(4, 20)
    rows = rows_of([texts[0], texts[1], texts[0], texts[2], texts[1], texts[0], texts[3]], "exact")
    assert find_duplicates(rows, "exact").tolist() == [False, False, True, False, True, True, False]
    assert not find_duplicates(rows_of(texts, "keep"), "keep").any()
    assert find_duplicates(rows[:0], "exact").tolist() == []
