"""What looks wrong in the figures of a pretraining run although nothing has failed, and what the cause may be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_ENOUGH_STEPS = 1000  # earlier a model may well know nothing yet
_SHORT_RUN = 100  # at the end of a run this many are enough to ask
_NO_BETTER = 0.05  # nats below the piece frequencies that are no knowledge
_WORSE = 0.3  # nats above them that no honest start explains
_TOO_EASY = 0.995
_ABOVE = 0.1  # nats above knowing nothing that are no noise over a block
_BLOCK_STEPS, _BLOCK_WORDS, _BLOCKS = 40, 5000, 2
_PAIRS = 200  # fewer say nothing about the order task


@dataclass
class Suspicions:
    """Remembers what it has said; the same thing is said again only after it was over.

    Attributes:
        continued: whether the weights came from another model, which should know something from the first step.
    """

    continued: bool = False
    said: set[str] = field(default_factory=set)

    def about(self, values: Mapping[str, float], *, pairs: float, step: int, final: bool) -> list[str]:
        """New warnings for held-out (or training) figures.

        Args:
            values: of metrics.jsonl, see ``pretraining_watch.pretraining_values``.
            pairs: segment pairs that ``sop_accuracy`` is a share of.
            step: updates made.
            final: whether the run is over.
        """
        ripe = step >= _ENOUGH_STEPS or (final and step >= _SHORT_RUN)
        found = dict(_start(values)) if self.continued and step == 0 else {}
        if ripe:
            found |= {**dict(_words(values)), **dict(_order(values, pairs))}
            found.pop("start", None)
        news = [text for name, text in found.items() if name not in self.said]
        self.said = set(found)
        return news


@dataclass
class Collapse:
    """Whether a run is worse than knowing nothing and stays so: the mark of far too large steps.

    A model that has learnt nothing yet answers with the piece frequencies and a coin. One whose weights are thrown
    around loses more than that, and does not come down. Lines are joined until they hold enough to tell it from noise.

    Attributes:
        patience: steps before anything is judged, the warm-up among them.
    """

    patience: int
    blocks: list[tuple[float, float]] = field(default_factory=list)
    pending: list[tuple[float, float, float]] = field(default_factory=list)
    began: int = 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, JSON values: the lines that were taken in so far."""
        return {
            "blocks": [list(block) for block in self.blocks],
            "pending": [list(line) for line in self.pending],
            "began": self.began,
        }

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept; from nothing, begin anew."""
        self.blocks = [(words, order) for words, order in state.get("blocks", [])]
        self.pending = [(words, masked, order) for words, masked, order in state.get("pending", [])]
        self.began = int(state.get("began", 0))

    def sign(self, values: Mapping[str, float], *, masked: float, pairs: float, step: int) -> str | None:
        """Take in a line of training figures; what is wrong, once it is.

        Args:
            values: of metrics.jsonl.
            masked: positions that ``mlm_loss_masked`` is the mean of.
            pairs: pairs that ``sop_loss`` is the mean of, 0 without a sentence task.
            step: updates made.
        """
        if step <= self.patience or not masked:
            self.began = step
            return None
        words = (values["mlm_loss_masked"] - values["mlm_loss_unigram"]) * masked
        order = (values.get("sop_loss", math.log(2)) - math.log(2)) * pairs
        self.pending.append((words, masked, order))
        count = sum(line[1] for line in self.pending)
        if count < _BLOCK_WORDS or step - self.began < _BLOCK_STEPS:
            return None
        share = pairs / masked  # the same in every line
        self.blocks.append(
            (
                sum(line[0] for line in self.pending) / count,
                sum(line[2] for line in self.pending) / (count * share) if share else 0.0,
            )
        )
        self.blocks, self.pending, self.began = self.blocks[-_BLOCKS:], [], step
        return self._judge()

    def _judge(self) -> str | None:
        if len(self.blocks) < _BLOCKS:
            return None
        last = self.blocks[-_BLOCKS:]
        words, order = last[-1]
        if all(block[1] > _ABOVE for block in last):
            return f"sentence order costs {order:.2f} nats more than tossing a coin"
        if all(block[0] > _ABOVE for block in last) and last[-1][0] > last[0][0] - _ABOVE / 2:
            return (
                f"masked words cost {words:.2f} nats more than with piece frequencies alone, and it does not get less"
            )
        return None


def wilson_interval(share: float, count: float) -> tuple[float, float]:
    """95 % interval of a share of ``count`` independent cases (Wilson)."""
    z = 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def _start(values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    loss, unigram = values["mlm_loss_masked"], values["mlm_loss_unigram"]
    if unigram and loss > unigram - _NO_BETTER:
        yield (
            "start",
            f"the weights of the start do not know this text: loss {loss:.2f} on [MASK] before the first step, "
            f"piece frequencies alone {unigram:.2f}; likely causes: a tokenizer or case other than the one they were "
            "trained with, another language, weights of a head that was drawn anew",
        )


def _words(values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    loss, unigram = values["mlm_loss_masked"], values["mlm_loss_unigram"]
    if not unigram:
        return
    if loss > unigram + _WORSE:
        yield (
            "worse",
            f"masked words: worse than piece frequencies ({loss:.2f}, they have {unigram:.2f} nats on [MASK]); likely "
            "causes: a learning rate too high (try a tenth), held-out text of another kind than the training text, "
            "prepared text or labels of another tokenizer than the model's",
        )
    elif loss > unigram - _NO_BETTER:
        yield (
            "plateau",
            f"masked words: no better than piece frequencies ({loss:.2f} and {unigram:.2f} nats on [MASK]); likely "
            "causes: too few steps yet, a learning rate too high or too low, model.initializer_range too small for a "
            "narrow model (about 0.7 / sqrt(hidden_size) suits), a small batch, a tokenizer that does not fit",
        )


def _order(values: Mapping[str, float], pairs: float) -> Iterator[tuple[str, str]]:
    accuracy = values.get("sop_accuracy")
    if accuracy is None or pairs < _PAIRS:
        return
    low, high = wilson_interval(accuracy, pairs)
    if low <= 0.5 <= high:
        yield (
            "order",
            f"sentence order: at chance ({accuracy:.1%}, 95 % interval {low:.1%} to {high:.1%} of {pairs:,.0f} pairs); "
            "likely causes: masked words are not learnt yet either, data.max_length too short for two sentences, "
            "documents whose sentences are in no order",
        )
    if accuracy >= _TOO_EASY:
        yield (
            "easy",
            f"sentence order: suspiciously easy ({accuracy:.1%} of {pairs:,.0f} pairs); likely causes: repeated text, "
            "a marker at the head of every sentence or document, pairs of different documents (nsp, sop_original)",
        )
