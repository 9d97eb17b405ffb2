"""How often do the pieces of an answer give the answer back? ``answer_places.py TOKENIZER FILE [FILE ...]``.

For every answer of SQuAD-format files that stands at its offset: does the smallest span of pieces over it contain it,
could no piece be left out, and does its text equal the answer after the official normalisation? Then gold logits go
through the whole decoding, with the length of the longest answer and with the default of 30 tokens. These are the
figures of docs/results.md, "Where answers stand".
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from albert_cli.data.span_decoding import decode_plain
from albert_cli.data.span_features import SpanExamples, encode_spans
from albert_cli.data.span_places import answer_pieces
from albert_cli.data.tasks.squad import load_span_file
from albert_cli.metrics.squad import normalise, question_scores
from albert_cli.tokenization.tokenizer import AlbertTokenizer

DEFAULT_LENGTH = 30


def places(rows: Any, examples: SpanExamples, tokenizer: AlbertTokenizer) -> Counter[str]:
    """Count the answers, those at their offset, and what their pieces give."""
    hollow_pieces = np.array([not piece.strip("▁") for piece in tokenizer.piece_table()])
    counts: Counter[str] = Counter()
    for number, row in enumerate(rows):
        context = examples.question_contexts[number]
        mine = slice(examples.context_offsets[context], examples.context_offsets[context + 1])
        starts, ends = examples.context_starts[mine].tolist(), examples.context_ends[mine].tolist()
        hollow = hollow_pieces[examples.context_ids[mine]].tolist()
        for text, begin in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            counts["answers"] += 1
            if begin < 0 or not row["context"].startswith(text, begin):
                continue
            counts["at their offset"] += 1
            found = answer_pieces(starts, ends, hollow, first=begin, end=begin + len(text))
            if found is None:
                continue
            first, last = found
            inner = begin + len(text) - len(text.lstrip()), begin + len(text.rstrip())
            said = row["context"][starts[first] : ends[last]]
            on_border = (starts[first], ends[last]) == inner
            is_equal = normalise(said) == normalise(text)
            counts["contain it"] += starts[first] <= inner[0] and ends[last] >= inner[1]
            counts["no piece too many"] += all(starts[n] < inner[1] and ends[n] > inner[0] for n in found)
            counts["on borders"] += on_border
            counts["on borders and equal"] += on_border and is_equal
            counts["equal"] += is_equal
    return counts


def decoded(rows: Any, examples: SpanExamples, *, max_length: int) -> tuple[float, float]:
    """Exact match and F1 of the first golds when logits point at them."""
    lengths = examples.lengths
    starts = [np.zeros(length, np.float32) for length in lengths]
    ends = [np.zeros(length, np.float32) for length in lengths]
    impossible = list(rows["is_impossible"])
    for window, question in enumerate(examples.window_questions.tolist()):
        has_answer = examples.is_impossible[window] == 0
        if has_answer:
            starts[window][examples.start_positions[window]] = ends[window][examples.end_positions[window]] = 10
        elif impossible[question]:
            starts[window][0] = ends[window][0] = 10
    gold = [
        [] if no_answer else answer["text"][:1] for answer, no_answer in zip(rows["answers"], impossible, strict=True)
    ]
    version_2 = any(impossible)
    answers = decode_plain(
        examples, starts, ends, rows["context"], n_best=20, max_length=max_length, may_be_unanswered=version_2
    )
    texts = [answer.text(0.0) if version_2 else answer.best for answer in answers]
    scores = question_scores(texts, gold, version_2=version_2)
    return float(np.mean(scores.exact)), float(np.mean(scores.f1))


def main(arguments: list[str]) -> int:
    """Print a paragraph for each file."""
    tokenizer = AlbertTokenizer.from_pretrained(arguments[0])
    for path in map(Path, arguments[1:]):
        rows = load_span_file("squad2", path).splits["test"]
        examples = encode_spans(rows, tokenizer, max_length=384)
        counts = places(rows, examples, tokenizer)
        if not counts["at their offset"]:
            print(path.name, "has no answers")
            continue
        print(path.name, f"{counts['equal'] / counts['at their offset']:.2%} equal", dict(counts))
        spans = (examples.end_positions - examples.start_positions + 1)[examples.is_impossible == 0]
        long = len(set(examples.window_questions[examples.is_impossible == 0][spans > DEFAULT_LENGTH].tolist()))
        for length in (int(spans.max(initial=DEFAULT_LENGTH)), DEFAULT_LENGTH):
            exact, f1 = decoded(rows, examples, max_length=length)
            print(f"  gold logits, answers of {length} tokens at most: exact {exact:.2%}, f1 {f1:.2%}")
        print(f"  questions whose answer is longer than {DEFAULT_LENGTH} tokens: {long}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
