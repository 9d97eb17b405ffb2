"""Which stretches of a text are names (or whatever else a model was taught to tag)?

Shapes: T tokens of a batch of windows, P pieces of a text, C tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
import torch

from albert_cli.data.tag_features import DEFAULT_OVERLAP, plan_windows
from albert_cli.inference.device import Compute
from albert_cli.inference.queries import NOT_FINITE, Answer, Encoded, Query, in_parts, pack
from albert_cli.metrics.tag_spans import OUTSIDE, part_tag
from albert_cli.models.heads_token import AlbertForTokenClassification
from albert_cli.tokenization.encoder import EncodedText
from albert_cli.tokenization.tokenizer import AlbertTokenizer

Aggregation = Literal["none", "simple", "first", "average", "max"]
DEFAULT_AGGREGATION: Aggregation = "first"


@dataclass(frozen=True)
class _Read:
    """A text as the model reads it.

    Attributes:
        text: the text.
        encoded: its P pieces with their places.
        words: P numbers, the word of each piece (between white space, or as given).
        spans: first and end character of each given word; empty where white space parts words.
        windows: rows to compute.
        owned: for each window the pieces that it answers for, as a range, and the first piece that it reads.
    """

    text: str
    encoded: EncodedText
    words: list[int]
    spans: list[tuple[int, int]]
    windows: list[Encoded]
    owned: list[tuple[int, int, int]]


@dataclass(frozen=True)
class _Unit:
    """Pieces that get one tag: a piece, or a word.

    Attributes:
        tag: its name.
        score: probability of the tag.
        first: first piece.
        last: the piece behind the last.
    """

    tag: str
    score: float
    first: int
    last: int


class TokenClassification:
    """Answers with the stretches that have a tag, in their order.

    Args:
        model: with a trained classifier of tokens.
        tokenizer: of the model.
        compute: where to compute.
        max_length: tokens that the model reads at once; longer texts are read in windows, so that nothing is left out.
        aggregation: ``none`` gives every piece: ``entity``, ``score``, ``index``, ``word``, ``start``, ``end``.
            ``simple`` joins neighbouring pieces of one tag: ``entity_group``, ``score``, ``word``, ``start``, ``end``.
            ``first``, ``average`` and ``max`` give each word between white space one tag (that of its first piece,
            of its pieces' mean, of its surest piece) and join words; ``word`` is then the very text.
        ignored: what is left out: tags (``none``), or types of tags (all others), as in `transformers`.
        overlap: tokens that two windows of a long text share.
    """

    def __init__(
        self,
        model: AlbertForTokenClassification,
        tokenizer: AlbertTokenizer,
        *,
        compute: Compute,
        max_length: int,
        aggregation: Aggregation = DEFAULT_AGGREGATION,
        ignored: Sequence[str] = (OUTSIDE,),
        overlap: int = DEFAULT_OVERLAP,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._compute = compute
        self._room = max_length - 2
        self._aggregation = aggregation
        self._ignored = frozenset(ignored)
        self._overlap = overlap
        names = model.config.id2label or {}
        self._labels = [names.get(number, f"LABEL_{number}") for number in range(model.config.num_labels)]
        # E- and S- mean the end of a span and a single word only in models that have both.
        prefixes = {label[:2] for label in self._labels}
        self._marks_ends = {"E-", "S-"} <= prefixes or {"L-", "U-"} <= prefixes

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """Tag some texts."""
        read = [self._read(query) for query in queries]
        scores = self._scores([window for one in read for window in one.windows])
        answers: list[Answer] = []
        start = 0
        for one in read:
            answers.append(self._answer(one, scores[start : start + len(one.windows)]))
            start += len(one.windows)
        return answers

    def _read(self, query: Query) -> _Read:
        spans: list[tuple[int, int]] = []
        if query.words:
            encoded, words, spans = self._encode_words(query)
        else:
            encoded = self._tokenizer.encode_with_offsets(query.text)
            words = encoded.words_in(query.text)
        sizes = [len(list(group)) for _, group in groupby(words)]
        units = [part for size in sizes for part in _parts(size, self._room)]
        starts = np.concatenate([[0], np.cumsum(units)]).astype(int).tolist()
        windows: list[Encoded] = []
        owned: list[tuple[int, int, int]] = []
        cls, sep = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        for window in plan_windows(units, room=self._room, overlap=self._overlap):
            first = starts[window.first]
            ids = [cls, *encoded.ids[first : starts[window.last]], sep]
            windows.append(Encoded(ids, len(ids)))
            owned.append((starts[window.own_first], starts[window.own_last], first))
        return _Read(query.text, encoded, words, spans, windows, owned)

    def _encode_words(self, query: Query) -> tuple[EncodedText, list[int], list[tuple[int, int]]]:
        """Pieces of given words, each tokenised by itself as in training, with their places in the whole text."""
        merged, words, spans = EncodedText(), [], []
        between = (len(query.text) - sum(map(len, query.words))) // max(1, len(query.words) - 1)
        start = 0
        for number, word in enumerate(query.words):
            spans.append((start, start + len(word)))
            encoded = self._tokenizer.encode_with_offsets(word)
            if not encoded.ids:  # of a blank or zero-width sign nothing is left; it is tagged like any other word
                encoded = EncodedText([self._tokenizer.unk_token_id], [0], [len(word)], [word])
            merged.ids.extend(encoded.ids)
            merged.starts.extend(start + place for place in encoded.starts)
            merged.ends.extend(start + place for place in encoded.ends)
            merged.pieces.extend(encoded.pieces)
            words += [number] * len(encoded.ids)
            start += len(word) + between
        return merged, words, spans

    def _scores(self, windows: Sequence[Encoded]) -> list[np.ndarray]:
        """Probabilities of every token of each window, (tokens, C) float32."""
        parts = in_parts(windows, most_tokens=self._compute.batch_tokens)
        return [scores for part in parts for scores in self._compute_scores(part)]

    def _compute_scores(self, batch: list[Encoded]) -> list[np.ndarray]:
        packed = pack(batch, self._compute.device)
        with self._compute.inference():
            output = self._model(packed.input_ids, token_type_ids=packed.token_type_ids, layout=packed.layout)
        shares = output.logits.float().softmax(dim=-1).cpu()  # (T, C)
        return [part.numpy() for part in torch.split(shares, [len(row.ids) for row in batch])]

    def _answer(self, read: _Read, scores: Sequence[np.ndarray]) -> Answer:
        parts = [
            rows[first - start + 1 : last - start + 1]  # behind [CLS]
            for rows, (first, last, start) in zip(scores, read.owned, strict=True)
        ]
        table = np.concatenate([np.empty((0, len(self._labels)), np.float32), *parts])  # (P, C)
        if not np.isfinite(table).all():
            return NOT_FINITE
        if self._aggregation == "none":
            units = [self._unit(row, number, number + 1) for number, row in enumerate(table)]
            kept = [unit for unit in units if unit.tag not in self._ignored]
            return {"results": [self._piece(read, unit) for unit in kept]}
        groups = self._groups(self._units(read, table))
        results = [self._group(read, group) for group in groups]
        return {"results": [result for result in results if result["entity_group"] not in self._ignored]}

    def _unit(self, scores: np.ndarray, first: int, last: int) -> _Unit:
        best = int(scores.argmax())
        return _Unit(self._labels[best], float(scores[best]), first, last)

    def _units(self, read: _Read, table: np.ndarray) -> list[_Unit]:
        """Pieces, or words with one tag each."""
        if self._aggregation == "simple":
            return [self._unit(row, number, number + 1) for number, row in enumerate(table)]
        units: list[_Unit] = []
        for _, group in groupby(range(len(table)), key=read.words.__getitem__):
            pieces = list(group)
            rows = table[pieces]
            if self._aggregation == "first":
                scores = rows[0]
            elif self._aggregation == "average":
                scores = rows.mean(axis=0)
            else:
                scores = rows[int(rows.max(axis=-1).argmax())]
            units.append(self._unit(scores, pieces[0], pieces[-1] + 1))
        return units

    def _groups(self, units: Sequence[_Unit]) -> list[list[_Unit]]:
        """Neighbours of one type; a tag that begins a span begins a group."""
        groups: list[list[_Unit]] = []
        before: tuple[str, str] | None = None
        for unit in units:
            prefix, kind = self._meaning(unit.tag)
            joins = before is not None and kind == before[1] and prefix not in "BS" and before[0] not in "ES"
            if joins:
                groups[-1].append(unit)
            else:
                groups.append([unit])
            before = (prefix, kind)
        return groups

    def _meaning(self, tag: str) -> tuple[str, str]:
        """Prefix and type; a tag without a prefix goes on with what is before it."""
        if tag.startswith(("B-", "I-")):
            return tag[0], tag[2:]
        parted = part_tag(tag) if self._marks_ends else None
        return parted or ("I", tag)

    def _piece(self, read: _Read, unit: _Unit) -> dict[str, Any]:
        place, encoded = unit.first, read.encoded
        return {
            "entity": unit.tag,
            "score": unit.score,
            "index": place + 1,
            "word": self._piece_text(read, place),
            "start": encoded.starts[place],
            "end": encoded.ends[place],
        }

    def _piece_text(self, read: _Read, place: int) -> str:
        encoded = read.encoded
        if encoded.ids[place] == self._tokenizer.unk_token_id:
            return read.text[encoded.starts[place] : encoded.ends[place]]
        return self._tokenizer.id_to_piece(encoded.ids[place])

    def _group(self, read: _Read, group: Sequence[_Unit]) -> dict[str, Any]:
        first, last = group[0].first, group[-1].last
        start, end = read.encoded.starts[first], read.encoded.ends[last - 1]
        if self._aggregation == "simple":
            word = self._tokenizer.convert_tokens_to_string([self._piece_text(read, n) for n in range(first, last)])
        else:
            if read.spans:
                start, end = read.spans[read.words[first]][0], read.spans[read.words[last - 1]][1]
            elif read.encoded.words is None:  # white space parts words
                start, end = _whole_words(read.text, start, end)
            word = read.text[start:end]
        return {
            "entity_group": group[0].tag.split("-", 1)[-1],
            "score": float(np.mean([unit.score for unit in group])),
            "word": word,
            "start": start,
            "end": end,
        }


def _parts(size: int, room: int) -> list[int]:
    """Pieces of a word in portions that fit into a window."""
    return [room] * (size // room) + ([size % room] if size % room else [])


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span to the white space around it: characters that left no piece belong to their word."""
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return start, end
