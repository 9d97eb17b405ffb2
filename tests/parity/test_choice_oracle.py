"""Fifty steps over questions with choices against transformers and AdamW of torch; accuracy of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from sklearn.metrics import accuracy_score

from albert_cli.data.choice_features import encode_questions
from albert_cli.metrics.choices import choice_accuracy
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForMultipleChoice
from albert_cli.training.device import make_accelerator
from albert_cli.training.loop import StepReport, train
from albert_cli.training.objectives_choices import ChoiceObjective
from albert_cli.training.optim import AlbertAdamW, parameter_groups
from albert_cli.training.schedule import learning_rate_factor

STEPS, WARMUP, RATE, DECAY, QUESTIONS, CHOICES = 50, 10, 1e-4, 0.01, 6, 4
LETTERS = "abcdefghijklmnopqrst"
SIZES = {
    "vocab_size": 40,
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
    "initializer_range": 0.3,
}


class Letters:
    """A token for each letter."""

    cls_token_id, sep_token_id = 2, 3

    def encode_batch(self, texts):
        return [[10 + LETTERS.index(letter) for letter in text if letter in LETTERS] for text in texts]


def questions(step):
    """Questions of one step, of uneven length, with their labels."""
    random = np.random.default_rng([11, step])

    def text(low, high):
        return "".join(random.choice(list(LETTERS), random.integers(low, high)))

    rows = [
        {"context": text(4, 30), "question": text(1, 6), "choices": [text(1, 9) for _ in range(CHOICES)]}
        for _ in range(QUESTIONS)
    ]
    return rows, random.integers(0, CHOICES, QUESTIONS)


def encoded(rows, labels):
    return encode_questions(rows, labels, Letters(), max_length=32, max_qa_length=12, fills_blanks=True)


def padded(rows, labels):
    """The same by hand: sequences of 32 at most, the passage cut from its end."""
    tokens = Letters().encode_batch
    shape = (len(rows), CHOICES, 32)
    batch = {name: torch.zeros(shape, dtype=torch.int64) for name in ("input_ids", "token_type_ids", "attention_mask")}
    for number, row in enumerate(rows):
        for place, choice in enumerate(row["choices"]):
            second = tokens([row["question"] + choice])[0][-12:]
            first = tokens([row["context"]])[0][: 32 - 3 - len(second)]
            ids = [2, *first, 3, *second, 3]
            batch["input_ids"][number, place, : len(ids)] = torch.tensor(ids)
            batch["attention_mask"][number, place, : len(ids)] = 1
            batch["token_type_ids"][number, place, len(first) + 2 : len(ids)] = 1
    return {**batch, "labels": torch.from_numpy(labels)}


def peer():
    torch.manual_seed(4)
    return transformers.AlbertForMultipleChoice(transformers.AlbertConfig(**SIZES)).train()


def same_start(theirs):
    model = AlbertForMultipleChoice(AlbertConfig(**SIZES))
    assert model.load_state_dict(theirs.state_dict(), strict=False) == ([], [])
    return model


def rate_factor(step):
    return learning_rate_factor(step, total_steps=STEPS, warmup_steps=WARMUP)


@pytest.mark.parametrize("cut", [1, 3])
def test_fifty_steps_of_the_multiple_choice_model_of_transformers(cut):
    theirs = peer()
    model = same_start(theirs)
    groups = [
        {"params": part["params"], "weight_decay": part["weight_decay"]} for part in parameter_groups(theirs, DECAY)
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, eps=1e-6)
    expected = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate_factor(step)
        optimizer.zero_grad()
        loss = theirs(**padded(*questions(step))).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        optimizer.step()
        expected.append(loss.item())
    source = []
    for step in range(STEPS):
        examples = encoded(*questions(step))
        source.append([examples.pack(np.arange(start, QUESTIONS, cut), with_labels=True) for start in range(cut)])
    events = train(
        model=model,
        objective=ChoiceObjective(),
        source=source,
        optimizer=AlbertAdamW(parameter_groups(model, DECAY), lr=RATE, bias_correction=True),
        schedule=rate_factor,
        accelerator=make_accelerator("cpu", "fp32").accelerator,
        max_steps=STEPS,
    )
    losses = [event.loss.item() for event in events if isinstance(event, StepReport)]
    # Every step has other questions, so the losses must differ for the comparison to mean something.
    assert max(expected) - min(expected) > 0.1
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-5)


def test_questions_with_different_numbers_of_choices_weigh_the_same():
    """The mean over questions of each one's own loss, as transformers gives it for that question alone."""
    theirs = peer().eval()
    model = same_start(theirs).eval()
    rows, _ = questions(0)
    counts = [4, 2, 3, 4, 2, 3]
    labels = np.asarray([3, 1, 0, 2, 0, 2])
    rows = [{**row, "choices": row["choices"][:count]} for row, count in zip(rows, counts, strict=True)]
    batch = encoded(rows, labels).pack(np.arange(len(rows)), with_labels=True)
    objective = ChoiceObjective()
    predicted = objective.predictions(model, batch)
    alone = []
    for number, (row, count) in enumerate(zip(rows, counts, strict=True)):
        filled = {**row, "choices": row["choices"] + [""] * (4 - count)}
        whole = padded([filled], labels[number : number + 1])
        inputs = {name: value[:, :count] for name, value in whole.items() if name != "labels"}
        with torch.no_grad():
            output = theirs(**inputs, labels=whole["labels"])
        alone.append(output.loss.item())
        said = predicted.rows["logits"][number]
        np.testing.assert_allclose(said[:count].detach().numpy(), output.logits[0].numpy(), atol=1e-5)
        assert torch.isinf(said[count:]).all()
    assert predicted.sums.losses["choice"].item() / objective.counts(batch)["choice"] == pytest.approx(
        np.mean(alone), abs=1e-6
    )
    predicted.sums.losses["choice"].backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_accuracy_is_that_of_scikit_learn():
    random = np.random.default_rng(5)
    said, true = random.integers(0, 4, 300), random.integers(0, 4, 300)
    parts = random.choice(["high", "middle", ""], 300)
    scores = choice_accuracy(said, true, parts.tolist())
    assert list(scores) == ["accuracy", "accuracy_high", "accuracy_middle"]
    assert scores["accuracy"] == pytest.approx(accuracy_score(true, said))
    for part in ("high", "middle"):
        mine = parts == part
        assert scores[f"accuracy_{part}"] == pytest.approx(accuracy_score(true[mine], said[mine]))
