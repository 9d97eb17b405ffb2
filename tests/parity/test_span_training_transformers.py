"""Fifty steps on questions about texts against a plain loop around the installed transformers' model.

Oracle: their AlbertForQuestionAnswering on one unpadded window at a time, the mean of its own losses over the batch,
torch.optim.AdamW. (A padded batch would let their softmax run over padding.) Ours goes its usual way from questions to
packed windows. transformers has no model with the beam head; ours with it learns the same loss as written out from its
own outputs, window by window.
"""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from albert_cli.data.finetuning import FinetuneSource
from albert_cli.data.span_features import SpanExamples, encode_spans
from albert_cli.data.tasks.squad import load_span_records
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnswering, AlbertForQuestionAnsweringBeam
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.device import make_accelerator
from albert_cli.training.loop import StepReport, train
from albert_cli.training.objectives_spans import BeamObjective, SpanObjective
from albert_cli.training.optim import AlbertAdamW, parameter_groups
from albert_cli.training.schedule import learning_rate_factor

STEPS, WARMUP, BATCH, RATE, DECAY = 50, 10, 4, 1e-4, 0.01
SIZES = {
    "embedding_size": 32,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 64,
    "hidden_act": "gelu_new",
    "initializer_range": 0.1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "classifier_dropout_prob": 0.0,
}
TEXT = "the capital of france is paris and a river runs through it while people walk along bridges bread tea"
WORDS = TEXT.split()


def examples(tokenizer: AlbertTokenizer) -> SpanExamples:
    """Windows of texts of different lengths, some without the answer; a third of the questions has none."""
    draw = random.Random(3)
    records: list[dict[str, Any]] = []
    for number in range(64):
        words = draw.choices(WORDS, k=draw.randrange(4, 30))
        first = draw.randrange(len(words))
        text, start = " ".join(words), len(" ".join(words[:first])) + bool(first)
        answer = " ".join(words[first : first + draw.randint(1, 3)])
        answers = {"text": [answer], "answer_start": [start]} if number % 3 else {"text": [], "answer_start": []}
        question = " ".join(draw.choices(WORDS, k=draw.randint(1, 4)))
        records.append({"id": str(number), "question": question, "context": text, "answers": answers})
    rows = load_span_records("squad2", records).splits["test"]
    return encode_spans(rows, tokenizer, max_length=24, stride=8)


def update_loop(model: Any, loss_of_step: Any) -> list[float]:
    """Losses of a plain loop with bias-corrected AdamW."""
    bare = [p for name, p in model.named_parameters() if "LayerNorm" in name or "layer_norm" in name or "bias" in name]
    rest = [p for p in model.parameters() if all(p is not other for other in bare)]
    groups = [{"params": rest, "weight_decay": DECAY}, {"params": bare, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, eps=1e-6)
    losses = []
    for step in range(STEPS):
        loss = loss_of_step(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = RATE * (step / WARMUP if step < WARMUP else 1 - step / STEPS)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def our_losses(model: Any, objective: Any, source: FinetuneSource) -> list[float]:
    events = train(
        model=model,
        objective=objective,
        source=source,
        optimizer=AlbertAdamW(parameter_groups(model, DECAY), lr=RATE, bias_correction=True),
        schedule=lambda step: learning_rate_factor(step, total_steps=STEPS, warmup_steps=WARMUP),
        accelerator=make_accelerator("cpu", "fp32").accelerator,
        max_steps=STEPS,
    )
    return [event.loss.item() for event in events if isinstance(event, StepReport)]


def single(windows: SpanExamples, number: int) -> dict[str, torch.Tensor]:
    """One window as a batch of its own."""
    batch = windows.pack(np.array([number]), with_labels=True)
    return {
        "input_ids": batch.input_ids[None],
        "token_type_ids": batch.token_type_ids[None],
        "start_positions": batch.targets["start_positions"],
        "end_positions": batch.targets["end_positions"],
        "is_impossible": batch.targets["is_impossible"],
        "p_mask": batch.targets["p_mask"][None],
    }


def assert_learns_the_same(ours: list[float], expected: list[float]) -> None:
    # Every step has other windows, so the losses must differ for the comparison to mean something.
    assert max(expected) - min(expected) > 0.1
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


def test_the_plain_head_learns_as_theirs(tiny_tokenizer: Any) -> None:
    tokenizer = AlbertTokenizer.from_pretrained(tiny_tokenizer)
    windows = examples(tokenizer)
    assert len(windows) > 64  # some texts need several
    torch.manual_seed(5)
    theirs: Any = transformers.AlbertForQuestionAnswering(
        transformers.AlbertConfig(vocab_size=len(tokenizer), **SIZES)
    ).train()
    ours = AlbertForQuestionAnswering(AlbertConfig(vocab_size=len(tokenizer), **SIZES))
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    source = FinetuneSource(windows, BATCH, seed=9, max_steps=STEPS)

    def loss(step: int) -> Any:
        inputs = [single(windows, int(number)) for batch in source[step] for number in batch.indices]
        wanted = ("input_ids", "token_type_ids", "start_positions", "end_positions")
        return torch.stack([theirs(**{name: one[name] for name in wanted}).loss for one in inputs]).mean()

    assert_learns_the_same(our_losses(ours, SpanObjective(), source), update_loop(theirs, loss))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_beam_head_learns_in_packed_batches_what_single_windows_teach(tiny_tokenizer: Any) -> None:
    tokenizer = AlbertTokenizer.from_pretrained(tiny_tokenizer)
    windows = examples(tokenizer)
    torch.manual_seed(5)
    alone = AlbertForQuestionAnsweringBeam(AlbertConfig(vocab_size=len(tokenizer), **SIZES)).train()
    ours = copy.deepcopy(alone)
    source = FinetuneSource(windows, BATCH, seed=9, max_steps=STEPS)

    def loss(step: int) -> Any:
        inputs = [single(windows, int(number)) for batch in source[step] for number in batch.indices]
        found = []
        for one in inputs:
            said = alone(**one)
            span = -(said.start_log_probs[0, one["start_positions"]] + said.end_log_probs[0, one["end_positions"]]) / 2
            share = torch.sigmoid(said.cls_logits)
            right = share if int(one["is_impossible"]) else 1 - share
            found.append(span - right.log() / 2)
        return torch.cat(found).mean()

    assert_learns_the_same(our_losses(ours, BeamObjective(), source), update_loop(alone, loss))
