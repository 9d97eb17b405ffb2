"""Layout and truncation of rows against the original's features, by its own tokenizer's pieces."""

from __future__ import annotations

import json

import datasets
import numpy as np
import pytest

from albert_cli.data.features import encode_task

pytestmark = pytest.mark.shared


def test_features_of_the_original(shared_dir):
    from albert_cli.tokenization.tokenizer import AlbertTokenizer

    golden = json.loads((shared_dir / "goldens/G_squad/features_classifier.json").read_text())
    tokenizer = AlbertTokenizer(str(shared_dir / "goldens/E_data/spiece.model"), algorithm="original")
    by_length: dict[int, list[dict]] = {}
    for example in golden["examples"]:
        by_length.setdefault(example["max_seq_length"], []).append(example)
    for max_length, examples in by_length.items():
        kinds = {"text": datasets.Value("string"), "text_pair": datasets.Value("string")}
        kinds["label"] = datasets.ClassLabel(names=golden["label_list"])
        columns = {
            "text": [example["text_a"] for example in examples],
            "text_pair": [example["text_b"] or "" for example in examples],
            "label": [example["label"] for example in examples],
        }
        dataset = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
        encoded = encode_task(dataset, tokenizer, max_length=max_length)
        for number, example in enumerate(examples):
            batch = encoded.pack(np.array([number]), with_labels=True)
            size = sum(example["input_mask"])
            assert batch.input_ids.tolist() == example["input_ids"][:size]
            assert batch.token_type_ids.tolist() == example["segment_ids"][:size]
            assert batch.targets["labels"].tolist() == [example["label_id"]]
