"""Where our pipelines differ from those of transformers on purpose: both sides shown, as docs/howto/run.md lists them.

Oracle: the installed transformers 5. What it does is asserted, too, so that a row of the page that is no longer true
fails here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from albert_cli.errors import DataError, ModelError, UsageError
from albert_cli.inference.pipeline import pipeline

transformers = pytest.importorskip("transformers", minversion="5.0")

LONG = "the river runs through paris " * 40
TAGS = {"id2label": dict(enumerate(["O", "B-PER", "I-PER"]))}


@pytest.fixture
def both(tiny_model: Callable[..., Path]) -> Callable[..., tuple[Any, Any]]:
    """Our pipeline and theirs on the same tiny model."""

    def make(task: str, kind: str, config: dict[str, Any] | None = None, **parameters: Any) -> tuple[Any, Any]:
        directory = tiny_model(kind, **(config or {}))
        theirs = transformers.pipeline(task, model=str(directory), tokenizer=str(directory), device=-1, **parameters)
        return pipeline(task, directory, device=-1, **parameters), theirs

    return make


def test_special_tokens_in_a_text_are_text(both: Any) -> None:
    ours, theirs = both("feature-extraction", "AlbertModel")
    assert len(theirs("a [SEP] b")[0]) == len(theirs("a b")[0]) + 1
    assert len(ours("a [SEP] b")[0]) > len(ours("a b")[0]) + 1
    assert len(ours("a b")[0]) == len(theirs("a b")[0])


def test_pairs_have_segment_numbers(both: Any) -> None:
    ours, theirs = both("text-classification", "AlbertForSequenceClassification", {"num_labels": 3})
    theirs.tokenizer.model_input_names = ["input_ids", "attention_mask"]  # as of tokenizers that do not name them
    pair = {"text": "the river runs", "text_pair": "through paris"}
    inputs = theirs.tokenizer(**pair, return_tensors="pt")
    assert "token_type_ids" not in inputs
    assert ours(pair)["score"] != pytest.approx(theirs(pair)["score"], abs=1e-3)
    inputs["token_type_ids"] = segments(inputs)
    shares = theirs.model(**inputs).logits.softmax(-1)
    assert ours(pair)["score"] == pytest.approx(shares.max().item(), rel=1e-4)


def segments(inputs: Any) -> torch.Tensor:
    """Segment numbers: what follows the first [SEP] is segment 1."""
    separators = (inputs["input_ids"] == 3).long()
    return separators.cumsum(-1) - separators


def test_a_piece_right_behind_a_special_token_has_a_space_before_it(both: Any) -> None:
    """As the documented slow tokenizer decodes; everywhere else the spaces are theirs."""
    ours, theirs = both("fill-mask", "AlbertForMaskedLM", top_k=100)
    for text, are_apart in (("snow covers [MASK][MASK] in winter", True), ("the [MASK] runs and [MASK] barks", False)):
        differ = 0
        words = [[word for words in pipe(text) for word in words] for pipe in (ours, theirs)]
        for mine, other in zip(*words, strict=True):
            assert mine["token"] == other["token"]
            assert mine["sequence"].replace("[MASK] ", "[MASK]") == other["sequence"].replace("[MASK] ", "[MASK]")
            differ += mine["sequence"] != other["sequence"]
        assert bool(differ) == are_apart


def test_a_space_piece_at_the_end_leaves_no_space(both: Any) -> None:
    ours, theirs = both("ner", "AlbertForTokenClassification", TAGS, aggregation_strategy="simple", ignore_labels=[])
    for pipe in (ours, theirs):
        with torch.no_grad():  # all pieces one group
            pipe.model.classifier.weight.zero_()
            pipe.model.classifier.bias.copy_(torch.tensor([9.0, 0.0, 0.0]))
    text = "the river \u0378"
    assert ours(text)[0]["word"] == theirs(text)[0]["word"].strip()
    assert ours.tokenizer.convert_tokens_to_string(["▁the", "▁"]) == "the"
    assert theirs.tokenizer.convert_tokens_to_string(["▁the", "▁"]) == "the "


def test_tags_that_end_a_stretch_end_it(both: Any) -> None:
    names = {"id2label": dict(enumerate(["O", "B-X", "I-X", "E-X", "S-X"]))}
    ours, theirs = both("ner", "AlbertForTokenClassification", names, aggregation_strategy="simple", ignore_labels=[])
    for pipe in (ours, theirs):
        with torch.no_grad():
            pipe.model.classifier.weight.zero_()
            pipe.model.classifier.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 0.0, 9.0]))  # every piece a whole name
    assert len(theirs("the river runs")) == 1
    assert len(ours("the river runs")) == len(ours("the river runs", aggregation_strategy="none")) > 1


def test_words_are_whole_and_their_very_text(both: Any) -> None:
    ours, theirs = both("ner", "AlbertForTokenClassification", TAGS, aggregation_strategy="first", ignore_labels=[])
    text = "paris well-known, the river (runs)"
    for found in ours(text):
        assert found["word"] == text[found["start"] : found["end"]]
    with pytest.warns(UserWarning, match="does not support real words"):
        others = theirs(text)
    assert any(one["word"] != text[one["start"] : one["end"]] for one in others)


def test_long_texts_are_tagged_to_their_end(both: Any) -> None:
    ours, theirs = both("ner", "AlbertForTokenClassification", TAGS, ignore_labels=[])
    theirs.tokenizer.model_max_length = 64
    assert theirs(LONG)[-1]["end"] < 500
    assert ours(LONG)[-1]["end"] == len(LONG.rstrip())


def test_other_long_texts_are_refused_in_words_or_read_in_a_window(both: Any) -> None:
    ours, theirs = both("text-classification", "AlbertForSequenceClassification")
    with pytest.raises((IndexError, RuntimeError)):
        theirs(LONG)
    with pytest.raises(DataError, match="the model reads at most 64"):
        ours(LONG)
    ours, theirs = both("fill-mask", "AlbertForMaskedLM")
    with pytest.raises((IndexError, RuntimeError)):
        theirs(f"{LONG}[MASK]")
    assert len(ours(f"{LONG}[MASK]")) == 5


def test_a_whole_word_needs_no_warning(both: Any, caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = both("fill-mask", "AlbertForMaskedLM")
    pieces = ours.tokenizer.get_vocab()
    word = next(piece[1:] for piece in sorted(pieces) if piece[0] == "▁" and len(piece) > 3 and piece[1:] not in pieces)
    logger = transformers.utils.logging.get_logger("transformers")
    logger.propagate = True
    try:
        other = theirs("a [MASK]", targets=[word])
    finally:
        logger.propagate = False
    assert "does not exist in the model vocabulary" in caplog.text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mine = ours("a [MASK]", targets=[word])
    assert mine[0]["token"] == other[0]["token"]
    inside = next(piece for piece in sorted(pieces) if f"▁{piece}" in pieces and piece.isalpha())
    with pytest.warns(UserWarning, match="is the piece inside words"):
        assert ours("a [MASK]", targets=[inside])[0]["token"] == theirs("a [MASK]", targets=[inside])[0]["token"]


def test_entailment_is_found_or_missed_aloud(both: Any) -> None:
    ours, theirs = both("zero-shot-classification", "AlbertForSequenceClassification", {"num_labels": 3})
    assert theirs.entailment_id == -1
    assert theirs("a", ["b", "c"])["labels"]
    with pytest.raises(ModelError, match="entailment"):
        ours("a", ["b", "c"])


def test_no_inputs_and_unknown_parameters(both: Any) -> None:
    ours, theirs = both("text-classification", "AlbertForSequenceClassification")
    with pytest.raises(IndexError):
        theirs([])
    assert ours([]) == []
    assert theirs("a", topk=3)
    with pytest.raises(UsageError, match="has no parameter topk"):
        ours("a", topk=3)
