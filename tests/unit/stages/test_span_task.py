"""Tasks of questions about texts: rules of the versions, thresholds, files, mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from albert_cli.data.span_decoding import Candidate, RowAnswers
from albert_cli.data.tasks.squad import SpanData, load_spans
from albert_cli.errors import DataError, ModelError
from albert_cli.metrics.adapters import evaluate_metric
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnswering, AlbertForQuestionAnsweringBeam
from albert_cli.recipe.load import load_recipe
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.stages.tasks import spans
from albert_cli.stages.tasks.span_settings import THRESHOLD
from albert_cli.stages.tasks.spans import SpanAnswers, SpanTask
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.evaluation import Evaluation
from albert_cli.training.objectives_spans import BeamObjective, SpanObjective

CONTEXT = "Anna lives in Paris. Boris sells tea."
QUESTIONS = (
    ("q1", "Where does Anna live?", ["Paris", "in Paris"]),
    ("q2", "Who sells tea?", ["Boris"]),
    ("q3", "Who buys tea?", []),
    ("q4", "What does Boris sell?", ["tea"]),
)


def write(path: Path, *, version: int) -> Path:
    questions = [
        {
            "id": name,
            "question": question,
            "answers": [{"text": text, "answer_start": CONTEXT.index(text)} for text in golds],
            **({"is_impossible": not golds} if version == 2 else {}),
        }
        for name, question, golds in QUESTIONS
        if golds or version == 2
    ]
    data = [{"title": "facts", "paragraphs": [{"context": CONTEXT, "qas": questions}]}]
    path.write_text(json.dumps({"version": f"{version}.0", "data": data}))
    return path


def recipe(name: str, path: Path, *overrides: str) -> FinetuneRecipe:
    loaded = load_recipe(name, overrides=[f"data.path={path}", *overrides], shortcuts={}, stage="finetune")
    assert isinstance(loaded.recipe, FinetuneRecipe)
    return loaded.recipe


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train", "dev"):
        write(folder / f"{name}-v1.1.json", version=1)
        write(folder / f"{name}-v2.0.json", version=2)
    return folder


def row(text: str, odds: float | None = None, *, share: float = 3.0) -> RowAnswers:
    """A question whose best piece is clearly the best."""
    start = CONTEXT.find(text)
    first = Candidate(text, start, start + len(text), share, share)
    return RowAnswers((first, Candidate("lives", 5, 10, 0.0, 0.0)), odds=odds)


SAID = [row("Paris", -2.0), row("tea", -1.0), row("Boris", 0.5), row("tea", 0.2)]


def squad2(data: Path, config: AlbertConfig | None = None, *overrides: str) -> SpanTask:
    return spans.read(recipe("squad2", data, *overrides), config)


def test_the_recipes_ask_with_the_head_of_the_original(data: Path) -> None:
    plain, beam = spans.read(recipe("squad", data), None), squad2(data)
    assert plain.model_class is AlbertForQuestionAnswering
    assert isinstance(plain.objective(), SpanObjective)
    assert beam.model_class is AlbertForQuestionAnsweringBeam
    assert isinstance(beam.objective(), BeamObjective)
    assert squad2(data, None, "question_answering.head=plain").model_class is AlbertForQuestionAnswering


def test_a_trained_model_keeps_its_head(data: Path, tmp_path: Path) -> None:
    config = AlbertConfig(architectures=["AlbertForQuestionAnswering"])
    auto = squad2(data, config)
    assert auto.model_class is AlbertForQuestionAnswering
    auto.check_head(config, tmp_path)
    with pytest.raises(ModelError, match="AlbertForQuestionAnswering, squad2 asks an AlbertForQuestionAnsweringBeam"):
        squad2(data, config, "question_answering.head=beam").check_head(config, tmp_path)


def test_scores_of_v1_have_their_official_names(data: Path) -> None:
    task = spans.read(recipe("squad", data), None)
    answers = SpanAnswers(0.5, [row("Paris"), row("Boris sells"), row("Paris")])
    scores = task.scores("dev", answers)
    assert scores == pytest.approx({"exact_match": 1 / 3, "f1": (1 + 2 / 3) / 3})
    assert task.best_metric in scores
    found = {one.name: one for one in task.scores_with_intervals("dev", answers)}
    assert found["f1"].value == scores["f1"]
    low, high = found["f1"].low, found["f1"].high
    assert low is not None
    assert high is not None
    assert low < scores["f1"] < high
    assert task.settle("dev", answers) == {}
    assert task.baseline("dev") is None


def test_while_training_the_threshold_is_the_best_of_the_split(data: Path) -> None:
    task = squad2(data)
    scores = task.scores("dev", SpanAnswers(0.5, SAID))
    # In the order of the odds: right, wrong, right, and a question that has no answer. Declining from 0.5 on is best.
    assert scores["best_f1"] == scores["f1"] == 0.75
    assert scores["best_f1_thresh"] == 0.2
    assert (scores["HasAns_exact"], scores["NoAns_exact"]) == (pytest.approx(2 / 3), 1.0)
    assert task.settle("dev", SpanAnswers(0.5, SAID)) == {THRESHOLD: 0.2, "start_n_top": 5, "end_n_top": 5}
    baseline = task.baseline("dev")
    assert baseline is not None
    assert (baseline.metric, baseline.value) == ("exact", 0.25)


def test_a_trained_model_is_scored_with_its_own_threshold(data: Path) -> None:
    config = AlbertConfig(architectures=["AlbertForQuestionAnsweringBeam"], extra={THRESHOLD: -1.5})
    scores = squad2(data, config).scores("dev", SpanAnswers(0.5, SAID))
    assert scores["exact"] == 0.5  # all but q1 declined, and q3 rightly
    assert scores["best_exact"] == 0.75
    untold = AlbertConfig(architectures=["AlbertForQuestionAnsweringBeam"])
    assert squad2(data, untold).scores("dev", SpanAnswers(0.5, SAID))["exact"] == 0.5  # from 0 on: q3 and q4


def test_files_that_were_written_score_the_same(data: Path, tmp_path: Path) -> None:
    task = squad2(data)
    answers = SpanAnswers(0.5, SAID)
    task.settle("dev", answers)
    task.write(tmp_path / "out", "dev", answers)
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.json*"))
    assert written == ["dev.jsonl", "dev/nbest_predictions.json", "dev/null_odds.json", "dev/predictions.json"]
    expected = task.scores("dev", answers)
    for name in ("dev/predictions.json", "dev.jsonl"):
        saved = task.saved_answers("dev", tmp_path / "out" / name)
        assert squad2(data).scores("dev", saved) == expected
    predictions = json.loads((tmp_path / "out/dev/predictions.json").read_text())
    assert predictions == {"q1": "Paris", "q2": "tea", "q3": "", "q4": "tea"}
    assert task.official(".jsonl") is None
    document, beside = task.official(".json"), task.beside("mine.json")
    assert document is not None
    assert (
        "".join(document(lambda: task.records("dev", answers))) == (tmp_path / "out/dev/predictions.json").read_text()
    )
    assert list(beside) == ["mine_null_odds.json"]
    odds = "".join(beside["mine_null_odds.json"](lambda: task.records("dev", answers)))
    assert odds == (tmp_path / "out/dev/null_odds.json").read_text()
    assert task.beside("mine.jsonl") == {}
    record = json.loads((tmp_path / "out/dev.jsonl").read_text().splitlines()[0])
    assert CONTEXT[record["start"] : record["end"]] == record["prediction"] == "Paris"
    assert (record["index"], record["id"], record["null_odds"]) == (0, "q1", -2.0)


def test_v1_writes_no_odds_even_for_a_head_that_has_some(data: Path, tmp_path: Path) -> None:
    task = spans.read(recipe("squad", data, "question_answering.head=beam"), None)
    answers = SpanAnswers(0.5, [row("Paris", 9.0), row("Boris", 9.0), row("tea", 9.0)])
    task.write(tmp_path / "out", "dev", answers)
    assert not (tmp_path / "out/dev/null_odds.json").exists()
    assert task.scores("dev", answers) == {"exact_match": 1.0, "f1": 1.0}


def test_the_rules_of_v1_refuse_questions_without_answers(data: Path) -> None:
    (data / "dev-v1.1.json").write_text((data / "dev-v2.0.json").read_text())
    task = spans.read(recipe("squad", data), None)
    with pytest.raises(DataError, match="1 of 4 questions of the dev split have no answer") as refused:
        task.scores("dev", SpanAnswers(0.5, SAID))
    assert "squad2" in (refused.value.hint or "")


@pytest.mark.parametrize(("version", "names"), [(1, {"exact_match", "f1"}), (2, {"exact", "f1", "NoAns_f1"})])
def test_own_questions_have_the_rules_that_they_need(version: int, names: set[str], tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", version=version)
    write(tmp_path / "dev.json", version=version)
    task = spans.read(recipe("own/question-answering", path.parent), None)
    assert task.model_class is AlbertForQuestionAnswering
    said = [row("Paris", -1.0)] * len(task.splits["dev"])
    assert names <= set(task.scores("dev", SpanAnswers(0.5, said)))
    learnt = AlbertConfig(extra={THRESHOLD: 1.0})
    again = spans.from_records(
        recipe("own/question-answering", path.parent), [{"question": "Who?", "context": CONTEXT}], learnt
    )
    assert again.records("test", SpanAnswers(0.5, [row("Paris", 2.0)]))[0]["prediction"] == ""


def test_the_worst_mistakes_come_first(data: Path) -> None:
    task = squad2(data, AlbertConfig(architectures=["AlbertForQuestionAnsweringBeam"], extra={THRESHOLD: 0.3}))
    said = [row("in Paris. Boris", -2.0), row("tea", -1.0, share=9.0), row("Boris", -0.5), row("tea", 0.2)]
    worst = task.worst("dev", SpanAnswers(0.5, said), 10)
    assert [(one.row, one.said, one.truth) for one in worst] == [
        (1, "tea", "Boris"),
        (2, "Boris", "(no answer)"),
        (0, "in Paris. Boris", "Paris | in Paris"),
    ]
    assert worst[0].loss == 1.0
    assert worst[2].loss == pytest.approx(1 - 0.8)
    assert "Who sells tea?" in worst[0].text
    assert len(task.worst("dev", SpanAnswers(0.5, said), 1)) == 1


def test_other_metrics_and_breakdowns_get_what_they_take(data: Path) -> None:
    task = squad2(data)
    answers = SpanAnswers(0.5, SAID)
    said = task.comparison("dev", answers)
    found = evaluate_metric("squad_v2").compute(predictions=said.predictions, references=said.references)
    assert found["exact"] == 100 * task.scores("dev", answers)["exact"]
    facts = task.facts("dev", answers)
    assert facts.values.tolist() == [1.0, 0.0, 1.0, 1.0]
    assert facts.lengths.tolist() == [11, 10, 10, 11]
    assert task.label_counts("dev", None) == {"answerable": 3, "unanswerable": 1}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["squad", "squad2"])
def test_from_questions_to_answers_and_back(name: str, data: Path, tiny_tokenizer: Path) -> None:
    """Scores that point at the right tokens give the right answers, over several windows."""
    task = spans.read(recipe(name, data, "data.max_length=24", "question_answering.stride=4"), None)
    tokenizer = AlbertTokenizer.from_pretrained(tiny_tokenizer)
    windows: Any = task.encode(tokenizer, ["dev"])["dev"]
    assert len(windows) > len(task.splits["dev"])
    starts, ends = windows.start_positions, windows.end_positions
    if name == "squad":
        rows: dict[str, Any] = {"start_logits": [], "end_logits": []}
        for length, *places in zip(windows.lengths, starts, ends, strict=True):
            for field, place in zip(rows, places, strict=True):
                rows[field].append(np.where(np.arange(length) == place, 9.0, 0.0).astype(np.float32))
                rows[field][-1][0] = 0.0
    else:
        rows = {
            "start_top_log_probs": np.full((len(windows), 1), -0.1),
            "start_top_index": starts[:, None],
            "end_top_log_probs": np.full((len(windows), 1), -0.1),
            "end_top_index": ends[:, None],
            "cls_logits": np.where(windows.is_impossible == 1, 3.0, -3.0),
        }
    evaluation = Evaluation(0.25, {}, {}, {}, np.arange(len(windows)), rows)
    answers = task.answers("dev", windows, evaluation)
    assert answers.loss == 0.25
    scores = task.scores("dev", answers)
    assert scores["exact" if name == "squad2" else "exact_match"] == 1.0


def test_the_loaded_data_is_what_the_task_shows(data: Path) -> None:
    loaded: SpanData = load_spans("squad2", path=data)
    task = squad2(data)
    assert {name: len(rows) for name, rows in task.splits.items()} == {
        name: len(rows) for name, rows in loaded.splits.items()
    }
    assert (task.dev_splits, task.test_splits) == (("dev",), ())
