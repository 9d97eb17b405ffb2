"""Training a tokenizer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from albert_cli.errors import DataError
from albert_cli.tokenization.spm_file import CONTROL, UNKNOWN, USER_DEFINED, parse_spm
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.tokenization.train import MAX_LINE_BYTES, TrainingProgress, split_line, train_tokenizer


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Made-up text with accents, capitals, digits and quotes."""
    draw = random.Random(5)
    syllables = ["ri", "ver", "gar", "den", "Cap", "tain", "moun", "na\u00efve", "Caf\u00e9", "win", "dow", "20", "11"]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 3))) for _ in range(150)]
    words += ["2011,", "``well''", "(known)", "\u00a35"]
    return [" ".join(draw.choices(words, k=10)) for _ in range(600)]


def test_the_trained_tokenizer_is_whole_and_laid_out_as_the_released_one(lines: list[str], tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    out = tmp_path / "made"
    report = train_tokenizer(iter(lines), out, vocab_size=80, threads=1, on_progress=seen.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"], "nothing is left beside it"
    tokenizer = AlbertTokenizer.from_pretrained(out)
    assert tokenizer.fingerprint == report.fingerprint
    assert (report.pieces, report.lines, report.dropped_lines) == (80, 600, 0)
    model = parse_spm((out / "spiece.model").read_bytes())
    assert [p.text for p in model.pieces[:13]] == [
        "<pad>",
        "<unk>",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *'()"-.\u2013\u00a3\u20ac',
    ]
    assert [p.kind for p in model.pieces[:13]] == [CONTROL, UNKNOWN, *[CONTROL] * 3, *[USER_DEFINED] * 8]
    assert model.trainer_ids == (1, -1, -1, 0)
    assert {progress.phase for progress in seen} == {"reading", "training", "writing"}
    assert min(progress.pieces for progress in seen if progress.pieces) >= 80


def test_text_is_cleaned_before_training_as_at_run_time(lines: list[str], tmp_path: Path) -> None:
    train_tokenizer(lines, tmp_path / "made", vocab_size=80, threads=1)
    text = "".join(AlbertTokenizer.from_pretrained(tmp_path / "made").piece_table()[13:])
    assert text == text.lower()
    assert not set("\u00ef\u00e9`") & set(text)
    train_tokenizer(
        lines, tmp_path / "kept", vocab_size=80, threads=1, do_lower_case=False, keep_accents=True, algorithm="original"
    )
    kept = AlbertTokenizer.from_pretrained(tmp_path / "kept")
    assert {"C", "\u00ef", "`"} <= set("".join(kept.piece_table()))
    assert (kept.do_lower_case, kept.keep_accents, kept.algorithm) == (False, True, "original")


def test_training_twice_gives_the_same_tokenizer(lines: list[str], tmp_path: Path) -> None:
    options = {"vocab_size": 70, "input_sentence_size": 300, "threads": 2}
    first, second = (train_tokenizer(lines, tmp_path / name, **options) for name in "ab")
    assert first.sampled
    assert first.trained_lines == 300
    assert first.fingerprint == second.fingerprint
    other = train_tokenizer(lines, tmp_path / "c", seed=1, **options)
    assert other.fingerprint != first.fingerprint


def test_no_line_is_lost(lines: list[str], tmp_path: Path) -> None:
    hard = [
        "x" * 3 * MAX_LINE_BYTES,
        "word " * MAX_LINE_BYTES,
        "\u1112\u1161" * MAX_LINE_BYTES,
        "reserved\u2585here",
        "nul\0here",
        "tab\there",
        "",
        "   ",
        "\x01",
    ]
    report = train_tokenizer([*lines, *hard], tmp_path / "made", vocab_size=80, threads=1, character_coverage=0.999)
    assert report.lines == len(lines) + 7
    assert report.long_lines_split == 3
    assert report.trained_lines > report.lines
    assert report.dropped_lines == 0
    assert report.replaced_characters == 2


def test_the_trainers_own_count_shows_a_lost_line(
    lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("albert_cli.tokenization.train.split_line", lambda line: [line])
    long = "word " * MAX_LINE_BYTES
    assert train_tokenizer([*lines, long], tmp_path / "made", vocab_size=80, threads=1).dropped_lines == 1


@pytest.mark.parametrize(
    ("line", "limit", "parts"),
    [
        ("", 4, []),
        ("abc", 4, ["abc"]),
        ("ab cd", 4, ["ab", "cd"]),
        ("abcd ef", 4, ["abcd", "ef"]),
        ("abcdefghi", 4, ["abcd", "efgh", "i"]),
        ("\u20ac\u20ac\u20ac", 4, ["\u20ac", "\u20ac", "\u20ac"]),
        ("a b c d", 4, ["a b", "c d"]),
    ],
)
def test_long_lines_are_cut_at_spaces_or_between_characters(line: str, limit: int, parts: list[str]) -> None:
    assert split_line(line, limit) == parts
    assert all(len(part.encode()) <= limit for part in split_line(line, limit))


def test_failures_say_which_setting_to_change(
    lines: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made"
    with pytest.raises(DataError, match="no text"):
        train_tokenizer(["", " \n"], out)
    with pytest.raises(DataError, match="too small for a vocabulary of 30000 pieces") as high:
        train_tokenizer(lines, out)
    assert "vocab_size" in (high.value.hint or "")
    with pytest.raises(DataError, match="vocabulary of 20 pieces is too small") as low:
        train_tokenizer(lines, out, vocab_size=20)
    assert "character_coverage" in (low.value.hint or "")
    with pytest.raises(DataError, match="character_coverage is 3"):
        train_tokenizer(lines, out, vocab_size=80, character_coverage=3.0)
    with pytest.raises(DataError, match="trainer failed"):
        train_tokenizer(lines, out, vocab_size=80, user_defined_symbols=["[CLS]"])
    assert list(tmp_path.iterdir()) == [], "a failed training leaves nothing"
    assert capfd.readouterr() == ("", ""), "the native log does not reach the terminal"


def test_a_directory_with_files_in_it_is_left_alone(lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is not empty"):
        train_tokenizer(lines, tmp_path, vocab_size=80)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(TypeError, match="one string"):
        train_tokenizer("one string", tmp_path / "x")


def test_a_broken_off_reading_leaves_nothing(lines: list[str], tmp_path: Path) -> None:
    def broken() -> object:
        yield from lines
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_tokenizer(broken(), tmp_path / "made", vocab_size=80)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
