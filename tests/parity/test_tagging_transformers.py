"""Tagging against the installed transformers: tokens and labels of sentences, fifty training steps, the pipeline.

Oracle of the training: their tokenizer with ``is_split_into_words``, first pieces labelled as in their example script,
padded batches, their model's own mean loss, torch.optim.AdamW. Ours goes its usual way, from sentences to packed
batches. Words of which the tokenizer leaves nothing differ on purpose: theirs drops them, ours predicts them.
"""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
import transformers

from albert_cli.data.finetuning import FinetuneSource
from albert_cli.data.tag_features import encode_tags
from albert_cli.inference.pipeline import pipeline
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForTokenClassification
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.device import make_accelerator
from albert_cli.training.loop import StepReport, train
from albert_cli.training.objectives_tags import TaggingObjective
from albert_cli.training.optim import AlbertAdamW, parameter_groups
from albert_cli.training.schedule import learning_rate_factor

STEPS, WARMUP, BATCH, RATE, DECAY = 50, 10, 8, 1e-4, 0.01
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SIZES = {
    "embedding_size": 32,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 64,
    "hidden_act": "gelu_new",
    "id2label": dict(enumerate(NAMES)),
    "label2id": {name: number for number, name in enumerate(NAMES)},
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout_prob": 0.0}
LINE = (
    "the capital of France is Paris , and a RIVER runs ( slowly ) through it ; naïve Ünsal-Peter 's 1,234 dogs bark "
    "U.S. people in LONDON don't read letters from Łódź ﬁnd ½ 東京"
)
WORDS = LINE.split()


def sentences(number: int, *, seed: int) -> tuple[list[list[str]], list[list[int]]]:
    draw = random.Random(seed)
    words = [draw.choices(WORDS, k=draw.randrange(1, 12)) for _ in range(number)]
    return words, [[WORDS.index(word) % len(NAMES) for word in row] for row in words]


def dataset(words: list[list[str]], tags: list[list[int]]) -> datasets.Dataset:
    labels = datasets.Sequence(datasets.ClassLabel(names=NAMES))
    features = datasets.Features({"tokens": datasets.Sequence(datasets.Value("string")), "tags": labels})
    return datasets.Dataset.from_dict({"tokens": words, "tags": tags}, features=features)


def their_batch(tokenizer: Any, words: list[list[str]], tags: list[list[int]]) -> Any:
    batch = tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt")
    labels = torch.full(batch["input_ids"].shape, -100)
    for row, mine in enumerate(tags):
        before = None
        for place, word in enumerate(batch.word_ids(row)):
            if word is not None and word != before:
                labels[row, place] = mine[word]
            before = word
    batch["labels"] = labels
    return batch


def test_tokens_and_labels_of_sentences_are_theirs(tiny_tokenizer):
    words, tags = sentences(60, seed=1)
    theirs = their_batch(transformers.AutoTokenizer.from_pretrained(tiny_tokenizer), words, tags)
    ours = encode_tags(dataset(words, tags), AlbertTokenizer.from_pretrained(tiny_tokenizer), max_length=200)
    for row in range(len(words)):
        batch = ours.pack(np.array([row]), with_labels=True)
        length = int(theirs["attention_mask"][row].sum())
        start = theirs["attention_mask"][row].tolist().index(1)
        assert batch.input_ids.tolist() == theirs["input_ids"][row, start : start + length].tolist(), words[row]
        labels = torch.full((length,), -100)
        labels[batch.targets["word_positions"]] = batch.targets["labels"]
        assert labels.tolist() == theirs["labels"][row, start : start + length].tolist()


def test_fifty_steps_have_the_losses_of_a_plain_loop(tiny_tokenizer):
    words, tags = sentences(64, seed=2)
    tokenizer = AlbertTokenizer.from_pretrained(tiny_tokenizer)
    reference = transformers.AutoTokenizer.from_pretrained(tiny_tokenizer)
    torch.manual_seed(5)
    config = transformers.AlbertConfig(vocab_size=len(reference), initializer_range=0.1, **SIZES, **NO_DROPOUT)
    theirs = transformers.AlbertForTokenClassification(config).train()
    ours = AlbertForTokenClassification(
        AlbertConfig(vocab_size=len(reference), initializer_range=0.1, **SIZES, **NO_DROPOUT)
    )
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    source = FinetuneSource(encode_tags(dataset(words, tags), tokenizer, max_length=64), BATCH, seed=9, max_steps=STEPS)

    bare = [p for name, p in theirs.named_parameters() if "LayerNorm" in name or "layer_norm" in name or "bias" in name]
    rest = [p for p in theirs.parameters() if all(p is not other for other in bare)]
    optimizer = torch.optim.AdamW(
        [{"params": rest, "weight_decay": DECAY}, {"params": bare, "weight_decay": 0.0}], lr=RATE, eps=1e-6
    )
    expected = []
    for step in range(STEPS):
        chosen = [int(row) for batch in source[step] for row in batch.indices]
        batch = their_batch(reference, [words[row] for row in chosen], [tags[row] for row in chosen])
        loss = theirs(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = RATE * (step / WARMUP if step < WARMUP else 1 - step / STEPS)
        optimizer.step()
        optimizer.zero_grad()
        expected.append(loss.item())

    reports = train(
        model=ours,
        objective=TaggingObjective(),
        source=source,
        optimizer=AlbertAdamW(parameter_groups(ours, DECAY), lr=RATE, bias_correction=True),
        schedule=lambda step: learning_rate_factor(step, total_steps=STEPS, warmup_steps=WARMUP),
        accelerator=make_accelerator("cpu", "fp32").accelerator,
        max_steps=STEPS,
    )
    losses = [report.loss.item() for report in reports if isinstance(report, StepReport)]
    assert expected[0] - min(expected) > 0.1  # it learns, so the comparison means something
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_tokenizer: Path) -> Callable[..., Path]:
    """Directory of a model that transformers drew and saved, with the tokenizer."""

    def make(names: list[str]) -> Path:
        directory = tmp_path_factory.mktemp("saved")
        shutil.copytree(tiny_tokenizer, directory, dirs_exist_ok=True)
        labels = {"id2label": dict(enumerate(names)), "label2id": {name: n for n, name in enumerate(names)}}
        size = len(transformers.AutoTokenizer.from_pretrained(directory))
        config = transformers.AlbertConfig(vocab_size=size, initializer_range=0.3, **{**SIZES, **labels})
        torch.manual_seed(11)
        transformers.AlbertForTokenClassification(config).eval().save_pretrained(directory)
        return directory

    return make


TEXTS = [
    "The capital of France is Paris, and a river runs through it.",
    "naïve people in LONDON (well-known) read letters",
    "snow",
    "  two  spaces\tand a tab ",
    "Łódź 東京 ½",
    "",
]


def assert_same(ours: Any, theirs: Any, *, spaces: bool = True) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert set(one) == set(other)
        for key, value in other.items():
            if key == "score":
                assert one[key] == pytest.approx(float(value), rel=1e-4)
            elif key == "word" and not spaces:
                assert "".join(one[key].split()).casefold() == "".join(value.split()).casefold()
            else:
                # Theirs leaves the space of a lone space piece at the end of a group.
                mine, his = (text.strip() if isinstance(text, str) else text for text in (one[key], value))
                assert mine == his, (key, one, other)


@pytest.mark.parametrize("names", [NAMES, ["LABEL_0", "LABEL_1", "LABEL_2"], ["O", "I-PER", "I-LOC"]])
@pytest.mark.parametrize("strategy", ["none", "simple"])
def test_pieces_and_their_groups_are_those_of_their_pipeline(saved, names, strategy):
    directory = saved(names)
    theirs = transformers.pipeline(
        "token-classification", model=str(directory), device=-1, aggregation_strategy=strategy
    )
    ours = pipeline("ner", directory, device=-1, aggregation_strategy=strategy)
    for text in TEXTS[:5]:
        assert_same(ours(text), theirs(text))
    for one, other in zip(ours(TEXTS[:3]), theirs(TEXTS[:3]), strict=True):
        assert_same(one, other)
    everything = ours(TEXTS[0], ignore_labels=[])
    assert_same(everything, theirs(TEXTS[0], ignore_labels=[]))
    assert everything


@pytest.mark.parametrize("strategy", ["first", "average", "max"])
def test_words_are_theirs_where_only_spaces_part_them_and_keep_their_spaces(saved, strategy):
    directory = saved(["O", "I-PER", "I-LOC"])
    theirs = transformers.pipeline(
        "token-classification", model=str(directory), device=-1, aggregation_strategy=strategy
    )
    ours = pipeline("token-classification", directory, device=-1, aggregation_strategy=strategy)
    text = "the capital of France is Paris and a river runs through it"
    with pytest.warns(UserWarning, match="fallback heuristic"):
        expected = theirs(text)
    found = ours(text)
    assert_same(found, expected, spaces=False)
    assert any(" " in one["word"] for one in found)
    assert all(one["word"] == text[one["start"] : one["end"]] for one in found)
