"""Which words fit where a text says ``[MASK]``?

Shapes: M masks of all queries, V vocabulary, T packed tokens, k best words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from albert_cli.errors import UsageError
from albert_cli.inference.device import Compute, Warn
from albert_cli.inference.queries import (
    NOT_FINITE,
    Answer,
    Encoded,
    Encoder,
    Query,
    Refusal,
    answer_each,
    marked,
    pack,
)
from albert_cli.models.heads_language import AlbertForMaskedLM
from albert_cli.tokenization.tokenizer import AlbertTokenizer

DEFAULT_TOP_K = 5


class FillMask:
    """Answers with the k best words of each mask: ``score``, ``token``, ``token_str``, ``sequence``.

    A text with one mask gets a list of words; one with several masks a list of such lists, in which the other masks
    and the special tokens stay in ``sequence``.

    Args:
        model: with a trained masked-language head.
        tokenizer: of the model.
        compute: where to compute.
        max_length: tokens that the model reads at most.
        top_k: k; capped at the number of targets.
        targets: ids of the only words to score, or None for all. Scores stay shares of the whole vocabulary.
        truncates: whether a text too long for the model is cut at its end; else it is refused, for the mask might be
            in what is cut.
    """

    def __init__(
        self,
        model: AlbertForMaskedLM,
        tokenizer: AlbertTokenizer,
        *,
        compute: Compute,
        max_length: int,
        top_k: int = DEFAULT_TOP_K,
        targets: Sequence[int] | None = None,
        truncates: bool = False,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._compute = compute
        self._encoder = Encoder(tokenizer, max_length, truncates=truncates, reads_specials=True)
        self._targets = None if targets is None else torch.tensor(list(targets), device=compute.device)
        self._top_k = min(top_k, model.config.vocab_size if targets is None else len(targets))

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Fill the masks of some texts."""
        encoded = [self._with_mask(row) for row in self._encoder.encode(queries)]
        return answer_each(encoded, self._fill)

    def _with_mask(self, row: Encoded | Refusal) -> Encoded | Refusal:
        mask = self._tokenizer.mask_token_id
        if isinstance(row, Encoded) and mask not in row.ids:
            return Refusal(f"no {self._tokenizer.mask_token} in the text")
        return row

    def _fill(self, rows: list[Encoded]) -> list[Answer]:
        packed = pack(rows, self._compute.device)
        positions = (packed.input_ids == self._tokenizer.mask_token_id).nonzero().squeeze(-1)  # (M,)
        with self._compute.inference():
            output = self._model(
                packed.input_ids,
                token_type_ids=packed.token_type_ids,
                layout=packed.layout,
                masked_positions=positions,
            )
        values, indices = self._best(output.logits.float())  # (M, k) each
        is_finite = values.isfinite().all(dim=-1).tolist()
        scores, tokens = values.tolist(), indices.tolist()
        answers, begin = [], 0
        for row in rows:
            places = [place for place, token in enumerate(row.ids) if token == self._tokenizer.mask_token_id]
            end = begin + len(places)
            if all(is_finite[begin:end]):
                answers.append(marked({"results": self._words(row, places, scores[begin:end], tokens[begin:end])}, row))
            else:
                answers.append(NOT_FINITE)
            begin = end
        return answers

    def _best(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """(M, V) logits to the (M, k) highest probabilities and their ids."""
        probabilities = logits.softmax(dim=-1)
        if self._targets is None:
            best = probabilities.topk(self._top_k)
            return best.values, best.indices
        best = probabilities.index_select(1, self._targets).topk(self._top_k)
        return best.values, self._targets[best.indices]

    def _words(self, row: Encoded, places: list[int], scores: list[list[float]], tokens: list[list[int]]) -> list[Any]:
        is_single = len(places) == 1
        lists = [
            [self._word(row, place, score, token, is_single=is_single) for score, token in zip(*best, strict=True)]
            for place, *best in zip(places, scores, tokens, strict=True)
        ]
        return lists[0] if is_single else lists

    def _word(self, row: Encoded, place: int, score: float, token: int, *, is_single: bool) -> dict[str, Any]:
        filled = [*row.ids[:place], token, *row.ids[place + 1 :]]
        ids = [number for number in filled if number != self._tokenizer.pad_token_id]  # <pad> is no word of a sentence
        return {
            "score": score,
            "token": token,
            "token_str": self._tokenizer.decode([token]),
            # With several masks the special tokens stay, or the other masks would vanish from the sentence.
            "sequence": self._tokenizer.decode(ids, skip_special_tokens=is_single),
        }


def target_ids(targets: Sequence[str], tokenizer: AlbertTokenizer, warn: Warn) -> list[int]:
    """Find the pieces of target words.

    A word that is a piece as written is that piece; ``paris`` and ``▁paris`` are different pieces. Any other word
    stands for its first piece, with a warning.

    Args:
        targets: words, or pieces as the vocabulary writes them.
        tokenizer: of the model.
        warn: takes a warning of one line.

    Returns:
        Ids, each once, in the order of the words.

    Raises:
        UsageError: no word has a piece.
    """
    pieces = tokenizer.get_vocab()
    found: dict[int, None] = {}
    for target in targets:
        number = pieces.get(target)
        if number is None:
            ids = tokenizer.encode_batch([target])[0]
            if not ids:
                warn(f"target {target!r} has no piece in the vocabulary; left out")
                continue
            number = ids[0]
            piece = tokenizer.id_to_piece(number)
            warn(f"target {target!r} is not a piece of the vocabulary; its first piece {piece!r} is used")
        found[number] = None
    if not found:
        raise UsageError(
            f"no target is in the vocabulary: {', '.join(targets) or '(none given)'}", hint="give other words"
        )
    return list(found)
