"""How are encoded samples laid out as the rows of one batch, and how are finished rows brought to one length?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from albert_cli.tokenization.assemble import Cut, Frame, cut_sample, frame_of, pad_list, padded_length, type_ids_of
from albert_cli.tokenization.encoder import EncodedText
from albert_cli.tokenization.encoding import Alignment, BatchEncoding, RowEncoding
from albert_cli.tokenization.engine import Encoder
from albert_cli.tokenization.request import Sample, Shape

Places = tuple[list[int], list[int], list[int]]

# What fills up each kind of list; the id of the padding token is the tokenizer's own.
_FILLERS: Mapping[str, Any] = {
    "attention_mask": 0,
    "token_type_ids": 0,
    "special_tokens_mask": 1,
    "offset_mapping": (0, 0),
}


@dataclass(frozen=True)
class EncodedSample:
    """Ids of one input, and how to find their places."""

    first: list[int]
    second: list[int] | None
    alignments: tuple[Alignment, ...]


@dataclass(frozen=True)
class Marks:
    """Ids of the tokens put around and behind texts, and id to text."""

    cls: int
    sep: int
    pad: int
    table: Any


def encode_samples(encoder: Encoder, samples: Sequence[Sample], *, split: bool, draw: bool) -> list[EncodedSample]:
    """Ids of samples, all texts in one go.

    Args:
        encoder: text to ids.
        samples: texts, or lists of words.
        split: treat special tokens as text.
        draw: segmentations are drawn at random, so ids and places must come from one encoding.
    """
    sources = [side for sample in samples for side in (sample.first, sample.second) if side is not None]
    sequences = iter(_encode_sources(encoder, sources, split=split, draw=draw))
    out: list[EncodedSample] = []
    for sample in samples:
        first, where = next(sequences)
        if sample.second is None:
            out.append(EncodedSample(first, None, (where,)))
        else:
            second, where_second = next(sequences)
            out.append(EncodedSample(first, second, (where, where_second)))
    return out


def build_rows(samples: Sequence[EncodedSample], shape: Shape, marks: Marks, *, special: bool) -> list[RowEncoding]:
    """Cut, frame and pad samples.

    Args:
        samples: encoded inputs.
        shape: how long rows may be and how they are filled up.
        marks: special ids.
        special: add special tokens.
    """
    rows: list[RowEncoding] = []
    for index, sample in enumerate(samples):
        count = (2 + (sample.second is not None)) * special
        size = None if sample.second is None else len(sample.second)
        for cut in cut_sample(len(sample.first), size, shape, specials=count):
            rows.append(_row(sample, cut, marks, special, index))
    length = padded_length([len(row.ids) for row in rows], shape)
    if length is not None:
        rows = [_padded(row, length, marks.pad, shape.padding_side) for row in rows]
    return rows


def pad_encoded(encoded: Any, shape: Shape, *, pad_id: int, want_mask: bool) -> dict[str, Any]:
    """Bring rows that were encoded one by one to one length.

    Args:
        encoded: a mapping of lists, a mapping of lists of lists, or a list of mappings.
        shape: how to fill up.
        pad_id: id of the padding token.
        want_mask: make ``attention_mask`` where it is missing.

    Raises:
        ValueError: no ``input_ids``, or lists that do not fit together.
    """
    table = (
        {k: [row[k] for row in encoded] for k in encoded[0]} if isinstance(encoded, (list, tuple)) else dict(encoded)
    )
    if "input_ids" not in table:
        raise ValueError("pad needs input_ids")
    lists = {name: _as_lists(values) for name, values in table.items()}
    ids = lists["input_ids"]
    if not ids or not isinstance(ids[0], list):
        alone = pad_encoded({k: [v] for k, v in lists.items()}, shape, pad_id=pad_id, want_mask=want_mask)
        return {name: values[0] for name, values in alone.items()}
    sizes = [len(row) for row in ids]
    if want_mask and "attention_mask" not in lists:
        lists["attention_mask"] = [[1] * size for size in sizes]
    length = padded_length(sizes, shape)
    fillers = {**_FILLERS, "input_ids": pad_id}
    for name in set(lists) & set(fillers):
        if [len(row) for row in lists[name]] != sizes:
            raise ValueError(f"{name} has other lengths than input_ids")
        lists[name] = [pad_list(row, length, fillers[name], shape.padding_side) for row in lists[name]]
    return lists


def to_batch(rows: Sequence[RowEncoding], *, names: Sequence[str], lengths: Sequence[int] | None) -> BatchEncoding:
    """The wanted columns of some rows.

    Args:
        rows: finished rows.
        names: columns, in order.
        lengths: tokens of each row before padding, if asked for.
    """
    columns = {
        "input_ids": lambda row: row.ids,
        "token_type_ids": lambda row: row.type_ids,
        "attention_mask": lambda row: row.attention_mask,
        "special_tokens_mask": lambda row: row.special_tokens_mask,
        "offset_mapping": lambda row: row.offsets,
    }
    data: dict[str, Any] = {name: [columns[name](row) for row in rows] for name in names if name in columns}
    if lengths is not None:
        data["length"] = list(lengths)
    if "overflow_to_sample_mapping" in names:
        data["overflow_to_sample_mapping"] = [row.sample for row in rows]
    return BatchEncoding(data, rows)


def _encode_sources(
    encoder: Encoder, sources: Sequence[str | Sequence[str]], *, split: bool, draw: bool
) -> list[tuple[list[int], Alignment]]:
    """Ids of each text or list of words, and its places on demand."""
    parts = [[source] if isinstance(source, str) else list(source) for source in sources]
    if draw:
        drawn = [[encoder.encode_with_offsets(text, split_special_tokens=split) for text in part] for part in parts]
        places = [_join_places(source, part, done) for source, part, done in zip(sources, parts, drawn, strict=True)]
        ids = [[index for encoded in done for index in encoded.ids] for done in drawn]
        return [(row, Alignment(partial(_given, where))) for row, where in zip(ids, places, strict=True)]
    rows = iter(encoder.encode_batch([text for part in parts for text in part], split_special_tokens=split))
    return [
        ([index for _ in part for index in next(rows)], Alignment(partial(_places, encoder, source, part, split)))
        for source, part in zip(sources, parts, strict=True)
    ]


def _places(encoder: Encoder, source: str | Sequence[str], part: list[str], split: bool) -> Places:
    """Places of a sequence's tokens."""
    return _join_places(source, part, [encoder.encode_with_offsets(t, split_special_tokens=split) for t in part])


def _join_places(source: str | Sequence[str], part: list[str], done: list[EncodedText]) -> Places:
    """Places of several encoded words, or of one text: words are then parted by white space."""
    starts = [start for encoded in done for start in encoded.starts]
    ends = [end for encoded in done for end in encoded.ends]
    if isinstance(source, str):
        # The last character decides: with untrimmed offsets the first one lies in the gap before the word.
        last = [max(start, end - 1) for start, end in zip(starts, ends, strict=True)]
        return starts, ends, done[0].words_in(part[0], last)
    return starts, ends, [word for word, encoded in enumerate(done) for _ in encoded.ids]


def _given(places: Places) -> Places:
    return places


def _row(sample: EncodedSample, cut: Cut, marks: Marks, special: bool, index: int) -> RowEncoding:
    """One row before padding."""
    first = sample.first[slice(*cut.first)]
    second = None if cut.second is None or sample.second is None else sample.second[slice(*cut.second)]
    if special:
        ids = [marks.cls, *first, marks.sep, *([] if second is None else [*second, marks.sep])]
        mask = [1, *[0] * len(first), 1, *([] if second is None else [*[0] * len(second), 1])]
    else:
        ids = first + (second or [])
        mask = [0] * len(ids)
    return RowEncoding(
        ids=ids,
        type_ids=type_ids_of(len(first), None if second is None else len(second), special=special),
        attention_mask=[1] * len(ids),
        special_tokens_mask=mask,
        make_frame=partial(frame_of, cut, special=special),
        alignments=sample.alignments,
        table=marks.table,
        sample=index,
    )


def _padded(row: RowEncoding, length: int, pad_id: int, side: str) -> RowEncoding:
    """The row filled up."""
    if len(row.ids) >= length:
        return row
    return replace(
        row,
        ids=pad_list(row.ids, length, pad_id, side),
        type_ids=pad_list(row.type_ids, length, 0, side),
        attention_mask=pad_list(row.attention_mask, length, 0, side),
        special_tokens_mask=pad_list(row.special_tokens_mask, length, 1, side),
        make_frame=partial(_padded_frame, row, length, side),
    )


def _padded_frame(row: RowEncoding, length: int, side: str) -> Frame:
    return pad_list(row.frame, length, (None, -1), side)


def _as_lists(values: Any) -> Any:
    """Plain lists from arrays and tensors, inner ones too; anything else as it is."""
    if hasattr(values, "tolist"):
        return values.tolist()
    if isinstance(values, (list, tuple)):
        return [_as_lists(value) if hasattr(value, "tolist") else value for value in values]
    return values
