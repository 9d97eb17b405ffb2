"""A hundred steps of pretraining from text against a plain loop around the model of installed transformers.

The batches are those of the source: cut, shuffled, packed and masked on the way. The plain loop pads them, takes the
model's own loss, clips with torch and updates with the Adam of the original, written out here. Dropout is 0.
"""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch
import transformers
from pretraining_toys import LetterTokenizer, write_corpus

from albert_cli.data.corpus import Corpus
from albert_cli.data.held_out import split_documents
from albert_cli.data.prepare import prepare_shards
from albert_cli.data.pretraining import ExampleLaw, PretrainingSource
from albert_cli.data.words import piece_kinds
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForPreTraining
from albert_cli.training.device import make_accelerator
from albert_cli.training.loop import StepReport, train
from albert_cli.training.objectives import PretrainingObjective
from albert_cli.training.optim import AlbertAdamW, parameter_groups
from albert_cli.training.schedule import learning_rate_factor

STEPS, WARMUP, RATE = 100, 10, 1e-3


def source_of(folder):
    tokenizer = LetterTokenizer()
    corpus = Corpus(path=str(write_corpus(folder)), sentences="newline", documents="blank_line")
    shards = prepare_shards(corpus, tokenizer, cache_dir=folder / "cache")
    law = ExampleLaw(kinds=piece_kinds(tokenizer, "spaces"), max_length=40)
    documents, _ = split_documents(shards, held_out=0.1, seed=law.seed)
    return PretrainingSource(shards, documents, law=law, batch_size=6, max_steps=STEPS), tokenizer.vocab_size


def padded(batch):
    """The same examples as transformers takes them: (B, L), -100 where nothing is predicted."""
    starts = np.cumsum([0, *batch.lengths])
    shape = len(batch.lengths), max(batch.lengths)
    ids, types, mask = (torch.zeros(shape, dtype=torch.int64) for _ in range(3))
    labels = torch.full(shape, -100)
    flat = torch.full((len(batch.input_ids),), -100)
    flat[batch.targets["masked_positions"]] = batch.targets["masked_labels"]
    for row, length in enumerate(batch.lengths):
        part = slice(starts[row], starts[row + 1])
        ids[row, :length], types[row, :length] = batch.input_ids[part], batch.token_type_ids[part]
        labels[row, :length], mask[row, :length] = flat[part], 1
    return {
        "input_ids": ids,
        "token_type_ids": types,
        "attention_mask": mask,
        "labels": labels,
        "sentence_order_label": batch.targets["sentence_order_label"],
    }


def plain_losses(model, source):
    memory = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in model.named_parameters()}
    losses = []
    for step in range(STEPS):
        (batch,) = source[step]
        model.zero_grad()
        loss = model(**padded(batch)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        rate = RATE * (step / WARMUP if step < WARMUP else 1 - step / STEPS)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                mean, square = memory[name]
                mean.mul_(0.9).add_(0.1 * weight.grad)
                square.mul_(0.999).add_(0.001 * weight.grad**2)
                decay = 0.0 if re.search("LayerNorm|layer_norm|bias", name) else 0.01
                weight -= rate * (mean / (square.sqrt() + 1e-6) + decay * weight)
        losses.append(loss.item())
    return losses


def test_a_hundred_steps_from_text_are_those_of_a_plain_loop(tmp_path):
    source, pieces = source_of(tmp_path)
    sizes = {
        "vocab_size": pieces,
        "embedding_size": 16,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 40,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout_prob": 0.0,
        "hidden_act": "gelu_new",
        "initializer_range": 0.1,
    }
    torch.manual_seed(3)
    theirs = transformers.AlbertForPreTraining(transformers.AlbertConfig(**sizes)).train()
    ours = AlbertForPreTraining(AlbertConfig(**sizes))
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    expected = plain_losses(theirs, source)
    events = train(
        model=ours,
        objective=PretrainingObjective(),
        source=source,
        optimizer=AlbertAdamW(parameter_groups(ours, 0.01), lr=RATE),
        schedule=lambda step: learning_rate_factor(step, total_steps=STEPS, warmup_steps=WARMUP),
        accelerator=make_accelerator("cpu", "fp32").accelerator,
        max_steps=STEPS,
    )
    seen = [event.loss.item() for event in events if isinstance(event, StepReport)]
    assert seen == pytest.approx(expected, abs=1e-4)
    assert len({round(loss, 3) for loss in seen}) > 90
    assert np.mean(seen[-10:]) < np.mean(seen[:10]) - 0.3
