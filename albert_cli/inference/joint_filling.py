"""Which words fill several masks of a text best together?

A filling is scored as the model would write it, from left to right: the probability of the first word with all masks
open, times that of the second with the first in its place, and so on. Over all fillings of a text these products sum to
one. They are not the only way to make one number of a masked model (from right to left gives another), which is why
they are called pseudo joint probabilities. The best fillings are searched with a beam: the likeliest beginnings are
kept, so a filling whose beginning is unlikely may be missed; a beam as wide as there are beginnings misses none.

Shapes: N open places that are asked about at once, V vocabulary, W width of the beam.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from albert_cli.inference.queries import Encoded

BEAM_WIDTH = 20

Ask = Callable[[list[Encoded], list[int]], Tensor]
"""Rows and a place in each to (N, V) float32 logits of the words there, on the processor."""


@dataclass(frozen=True)
class Filling:
    """Words for the masks of a text.

    Attributes:
        row: the text with the words in it.
        tokens: ids of the words, in the order of the masks.
        log_prob: logarithm of the pseudo joint probability.
    """

    row: Encoded
    tokens: tuple[int, ...]
    log_prob: float


def fill_jointly(
    rows: Sequence[Encoded], places: Sequence[Sequence[int]], ask: Ask, *, width: int, targets: Tensor | None = None
) -> list[list[Filling]]:
    """Search the best fillings of some texts, all of them together.

    Args:
        rows: the texts with their masks.
        places: of each text the places of its masks, from left to right.
        ask: what the model says.
        width: fillings to keep at each mask.
        targets: (K,) int64 ids of the only words to fill in; None takes all.

    Returns:
        For each text at most ``width`` fillings, the best first; none if the model says something that is not finite.
    """
    beams = [[Filling(row, (), 0.0)] for row in rows]
    for step in range(max(map(len, places), default=0)):
        turns = [number for number, open_places in enumerate(places) if step < len(open_places) and beams[number]]
        asked = [(filling.row, places[number][step]) for number in turns for filling in beams[number]]
        if not asked:
            break
        logits = ask([row for row, _ in asked], [place for _, place in asked])
        begin = 0
        for number in turns:
            end = begin + len(beams[number])
            beams[number] = _grow(beams[number], logits[begin:end], places[number][step], width, targets)
            begin = end
    return beams


def _grow(beam: list[Filling], logits: Tensor, place: int, width: int, targets: Tensor | None) -> list[Filling]:
    """The best fillings with one more word: (W, V) logits of the next mask, given each filling so far."""
    log_probs = logits.double().log_softmax(dim=-1)
    if not log_probs.isfinite().all():
        return []
    if targets is not None:
        log_probs = log_probs.index_select(1, targets)  # (W, K)
    before = torch.tensor([filling.log_prob for filling in beam], dtype=torch.float64)
    total = (before[:, None] + log_probs).flatten()
    best = total.topk(min(width, len(total)))
    grown = []
    for score, number in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        parent, column = divmod(number, log_probs.shape[1])
        token = column if targets is None else int(targets[column])
        row = beam[parent].row
        ids = [*row.ids[:place], token, *row.ids[place + 1 :]]
        filled = Encoded(ids, row.first_length, row.is_truncated)
        grown.append(Filling(filled, (*beam[parent].tokens, token), score))
    return grown
