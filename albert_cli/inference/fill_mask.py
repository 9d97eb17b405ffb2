"""Which words fit where a text says ``[MASK]``?

Shapes: M masks of all queries, V vocabulary, T packed tokens, k best words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from albert_cli.errors import UsageError
from albert_cli.inference.device import Compute, Warn
from albert_cli.inference.joint_filling import BEAM_WIDTH, Filling, fill_jointly
from albert_cli.inference.queries import NOT_FINITE, Answer, Encoded, Encoder, Query, Refusal, in_parts, marked, pack
from albert_cli.models.heads_language import AlbertForMaskedLM
from albert_cli.tokenization.pieces import SPACE
from albert_cli.tokenization.tokenizer import AlbertTokenizer

DEFAULT_TOP_K = 5
MOST_MASKS = 1000  # of one text; each is answered with a sentence of its own

Words = list[dict[str, Any]]


@dataclass(frozen=True)
class _Window:
    """What the model reads of a text at once.

    Attributes:
        row: its tokens.
        places: the masks among them that are asked about.
    """

    row: Encoded
    places: list[int]


class FillMask:
    """Answers with the k best words of each mask: ``score``, ``token``, ``token_str``, ``sequence``.

    A text with one mask gets a list of words; one with several masks a list of such lists, in which the other masks
    and the special tokens stay in ``sequence``. Each mask is judged by itself, the others open, unless they are filled
    jointly: then a text gets a list of fillings, whose ``token`` and ``token_str`` are lists, one entry for each mask,
    and whose ``score`` is the pseudo joint probability (`joint_filling`).

    Of a text too long for the model a window around the masks is read, or several if they lie apart; ``sequence`` is
    then that window, and the answer says ``truncated``.

    Args:
        model: with a trained masked-language head.
        tokenizer: of the model.
        compute: where to compute.
        max_length: tokens that the model reads at most.
        top_k: k; capped at the number of targets.
        targets: ids of the only words to score, or None for all. Scores stay shares of the whole vocabulary.
        joint: whether several masks are filled together.
        truncates: whether a text too long for the model is cut at its end instead of read in windows.
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
        joint: bool = False,
        truncates: bool = False,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._compute = compute
        self._encoder = Encoder(tokenizer, max_length, truncates=truncates, reads_specials=True)
        self._targets = None if targets is None else torch.tensor(list(targets))
        self._wanted = top_k
        self._top_k = min(top_k, model.config.vocab_size if targets is None else len(targets))
        self._joint = joint

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Fill the masks of some texts."""
        ids = self._tokenizer.encode_batch([query.text for query in queries], split_special_tokens=False)
        planned = [
            Refusal("a pair of texts; fill-mask takes one") if query.pair is not None else self._plan(row)
            for query, row in zip(queries, ids, strict=True)
        ]
        asked = [one for one in planned if not isinstance(one, Refusal)]
        answers = iter(self._fill_jointly(asked) if self._joint else self._fill(asked))
        return [{"error": one.reason} if isinstance(one, Refusal) else next(answers) for one in planned]

    def _plan(self, ids: list[int]) -> list[_Window] | Refusal:
        """Windows of a text that together hold its masks."""
        mask = self._tokenizer.mask_token_id
        room = self._encoder.max_length - 2
        places = [place for place, token in enumerate(ids) if token == mask]
        if not places:
            return Refusal(f"no {self._tokenizer.mask_token} in the text")
        if len(places) > MOST_MASKS:
            return Refusal(f"{len(places):,} masks in the text; at most {MOST_MASKS:,} are filled")
        if len(ids) <= room or self._encoder.truncates:
            row = self._encoder.join(ids, None)
            if isinstance(row, Refusal):
                return row
            kept = [place for place, token in enumerate(row.ids) if token == mask]
            cut = f"no {self._tokenizer.mask_token} in the first {len(row.ids)} tokens, which the model reads"
            return [_Window(row, kept)] if kept else Refusal(cut)
        windows = []
        for group in _neighbours(places, room if self._joint else room // 2):
            first = (group[0] + group[-1] + 1 - room) // 2  # as much before the masks as behind them
            first = min(max(first, 0), len(ids) - room)
            inner = [self._tokenizer.cls_token_id, *ids[first : first + room], self._tokenizer.sep_token_id]
            windows.append(_Window(Encoded(inner, len(inner), True), [place - first + 1 for place in group]))
        if self._joint and len(windows) > 1:
            return Refusal(f"the masks lie farther apart than the {room} tokens that the model reads: not joint")
        return windows

    def _fill(self, texts: list[list[_Window]]) -> list[Answer]:
        """Each mask by itself."""
        windows = [window for one in texts for window in one]
        scores: list[list[float]] = []
        tokens: list[list[int]] = []
        for logits in self._logits([window.row for window in windows], [window.places for window in windows]):
            values, indices = self._best(logits)
            scores += values.tolist()
            tokens += indices.tolist()
        answers, begin = [], 0
        for one in texts:
            asked = [(window.row, place) for window in one for place in window.places]
            end = begin + len(asked)
            lists = [
                self._words(*asked[number - begin], scores[number], tokens[number], is_single=len(asked) == 1)
                for number in range(begin, end)
            ]
            found: Answer = {"results": lists[0] if len(asked) == 1 else lists}
            answers.append(marked(found, one[0].row) if _is_finite(scores[begin:end]) else NOT_FINITE)
            begin = end
        return answers

    def _fill_jointly(self, texts: list[list[_Window]]) -> list[Answer]:
        """All masks of a text together; each text has one window."""
        windows = [one[0] for one in texts]
        fillings = fill_jointly(
            [window.row for window in windows],
            [window.places for window in windows],
            lambda rows, places: torch.cat(
                [logits.cpu() for logits in self._logits(rows, [[place] for place in places])]
            ),
            width=max(BEAM_WIDTH, self._wanted),
            targets=self._targets,
        )
        return [
            marked({"results": [self._filling(one) for one in found[: self._wanted]]}, window.row)
            if found
            else NOT_FINITE
            for window, found in zip(windows, fillings, strict=True)
        ]

    def _logits(self, rows: Sequence[Encoded], places: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """(M, V) float32 logits at places of rows, in their order and in parts."""
        left = iter(places)
        for part in in_parts(rows, most_tokens=self._compute.batch_tokens):
            packed = pack(part, self._compute.device)
            positions, start = [], 0
            for row in part:
                positions += [start + place for place in next(left)]
                start += len(row.ids)
            with self._compute.inference():
                output = self._model(
                    packed.input_ids,
                    token_type_ids=packed.token_type_ids,
                    layout=packed.layout,
                    masked_positions=torch.tensor(positions, device=self._compute.device),
                )
            yield output.logits.float()

    def _best(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """(M, V) logits to the (M, k) highest probabilities and their ids."""
        probabilities = logits.softmax(dim=-1)
        if self._targets is None:
            best = probabilities.topk(self._top_k)
            return best.values, best.indices
        targets = self._targets.to(logits.device)
        best = probabilities.index_select(1, targets).topk(self._top_k)
        return best.values, targets[best.indices]

    def _words(self, row: Encoded, place: int, scores: list[float], tokens: list[int], *, is_single: bool) -> Words:
        return [
            {
                "score": score,
                "token": token,
                "token_str": self._tokenizer.decode([token]),
                # With several masks the special tokens stay, or the other masks would vanish from the sentence.
                "sequence": self._sentence([*row.ids[:place], token, *row.ids[place + 1 :]], skips_specials=is_single),
            }
            for score, token in zip(scores, tokens, strict=True)
        ]

    def _filling(self, filling: Filling) -> dict[str, Any]:
        return {
            "score": math.exp(filling.log_prob),
            "token": list(filling.tokens),
            "token_str": [self._tokenizer.decode([token]) for token in filling.tokens],
            "sequence": self._sentence(filling.row.ids, skips_specials=True),
        }

    def _sentence(self, ids: Sequence[int], *, skips_specials: bool) -> str:
        kept = [number for number in ids if number != self._tokenizer.pad_token_id]  # <pad> is no word of a sentence
        return str(self._tokenizer.decode(kept, skip_special_tokens=skips_specials))


def _is_finite(rows: Sequence[Sequence[float]]) -> bool:
    return all(math.isfinite(value) for row in rows for value in row)


def _neighbours(places: Sequence[int], most: int) -> list[list[int]]:
    """Places in groups, each spread over at most ``most`` tokens."""
    groups: list[list[int]] = []
    for place in places:
        if groups and place - groups[-1][0] < most:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def target_ids(targets: Sequence[str], tokenizer: AlbertTokenizer, warn: Warn) -> list[int]:
    """Find the pieces of target words.

    A target that is a piece as written is that piece: ``paris`` goes on with a word and ``▁paris`` begins one, which is
    said where there are both. Any other word that is one whole piece when it begins (``paris`` where only ``▁paris``
    is in the vocabulary) is that. One of several pieces stands for its first, with a warning.

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
            if len(ids) > 1 or number == tokenizer.unk_token_id:
                parts = [tokenizer.id_to_piece(part) for part in ids]
                warn(
                    f"target {target!r} is not a piece of the vocabulary but {' '.join(parts)}; "
                    f"its first piece {parts[0]!r} is scored"
                )
        elif not target.startswith(SPACE) and SPACE + target in pieces:
            warn(f"target {target!r} is the piece inside words; {SPACE + target!r}, a piece too, begins one")
        found[number] = None
    if not found:
        raise UsageError(
            f"no target is in the vocabulary: {', '.join(targets) or '(none given)'}", hint="give other words"
        )
    return list(found)
