"""Our pipelines answer as those of the installed transformers do, on the same files.

Oracle: transformers 5.x, whose classes also draw and save the weights. It runs unpadded, one text at a time; ours packs
several. Scores agree to 1e-4 of their size, so small ones count too; everything else exactly.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from albert_cli.inference.pipeline import pipeline

transformers = pytest.importorskip("transformers", minversion="5.0")

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_tokenizer: Path) -> Callable[..., Path]:
    """Directory of a model that transformers drew and saved, with the tokenizer."""
    made: dict[str, Path] = {}

    def make(kind: str, **config: Any) -> Path:
        key = f"{kind} {sorted(config.items())}"
        if key not in made:
            directory = made[key] = tmp_path_factory.mktemp("saved")
            shutil.copytree(tiny_tokenizer, directory, dirs_exist_ok=True)
            size = len(transformers.AutoTokenizer.from_pretrained(directory))
            sizes = transformers.AlbertConfig(
                vocab_size=size,
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
        assert set(ours) == set(theirs)
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
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=TOLERANCE, abs=1e-6)
    else:
        assert ours == theirs


MASKED = [
    "the capital of france is [MASK].",
    "the [MASK] runs through paris and the [MASK] barks.",
    "[MASK] people",
    "Snow covers [MASK][MASK] in the winter, (early)",
    "birds sing in the [MASK]",
]


@pytest.mark.parametrize("text", MASKED)
@pytest.mark.parametrize("parameters", [{}, {"top_k": 1}, {"top_k": 40}])
def test_fill_mask_gives_the_same_words(saved, text, parameters):
    ours, theirs = both("fill-mask", saved("AlbertForMaskedLM"))
    assert_same(ours(text, **parameters), theirs(text, **parameters))


def test_fill_mask_of_a_list_gives_the_same_nesting(saved):
    ours, theirs = both("fill-mask", saved("AlbertForMaskedLM"), top_k=2)
    assert_same(ours(MASKED), theirs(MASKED))
    assert_same(ours(MASKED[:1]), theirs(MASKED[:1]))
    assert_same(ours(MASKED[1:2]), theirs(MASKED[1:2]))


@pytest.mark.parametrize("places", [[0, 1, 2], 0, [1, 1]])
def test_fill_mask_scores_the_same_targets(saved, places):
    ours, theirs = both("fill-mask", saved("AlbertForMaskedLM"))
    # Which pieces there are depends on the release of SentencePiece that trained them.
    pieces = sorted(piece for piece in ours.tokenizer.piece_table() if piece.startswith("▁") and len(piece) > 2)
    targets = pieces[places] if isinstance(places, int) else [pieces[place] for place in places]
    for text in MASKED[:2]:
        assert_same(ours(text, targets=targets, top_k=2), theirs(text, targets=targets, top_k=2))


def test_a_target_that_is_no_piece_stands_for_its_first_piece_with_a_warning(saved):
    ours, theirs = both("fill-mask", saved("AlbertForMaskedLM"))
    targets = ["paris", "zebra", "▁the"]
    with pytest.warns(UserWarning, match="target 'zebra' is not a piece"):
        answer = ours(MASKED[0], targets=targets)
    assert_same(answer, theirs(MASKED[0], targets=targets))


def test_fill_mask_of_a_model_saved_with_both_pretraining_heads(saved):
    directory = saved("AlbertForPreTraining")
    ours, theirs = both("fill-mask", directory)
    assert_same(ours(MASKED[0]), theirs(MASKED[0]))


TEXTS = ["the river runs", "people walk along old stone bridges every morning", "snow", "", "Déjà vu in 漢字"]


@pytest.mark.parametrize("config", [{"num_labels": 2}, {"num_labels": 4, "id2label": {0: "a", 1: "b", 2: "c", 3: "d"}}])
@pytest.mark.parametrize(
    "parameters", [{}, {"top_k": None}, {"top_k": 1}, {"top_k": 3}, {"function_to_apply": "sigmoid"}]
)
def test_classification_gives_the_same_labels_and_nesting(saved, config, parameters):
    config = dict(config)
    if "id2label" in config:
        config.pop("num_labels")
    ours, theirs = both("text-classification", saved("AlbertForSequenceClassification", **config))
    assert_same(ours(TEXTS[0], **parameters), theirs(TEXTS[0], **parameters))
    assert_same(ours(TEXTS, **parameters), theirs(TEXTS, **parameters))


@pytest.mark.parametrize(
    "config",
    [
        {"num_labels": 1},
        {"num_labels": 1, "problem_type": "regression"},
        {"num_labels": 3, "problem_type": "multi_label_classification"},
        {"num_labels": 3, "problem_type": "single_label_classification"},
    ],
)
def test_the_problem_type_settles_the_scores(saved, config):
    ours, theirs = both("text-classification", saved("AlbertForSequenceClassification", **config))
    assert_same(ours(TEXTS, top_k=None), theirs(TEXTS, top_k=None))


@pytest.mark.parametrize("parameters", [{"top_k": None}, {"top_k": 2}])
def test_parameters_of_the_pipeline_hold_for_its_calls(saved, parameters):
    ours, theirs = both("sentiment-analysis", saved("AlbertForSequenceClassification", num_labels=3), **parameters)
    assert_same(ours(TEXTS[0]), theirs(TEXTS[0]))
    assert_same(ours(TEXTS), theirs(TEXTS))


def test_pairs_with_segment_numbers(saved):
    """transformers 5 leaves the segment numbers out of pairs unless told; ours always counts them."""
    directory = saved("AlbertForSequenceClassification", num_labels=3)
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        directory, model_input_names=["input_ids", "token_type_ids", "attention_mask"]
    )
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory)
    theirs = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer, device=-1)
    ours = pipeline("text-classification", directory, device="cpu")
    pairs = [{"text": "the river runs", "text_pair": "through paris"}, {"text": "", "text_pair": "snow"}]
    assert "token_type_ids" in tokenizer(**pairs[0])
    assert_same(ours(pairs), theirs(pairs))
    assert_same(ours(pairs[0]), theirs(pairs[0]))
    swapped = {"text": "through paris", "text_pair": "the river runs"}
    assert ours(swapped)["score"] != pytest.approx(ours(pairs[0])["score"], abs=TOLERANCE)


def test_truncation_cuts_where_theirs_does(saved):
    ours, theirs = both("text-classification", saved("AlbertForSequenceClassification"), truncation=True, max_length=20)
    text = "the river runs through paris " * 30
    assert_same(ours(text), theirs(text))


@pytest.mark.parametrize("kind", ["AlbertModel", "AlbertForMaskedLM"])
def test_features_are_the_same_vectors(saved, kind):
    ours, theirs = both("feature-extraction", saved(kind))
    texts = TEXTS[:3]
    for one, other in zip(ours(texts), theirs(texts), strict=True):
        torch.testing.assert_close(torch.tensor(one), torch.tensor(other), atol=TOLERANCE, rtol=TOLERANCE)
    single, reference = ours(texts[1], return_tensors=True), theirs(texts[1], return_tensors=True)
    assert single.shape == reference.shape
    torch.testing.assert_close(single, reference, atol=TOLERANCE, rtol=TOLERANCE)
