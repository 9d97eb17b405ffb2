"""Published files of questions: how many rows, and that answers survive the way through pieces."""

from __future__ import annotations

import string
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from albert_cli.data.span_features import encode_spans
from albert_cli.data.tasks.squad import load_span_file, load_spans
from albert_cli.tokenization.tokenizer import AlbertTokenizer

pytestmark = pytest.mark.shared

OWN_MODEL = Path(__file__).resolve().parents[1] / "goldens" / "tokenizer" / "spiece.model"

LANGUAGES = ("ar", "de", "el", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")

# Questions, unanswerable ones, answers that are not at their place: as the folder's README counts them.
COUNTS = {
    "v1.1-part/train-v1.1.json": (3939, 0, 0),
    "v1.1-part/dev-v1.1.json": (700, 0, 0),
    "v2.0-part/train-v2.0.json": (3292, 1726, 0),
    "v2.0-part/dev-v2.0.json": (1368, 694, 0),
    "v2.0-part/test-v2.0-noanswers.json": (5915, 0, 0),
    "squadshifts/amazon_reviews_v1.0.json": (9885, 0, 0),
    "squadshifts/reddit_v1.0.json": (9803, 0, 0),
    "cmrc2018/cmrc2018_dev.json": (3219, 0, 200),
    "cmrc2018/cmrc2018_trial.json": (1002, 0, 5),
    "arcd/arcd-train.json": (693, 0, 3),
    "arcd/arcd-test.json": (702, 0, 3),
    "jsquad/valid-v1.3.json": (4442, 0, 0),
    "covidqa/200423_covidQA.json": (1380, 0, 234),
    **{f"xquad/xquad.{name}.json": (1190, 0, 0) for name in LANGUAGES},
}


def normalised(text):
    """As the official evaluation compares answers."""
    kept = "".join(char for char in text.lower() if char not in set(string.punctuation))
    return " ".join(word for word in kept.split() if word not in ("a", "an", "the"))


def rates(rows, tokenizer):
    """How often a labelled span is the first answer; it must hold it, and be it where it ends on its borders."""
    examples = encode_spans(rows, tokenizer, max_length=100_000)
    assert len(examples) == len(rows)
    windows = np.arange(len(examples))
    starts, ends = examples.character_spans(windows, examples.start_positions, examples.end_positions)
    counts = Counter()
    columns = rows[:]
    for row, (context, answers) in enumerate(zip(columns["context"], columns["answers"], strict=True)):
        if not answers["text"]:
            continue
        text, begin = answers["text"][0], answers["answer_start"][0]
        if begin < 0 or not context.startswith(text, begin):
            continue
        low, high = begin + len(text) - len(text.lstrip()), begin + len(text.rstrip())
        first, behind = int(starts[row]), int(ends[row])
        assert first <= low, (text, context[first:behind])
        assert behind >= high, (text, context[first:behind])
        same = normalised(context[first:behind]) == normalised(text)
        if (first, behind) == (low, high):
            assert same
        counts["answers"] += 1
        counts["same"] += same
    return counts


def test_every_file_is_read_whole(shared_dir):
    for name, (questions, impossible, misplaced) in COUNTS.items():
        data = load_span_file("squad2", shared_dir / "data/squad" / name)
        rows = data.splits["test"]
        assert (len(rows), rows["is_impossible"].count(True)) == (questions, impossible), name
        notes = [note for note in data.notes if "not at their answer_start" in note]
        assert ([int(notes[0].split()[1])] if notes else [0]) == [misplaced], name


def test_answers_survive_pieces_in_english(shared_dir):
    tokenizer = AlbertTokenizer(str(shared_dir / "data/albert_spm/spiece.model"))
    for part in ("v1.1-part", "v2.0-part", "squadshifts"):
        counts = Counter()
        for name in COUNTS:
            if name.startswith(part) and "noanswers" not in name:
                data = load_span_file("squad2", shared_dir / "data/squad" / name, limit=4000)
                counts += rates(data.splits["test"], tokenizer)
        assert counts["same"] >= 0.995 * counts["answers"] > 0, (part, counts)


def test_answers_are_inside_their_pieces_in_every_language(shared_dir):
    """Whatever the vocabulary: this one has letters of English only, and takes other scripts for unknown pieces."""
    for name in COUNTS:
        if name.startswith(("xquad", "arcd", "cmrc", "jsquad")):
            rows = load_span_file("squad2", shared_dir / "data/squad" / name, limit=250).splits["test"]
            assert rates(rows, AlbertTokenizer(OWN_MODEL))["answers"] >= 200, name


def test_folders_of_parts_are_splits(shared_dir):
    first = load_spans("squad", path=shared_dir / "data/squad/v1.1-part").splits
    assert {name: len(rows) for name, rows in first.items()} == {"train": 3939, "dev": 700}
    second = load_spans("squad2", path=shared_dir / "data/squad/v2.0-part").splits
    assert {name: len(rows) for name, rows in second.items()} == {"train": 3292, "dev": 1368, "test": 5915}
    drawn = load_spans("squad", path=shared_dir / "data/squad/squadshifts/reddit_v1.0.json").splits
    assert not set(drawn["train"]["context"]) & set(drawn["dev"]["context"])
    assert 980 <= len(drawn["dev"]) <= 990
