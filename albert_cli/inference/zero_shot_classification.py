"""Which of some labels, named only now, fits a text? Asked of a model that judges whether one text entails another.

Shapes: B queries, S pairs (every label of every query), C classes of the model.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np
import torch

from albert_cli.errors import ModelError, UsageError
from albert_cli.inference.device import Compute
from albert_cli.inference.queries import NOT_FINITE, Answer, Encoded, Encoder, Query, Refusal, in_parts, pack
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads_sequence import AlbertForSequenceClassification
from albert_cli.tokenization.tokenizer import AlbertTokenizer

DEFAULT_TEMPLATE = "This example is {}."


class ZeroShotClassification:
    """Answers with ``sequence`` (the text), and its ``labels`` and their ``scores``, the best first.

    Each label makes a sentence of the template, and the model says how far the text entails it. A text too long for the
    model is cut at its end, never the sentence of the label; the answer says so.

    Args:
        model: a classifier of pairs, one of whose classes is entailment.
        tokenizer: of the model.
        compute: where to compute.
        max_length: tokens that the model reads at most.
        labels: to choose from, for queries that bring none of their own.
        template: a sentence with ``{}`` where the label goes.
        multi_label: whether any number of labels may fit: each gets the probability of entailment against
            contradiction. Else exactly one fits, and the scores sum to one. A single label is always asked the first
            way.

    Raises:
        ModelError: no class of the model is entailment.
        UsageError: a template without ``{}``.
    """

    def __init__(
        self,
        model: AlbertForSequenceClassification,
        tokenizer: AlbertTokenizer,
        *,
        compute: Compute,
        max_length: int,
        labels: Sequence[str] = (),
        template: str = DEFAULT_TEMPLATE,
        multi_label: bool = False,
    ) -> None:
        check_template(template)
        self._entailment, self._contradiction = judgements(model.config)
        self._model = model
        self._tokenizer = tokenizer
        self._compute = compute
        self._encoder = Encoder(tokenizer, max_length, cut="first")
        self._labels = tuple(labels)
        self._template = template
        self._multi_label = multi_label

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Judge some texts."""
        asked = self._encode(queries)
        rows = [row for one in asked if not isinstance(one, Refusal) for row in one]
        logits = iter(self._logits(rows))
        answers: list[Answer] = []
        for query, one in zip(queries, asked, strict=True):
            if isinstance(one, Refusal):
                answers.append({"error": one.reason})
                continue
            answer = self._answer(query, np.stack([next(logits) for _ in one]))
            is_cut = any(row.is_truncated for row in one)
            answers.append({**answer, "truncated": True} if is_cut and "error" not in answer else answer)
        return answers

    def _encode(self, queries: Sequence[Query]) -> list[list[Encoded] | Refusal]:
        """Each text with each of its labels; texts and labels become tokens once."""
        names = list(dict.fromkeys(label for query in queries for label in query.choices or self._labels))
        sentences = [self._template.format(name) for name in names]
        texts = self._tokenizer.encode_batch([*(query.text for query in queries), *sentences])
        second = dict(zip(names, texts[len(queries) :], strict=True))
        found: list[list[Encoded] | Refusal] = []
        for query, first in zip(queries, texts, strict=False):
            labels = query.choices or self._labels
            if not query.text or not labels:
                found.append(Refusal("no text" if labels else "no labels to choose from"))
                continue
            rows = [self._encoder.join(first, second[label]) for label in labels]
            refused = [row for row in rows if isinstance(row, Refusal)]
            found.append(refused[0] if refused else [row for row in rows if isinstance(row, Encoded)])
        return found

    def _logits(self, rows: list[Encoded]) -> list[np.ndarray]:
        """S times (C,) float64."""
        found: list[np.ndarray] = []
        for part in in_parts(rows, most_tokens=self._compute.batch_tokens):
            packed = pack(part, self._compute.device)
            with self._compute.inference():
                output = self._model(packed.input_ids, token_type_ids=packed.token_type_ids, layout=packed.layout)
            found += list(output.logits.float().cpu().double().numpy())
        return found

    def _answer(self, query: Query, logits: np.ndarray) -> Answer:
        """The answer to one query from the (labels, C) logits of its pairs."""
        labels = query.choices or self._labels
        if not np.isfinite(logits).all():
            return NOT_FINITE
        if self._multi_label or len(labels) == 1:
            pair = torch.from_numpy(logits[:, [self._contradiction, self._entailment]])
            scores = pair.softmax(dim=-1)[:, 1].tolist()
        else:
            scores = torch.from_numpy(logits[:, self._entailment]).softmax(dim=-1).tolist()
        order = sorted(range(len(labels)), key=lambda number: -scores[number])
        return {
            "sequence": query.text,
            "labels": [labels[number] for number in order],
            "scores": [scores[number] for number in order],
        }


def judgements(config: AlbertConfig) -> tuple[int, int]:
    """Numbers of the classes entailment and contradiction.

    Entailment is the class whose name begins so. Contradiction, too (or ``not_entailment``, of models that know only
    two); without such a name it is the first class that is not entailment, or the last if entailment is the first, as
    in `transformers`.

    Raises:
        ModelError: no name begins with "entail".
    """
    names = {number: str(name).lower() for number, name in (config.id2label or {}).items()}
    found = [number for number, name in sorted(names.items()) if name.startswith("entail")]
    if not found or config.num_labels < 2:
        listed = ", ".join((config.id2label or {}).values()) or "none"
        raise ModelError(
            f"zero-shot-classification needs a model with a class called entailment; this one has: {listed}",
            hint="use a model trained on MNLI or the like (`albert finetune glue/mnli`), or name its classes in the "
            "id2label of its config.json",
        )
    entailment = found[0]
    against = [number for number, name in sorted(names.items()) if name.startswith(("contra", "not_entail"))]
    return entailment, against[0] if against else (config.num_labels - 1 if entailment == 0 else 0)


def check_template(template: str) -> None:
    """Refuse a template that has no place for the label, or more than a place.

    Raises:
        UsageError: it does.
    """
    hint = f'write {{}} where the label goes: "{DEFAULT_TEMPLATE}"'
    try:
        fields = [(name, form, turn) for _, name, form, turn in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UsageError(f"the template {template!r} cannot be read: {error}", hint=hint) from None
    if not fields:
        raise UsageError(f"the template {template!r} has no place for the label", hint=hint)
    if any(name not in ("", "0") or form or turn for name, form, turn in fields) or len({f[0] for f in fields}) > 1:
        raise UsageError(f"the template {template!r} holds other fields than the label", hint=hint)
    if [field[0] for field in fields].count("") > 1:
        raise UsageError(f"the template {template!r} has several places for the label", hint=hint)


def parse_labels(text: str) -> tuple[str, ...]:
    """Labels of a text that separates them by commas."""
    return tuple(label for label in (part.strip() for part in text.split(",")) if label)
