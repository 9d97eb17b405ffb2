"""Labels named only now, given words, windows, kinds of inputs: our pipelines against those of transformers 5.

Oracle: the installed transformers, whose classes also draw and save the weights. See tests/parity/test_pipelines.py for
the tasks and parameters that it compares; here is the rest of what the two share.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from subcases import each

from albert_cli.errors import DataError, ModelError, UsageError
from albert_cli.inference.pipeline import pipeline

transformers = pytest.importorskip("transformers", minversion="5.0")

TOLERANCE = 1e-4
NLI = {"id2label": {0: "contradiction", 1: "neutral", 2: "entailment"}}
LABELS = ["the river", "old stone bridges", "snow", "coffee, tea", "dogs"]
TEXTS = ["the river runs", "people walk along old stone bridges every morning", "snow", "Déjà vu in 漢字"]
LONG = "the river runs through paris and people walk along its old stone bridges " * 12


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Path) -> Callable[..., Path]:
    """Directory of a model that transformers drew and saved, with the tokenizer.

    Its tokenizer names the token types, without which transformers 5 leaves them out of pairs.
    """
    made: dict[str, Path] = {}

    def make(kind: str, **config: Any) -> Path:
        key = f"{kind} {sorted(config.items())}"
        if key not in made:
            directory = made[key] = tmp_path_factory.mktemp("saved")
            shutil.copytree(tiny_tokenizer, directory, dirs_exist_ok=True)
            names = ["input_ids", "token_type_ids", "attention_mask"]
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                directory, model_input_names=names, model_max_length=64
            )
            tokenizer.save_pretrained(directory)
            if "id2label" in config:
                config = {**config, "label2id": {name: number for number, name in config["id2label"].items()}}
            sizes = transformers.AlbertConfig(
                vocab_size=len(tokenizer),
                hidden_size=64,
                embedding_size=32,
                num_hidden_layers=3,
                num_attention_heads=4,
                intermediate_size=128,
                max_position_embeddings=64,
                initializer_range=0.3,
                **config,
            )
            torch.manual_seed(11)
            model = getattr(transformers, kind)(sizes)
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if name.endswith("bias"):
                        parameter.normal_(std=0.3)
            model.eval().save_pretrained(directory)
        return made[key]

    return make


def both(task: str, directory: Path, **parameters: Any) -> tuple[Any, Any]:
    ours = pipeline(task, directory, device=-1, **parameters)
    theirs = transformers.pipeline(task, model=str(directory), tokenizer=str(directory), device=-1, **parameters)
    return ours, theirs


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)  # their order, too
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, list):
        assert isinstance(ours, list)
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(theirs, str):
        # Ours decodes as the documented slow tokenizer, which puts a space behind special tokens where the fast one of
        # their pipeline does not.
        assert ours.replace("] ", "]") == theirs.replace("] ", "]")
    elif isinstance(theirs, int):
        assert ours == theirs
    else:
        assert ours == pytest.approx(float(theirs), rel=TOLERANCE, abs=1e-6)


@each(
    "parameters",
    [
        {"candidate_labels": LABELS},
        {"candidate_labels": "the river, snow ,dogs,"},
        {"candidate_labels": LABELS, "multi_label": True},
        {"candidate_labels": "snow"},
        {"candidate_labels": ["snow"]},
        {"candidate_labels": LABELS, "hypothesis_template": "{} is in it."},
        {"candidate_labels": LABELS[:2], "hypothesis_template": "{0} and {0}", "multi_label": True},
        {"candidate_labels": ["snow", "snow", "dogs"]},
        {"candidate_labels": ["snow " * 40, "dogs"]},
    ],
)
def test_zero_shot_gives_the_same_labels_and_scores(parameters: dict[str, Any], saved: Any) -> None:
    ours, theirs = both("zero-shot-classification", saved("AlbertForSequenceClassification", **NLI))
    for inputs in (TEXTS[0], TEXTS, TEXTS[:1], LONG):
        assert_same(ours(inputs, **parameters), theirs(inputs, **parameters))
    if "candidate_labels" in parameters and len(parameters) == 1:
        labels = parameters["candidate_labels"]
        assert_same(ours(TEXTS[1], labels), theirs(TEXTS[1], labels))
    with_defaults = both("zero-shot-classification", saved("AlbertForSequenceClassification", **NLI), **parameters)
    assert_same(with_defaults[0](TEXTS), with_defaults[1](TEXTS))


@each(
    "names",
    [
        ["entailment", "neutral", "contradiction"],
        ["contradiction", "entailment", "neutral"],
        ["NOT_ENTAILMENT", "ENTAILMENT"],
        ["entailment", "not_entailment"],
        ["other", "Entail", "more"],
    ],
)
def test_zero_shot_finds_entailment_by_its_name(names: list[str], saved: Any) -> None:
    directory = saved("AlbertForSequenceClassification", id2label=dict(enumerate(names)))
    ours, theirs = both("zero-shot-classification", directory, candidate_labels=LABELS)
    assert_same(ours(TEXTS), theirs(TEXTS))
    assert_same(ours(TEXTS, multi_label=True), theirs(TEXTS, multi_label=True))


def test_zero_shot_differs_where_contradiction_is_neither_first_nor_last(saved: Any) -> None:
    """Theirs takes class 0 for contradiction whatever it is called; ours goes by the name."""
    names = {0: "neutral", 1: "contradiction", 2: "entailment"}
    ours, theirs = both(
        "zero-shot-classification", saved("AlbertForSequenceClassification", id2label=names), candidate_labels=LABELS
    )
    assert_same(ours(TEXTS[0]), theirs(TEXTS[0]))
    many = {"multi_label": True}
    scores = [
        dict(zip(one["labels"], one["scores"], strict=True))
        for one in (ours(TEXTS[0], **many), theirs(TEXTS[0], **many))
    ]
    assert scores[0] != pytest.approx(scores[1], abs=0.01)
    pair = theirs.tokenizer(TEXTS[0], "This example is snow.", return_tensors="pt")
    logits = theirs.model(**pair).logits[0, [1, 2]]
    assert scores[0]["snow"] == pytest.approx(logits.softmax(-1)[1].item(), rel=TOLERANCE)


def test_zero_shot_refuses_what_it_cannot_mean(saved: Any) -> None:
    with pytest.raises(ModelError, match="a class called entailment; this one has: LABEL_0, LABEL_1"):
        pipeline("zero-shot-classification", saved("AlbertForSequenceClassification"), device=-1)("a", "b")
    ask = pipeline("zero-shot-classification", saved("AlbertForSequenceClassification", **NLI), device=-1)
    with pytest.raises(UsageError, match="no labels"):
        ask("a")
    for template in ("no place", "{} and {}", "{label}", "{", "{:>1000000}", "{.__class__}"):
        with pytest.raises(UsageError, match="template"):
            ask("a", "b", hypothesis_template=template)
    with pytest.raises(DataError, match="no text"):
        ask("", "b")
    with pytest.raises(DataError, match="the second text alone has"):
        ask("a", [LONG])


TAGS = {"id2label": dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))}
FEW = {"id2label": dict(enumerate(["O", "I-PER"]))}  # so that neighbours have one tag often
WORDS = ["the", "capital", "of", "france", "is", "paris", ",", "through", "rivers"]


def unspaced(found: Any) -> Any:
    """Answers with their words run together."""
    if isinstance(found, list):
        return [unspaced(one) for one in found]
    return {**found, "word": found["word"].replace(" ", "")}


@each("strategy", ["none", "simple", "first", "average", "max"])
def test_given_words_are_tagged_alike(strategy: str, saved: Any) -> None:
    for config in (TAGS, FEW):
        compare_tags(strategy, saved("AlbertForTokenClassification", **config), config)


def compare_tags(strategy: str, directory: Path, config: dict[str, Any]) -> None:
    ours, theirs = both("ner", directory, aggregation_strategy=strategy)
    given = {"is_split_into_words": True}
    # Their guess at words by spaces is right where no word begins with a space piece of its own.
    whole = [word for word in tiny_models.TEXT.split() if theirs.tokenizer.tokenize(word)[0] != "▁"]
    made = [one + other for one, other in zip(whole[:8], whole[8:], strict=False)]
    words = [*whole[:5], *(word for word in made if theirs.tokenizer.tokenize(word)[0] != "▁")]
    assert len(theirs.tokenizer.tokenize(words, is_split_into_words=True)) > len(words)
    text, some = " ".join(words), {"ignore_labels": ["O", "LOC", "I-PER"]}
    calls = [
        (words, given),
        ([words, words[3:]], given),
        (text, {}),
        ([text] * 2, {"ignore_labels": []}),
        (text, some),
    ]
    joins_words = strategy not in ("none", "simple")  # theirs without spaces: docs/howto/run.md
    for inputs, parameters in calls:
        mine, other = ours(inputs, **parameters), theirs(inputs, **parameters)
        assert_same(unspaced(mine) if joins_words else mine, other)
    if strategy != "none" and config is FEW:
        assert any(" " in one["word"] for one in ours(text, ignore_labels=[])), "groups of several words"


def test_given_words_lie_where_their_delimiter_puts_them(saved: Any) -> None:
    ours, theirs = both("ner", saved("AlbertForTokenClassification", **TAGS), aggregation_strategy="simple")
    given = {"is_split_into_words": True, "delimiter": " + ", "ignore_labels": []}
    assert_same(ours(WORDS, **given), theirs(WORDS, **given))
    text = " + ".join(WORDS)
    for strategy in ("none", "first"):
        (answer,) = ours(WORDS, aggregation_strategy=strategy, **given)
        assert [one["start"] for one in answer] == sorted(one["start"] for one in answer)
        for found in answer if strategy == "first" else ():
            assert found["word"] == text[found["start"] : found["end"]]
    with pytest.raises(UsageError, match="a list of words"):
        ours([WORDS, "a text"], is_split_into_words=True)


def test_words_without_any_piece_are_tagged_where_theirs_drops_them(saved: Any) -> None:
    ours, theirs = both("ner", saved("AlbertForTokenClassification", **TAGS), ignore_labels=[])
    words = ["paris", "\u200b", "runs"]
    (mine,), (other,) = ours(words, is_split_into_words=True), theirs(words, is_split_into_words=True)
    assert {one["word"] for one in mine} - {one["word"] for one in other} == {"\u200b"}


def test_stride_reads_all_of_a_long_text_with_answers_of_theirs_inside_the_windows(saved: Any) -> None:
    """Windows lie elsewhere, so only a text of one window can agree; of a long one ours leaves nothing out."""
    directory = saved("AlbertForTokenClassification", **TAGS)
    ours, theirs = both("ner", directory, aggregation_strategy="simple", stride=8, ignore_labels=[])
    assert_same(ours(TEXTS[1]), theirs(TEXTS[1]))
    covered = ours(LONG)
    assert "".join(LONG.split()) == "".join("".join(LONG[one["start"] : one["end"]].split()) for one in covered)
    assert theirs(LONG)[-1]["end"] == covered[-1]["end"] == len(LONG.rstrip())
    with pytest.raises(UsageError, match="stride is 64"):
        ours(LONG, stride=64)


def test_inputs_may_be_generators_and_datasets(saved: Any) -> None:
    import datasets
    from torch.utils.data import Dataset
    from transformers.pipelines.pt_utils import KeyDataset

    class Texts(Dataset[str]):
        def __len__(self) -> int:
            return len(TEXTS)

        def __getitem__(self, number: int) -> str:
            return TEXTS[number]

    def generate() -> Iterator[str]:
        yield from TEXTS

    ours, theirs = both("text-classification", saved("AlbertForSequenceClassification", num_labels=3))
    table = datasets.Dataset.from_dict({"text": TEXTS})
    for make in (generate, Texts, lambda: KeyDataset(table, "text")):
        mine, other = ours(make(), batch_size=3, num_workers=0), theirs(make(), batch_size=1)
        assert not isinstance(mine, list)
        assert_same(list(mine), list(other))
    assert_same(list(ours(table)), list(theirs(KeyDataset(table, "text"))))
    with pytest.raises(UsageError, match="not int"):
        ours(3)


@each("function", ["softmax", "sigmoid", "none", "NONE", None])
def test_the_function_may_be_given_to_the_pipeline_and_to_the_call(function: str | None, saved: Any) -> None:
    for config in ({"num_labels": 1, "problem_type": "regression"}, {"num_labels": 3}):
        directory = saved("AlbertForSequenceClassification", **config)
        ours, theirs = both("text-classification", directory, function_to_apply=function)
        assert_same(ours(TEXTS), theirs(TEXTS))
        assert_same(ours(TEXTS[0], top_k=2), theirs(TEXTS[0], top_k=2))
        ours, theirs = both("text-classification", directory, top_k=None)
        assert_same(ours(TEXTS, function_to_apply=function), theirs(TEXTS, function_to_apply=function))
        assert_same(ours(TEXTS[0], function_to_apply=function), theirs(TEXTS[0], function_to_apply=function))


PAIR = {"text": LONG, "text_pair": "snow covers roofs and gardens " * 8}


@each("truncation", [True, "longest_first", "only_first", "only_second"])
def test_pairs_are_cut_where_theirs_are(truncation: Any, saved: Any) -> None:
    directory = saved("AlbertForSequenceClassification", num_labels=3)
    pair = PAIR if truncation != "only_second" else {"text": "the river", "text_pair": LONG}
    pair = pair if truncation != "only_first" else {"text": LONG, "text_pair": "the river"}
    ours, theirs = both("text-classification", directory, truncation=truncation, max_length=30)
    assert_same(ours(pair, top_k=None), theirs(pair, top_k=None))
    assert_same(ours([pair, {"text": "a", "text_pair": "b"}]), theirs([pair, {"text": "a", "text_pair": "b"}]))


def test_features_and_masks_take_the_tokenizer_s_arguments(saved: Any) -> None:
    short = {"truncation": True, "max_length": 20}
    ours, theirs = both("feature-extraction", saved("AlbertModel"), tokenize_kwargs=short)
    torch.testing.assert_close(torch.tensor(ours(LONG)), torch.tensor(theirs(LONG)), atol=TOLERANCE, rtol=TOLERANCE)
    ours, theirs = both("feature-extraction", saved("AlbertModel"), truncation=True)
    vectors = ours(LONG, return_tensors=True)
    assert vectors.shape == (1, 64, 64)
    torch.testing.assert_close(vectors, theirs(LONG, return_tensors=True), atol=TOLERANCE, rtol=TOLERANCE)
    with pytest.raises(UsageError, match="truncation is given twice"):
        ours(LONG, truncation=True, tokenize_kwargs={"truncation": True})
    ours, theirs = both("fill-mask", saved("AlbertForMaskedLM"), tokenizer_kwargs=short)
    masked = "the [MASK] runs. " + LONG
    assert_same(ours(masked), theirs(masked))
    assert_same(ours([masked, "a [MASK]"], top_k=2), theirs([masked, "a [MASK]"], top_k=2))


def test_half_precision_is_taken_under_both_names(saved: Any) -> None:
    directory = saved("AlbertForSequenceClassification", num_labels=3)
    ours = [
        pipeline("text-classification", directory, device=-1, **{name: "bfloat16"}) for name in ("dtype", "torch_dtype")
    ]
    theirs = transformers.pipeline("text-classification", model=str(directory), device=-1, dtype="bfloat16")
    for one in ours:
        assert one.model.dtype == theirs.model.dtype == torch.bfloat16
        for mine, other in zip(one(TEXTS, top_k=None), theirs(TEXTS, top_k=None), strict=True):
            by_label = {entry["label"]: entry["score"] for entry in other}
            assert {entry["label"]: entry["score"] for entry in mine} == pytest.approx(by_label, abs=0.05)
