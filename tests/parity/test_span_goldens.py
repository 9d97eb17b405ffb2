"""Windows, labels and places against the original's SQuAD features."""

from __future__ import annotations

import json

import numpy as np
import pytest

from albert_cli.data.span_features import encode_spans
from albert_cli.data.tasks.squad import load_span_file
from albert_cli.tokenization.tokenizer import AlbertTokenizer

pytestmark = pytest.mark.shared


def test_features_of_the_original(shared_dir):
    tokenizer = AlbertTokenizer(str(shared_dir / "goldens/E_data/spiece.model"), algorithm="original")
    exceptions = set()
    for version in (1, 2):
        rows = load_span_file("squad2", shared_dir / f"goldens/G_squad/dataset_v{version}.json").splits["test"]
        for kind in ("eval", "train"):
            golden = json.loads((shared_dir / f"goldens/G_squad/features_v{version}_{kind}.json").read_text())
            flags, features = golden["flags"], golden["features"]
            examples = encode_spans(
                rows,
                tokenizer,
                max_length=flags["max_seq_length"],
                max_query_length=flags["max_query_length"],
                stride=flags["doc_stride"],
            )
            assert len(examples) == len(features)
            for window, feature in enumerate(features):
                check_tokens(examples, window, feature)
                if feature["start_position"] is not None:
                    check_labels(examples, window, feature)
                context = rows[int(examples.window_questions[window])]["context"]
                exceptions |= misplaced(examples, window, feature, context)
    # A space sign by itself: the original's is at the space, ours at the character that follows.
    assert {token for token, *_ in exceptions} == {"\u2581"}
    assert all(theirs.isspace() and len(ours) == 1 for _, ours, theirs in exceptions)


def check_tokens(examples, window, feature):
    """Ids, types, forbidden places and maximal context of one window."""
    batch = examples.pack(np.array([window]), with_labels=False)
    size = sum(feature["input_mask"])
    assert batch.lengths == (size,)
    assert batch.input_ids.tolist() == feature["input_ids"][:size]
    assert batch.token_type_ids.tolist() == feature["segment_ids"][:size]
    assert batch.targets["p_mask"].int().tolist() == feature["p_mask"][:size]
    tokens = np.arange(size)
    best = examples.is_max_context(np.full(size, window), tokens)
    theirs = {int(token): is_best for token, is_best in feature["token_is_max_context"].items()}
    inside = examples.in_context(np.full(size, window), tokens)
    assert {int(token): bool(best[token]) for token in tokens[inside]} == theirs


def check_labels(examples, window, feature):
    """Positions of the answer."""
    targets = examples.pack(np.array([window]), with_labels=True).targets
    found = tuple(int(targets[name]) for name in ("start_positions", "end_positions", "is_impossible"))
    assert found == (feature["start_position"], feature["end_position"], int(feature["is_impossible"]))


def misplaced(examples, window, feature, context):
    """Tokens whose characters are not the original's, spaces at its edges aside: (token, ours, theirs)."""
    first = int(examples.first_lengths[window])
    tokens = np.arange(first, first + examples.window_sizes[window])
    starts, ends = examples.character_spans(np.full(len(tokens), window), tokens, tokens)
    theirs = zip(feature["tok_start_to_orig_index"], feature["tok_end_to_orig_index"], strict=True)
    found = set()
    for token, start, end, (low, high) in zip(tokens, starts.tolist(), ends.tolist(), theirs, strict=True):
        text = context[low : high + 1]
        begin = low + len(text) - len(text.lstrip())
        if (start, end) != (begin, begin + len(text.strip())):
            found.add((feature["tokens"][token], context[start:end], text))
    return found
