"""The commands on questions about texts: train, score, predict, with one process and with two."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import albert, done, losses, separately, settings
from conftest import ARCHITECTURE
from small_texts import write_corpus

from albert_cli.stages import predict_file
from albert_cli.stages.unfinished import Unfinished


def write_questions(path: Path, number: int, *, seed: int) -> Path:
    """Questions about texts of some lines; every third has no answer."""
    draw = random.Random(seed)
    lines = write_corpus(path.with_suffix(".txt")).read_text().split("\n\n")
    paragraphs = []
    for each in range(number):
        context = " ".join(draw.choice(lines).split()[: draw.randint(8, 40)])
        word = max(context.split(), key=len)
        answers = [{"text": word, "answer_start": context.index(word)}] if each % 3 else []
        entry = {"id": f"q{each}", "question": f"what of {word}", "answers": answers, "is_impossible": not answers}
        paragraphs.append({"context": context, "qas": [entry]})
    path.write_text(json.dumps({"version": "2.0", "data": [{"title": "t", "paragraphs": paragraphs}]}))
    return path


@pytest.fixture(scope="module")
def trained(once: Callable[[str, Callable[[Path], object]], Path], home: Path) -> Path:
    """Folder with data/ and run/, of twelve steps with the beam head; nobody writes there."""

    def make(folder: Path) -> None:
        (folder / "data").mkdir(parents=True)
        write_questions(folder / "data" / "train-v2.0.json", 60, seed=1)
        write_questions(folder / "data" / "dev-v2.0.json", 30, seed=2)
        done("finetune", "squad2", *options(folder, home), "--out", folder / "run")

    return once("spans", make)


def options(folder: Path, home: Path, **more: object) -> list[str]:
    return settings(
        **{
            "data__path": folder / "data",
            "data__max_length": 48,
            "question_answering__stride": 16,
            "model": json.dumps(ARCHITECTURE),
            "tokenizer": home / "tokenizer",
            "train__batch_size": 8,
            "train__max_steps": 12,
            "train__warmup_steps": 2,
            "train__learning_rate": 2e-3,
            "train__eval_every": 6,
            "train__save_every": 6,
            "train__log_every": 1,
            "runtime__threads": 1,
            "runtime__device": "cpu",
            **more,
        }
    )


def test_a_run_leaves_official_files_and_a_threshold(trained: Path) -> None:
    run = trained / "run"
    config = json.loads((run / "model" / "config.json").read_text())
    assert config["architectures"] == ["AlbertForQuestionAnsweringBeam"]
    odds = json.loads((run / "predictions/dev/null_odds.json").read_text())
    predictions = json.loads((run / "predictions/dev/predictions.json").read_text())
    assert len(odds) == len(predictions) == 30
    for name, score in odds.items():
        assert predictions[name] == "" or score <= config["null_score_diff_threshold"]
    assert set(json.loads((run / "predictions/dev/nbest_predictions.json").read_text())) == set(odds)


def test_the_model_and_its_files_score_the_same(trained: Path) -> None:
    run = trained / "run"
    words = ("eval", run, "--json")
    asked = done(*words).result["scores"]["dev"]
    read = done(*words, "--predictions", run / "predictions/dev/predictions.json").result["scores"]["dev"]
    assert set(asked) >= {"exact", "f1", "HasAns_f1", "NoAns_f1", "best_f1", "best_f1_thresh", "best_exact"}
    for name in ("exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1", "best_f1"):
        assert read[name] == asked[name], name
    assert asked["f1"]["low"] <= asked["f1"]["value"] <= asked["f1"]["high"]
    worst = done("eval", run, "--errors", "3", "--json").result["errors"]["dev"]
    assert len(worst) == 3
    assert worst[0]["loss"] >= worst[1]["loss"]


def test_two_processes_find_the_spans_of_one(trained: Path, tmp_path: Path) -> None:
    source = trained / "data" / "dev-v2.0.json"
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    done("predict", trained / "run", source, "--out", one)
    outcome = separately("predict", trained / "run", source, "--out", two, "--nproc", "2")
    assert outcome.code == 0, outcome.err
    assert json.loads(one.read_text()) == json.loads(two.read_text())
    first, second = (json.loads(path.with_name(f"{path.stem}_null_odds.json").read_text()) for path in (one, two))
    assert second == pytest.approx(first, abs=1e-5)


def test_a_document_is_written_at_the_end_from_what_was_kept(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = trained / "data" / "dev-v2.0.json", tmp_path / "out.json"
    odds, partial = tmp_path / "out_null_odds.json", tmp_path / "out.json.partial"
    monkeypatch.setattr(predict_file, "ROWS_AT_ONCE", 4)
    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "discard", lambda self: None)
        done("predict", trained / "run", source, "--out", out)
    kept, whole = partial.read_bytes(), (out.read_bytes(), odds.read_bytes())
    for share in (0.5, 0.8):
        out.unlink()
        odds.unlink()
        partial.write_bytes(kept[: int(share * len(kept))])
        assert "predictions are there" in done("predict", trained / "run", source, "--out", out, "--resume").err
        assert (out.read_bytes(), odds.read_bytes()) == whole
        assert not partial.exists()


def test_lines_are_answered_as_a_file_is(trained: Path) -> None:
    rows = json.loads((trained / "data" / "dev-v2.0.json").read_text())["data"][0]["paragraphs"]
    lines = [json.dumps({"question": row["qas"][0]["question"], "context": row["context"]}) for row in rows[:4]]
    outcome = albert("predict", trained / "run", "-", stdin="\n".join([*lines, '{"question": "what"}', ""]))
    answers = [json.loads(line) for line in outcome.out.splitlines()]
    assert (outcome.code, len(answers)) == (3, 5), outcome.err
    assert [answer["index"] for answer in answers] == [0, 1, 2, 3, 4]
    assert "context" in answers[4]["error"]
    predictions = json.loads((trained / "run/predictions/dev/predictions.json").read_text())
    assert [answer["prediction"] for answer in answers[:4]] == [predictions[f"q{number}"] for number in range(4)]


def test_the_same_seed_gives_the_same_losses(trained: Path, home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("finetune", "squad2", *options(trained, home, train__max_steps=12), "--out", run)
    assert losses(run) == losses(trained / "run")


def test_the_plain_head_of_the_same_recipe(trained: Path, home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    few = options(trained, home, question_answering__head="plain", train__max_steps=2, train__eval_every=2)
    done("finetune", "squad2", *few, "--out", run)
    assert json.loads((run / "model/config.json").read_text())["architectures"] == ["AlbertForQuestionAnswering"]
    scores = done("eval", run, "--json").result["scores"]["dev"]
    assert "best_f1" in scores
