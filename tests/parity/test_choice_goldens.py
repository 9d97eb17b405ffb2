"""The original's RACE reader and features, and the real files: every one is read, with the numbers of its source."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from albert_cli.data.batching import PackedBatch
from albert_cli.data.choice_features import encode_choices, question_texts
from albert_cli.data.questions import Question, question_dataset
from albert_cli.data.race_files import find_race_files, questions_of_passage, read_race_file
from albert_cli.data.tasks.race import load_choices
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForMultipleChoice
from albert_cli.training.objectives_choices import ChoiceObjective

pytestmark = pytest.mark.shared


def test_features_of_the_original(shared_dir):
    from albert_cli.tokenization.tokenizer import AlbertTokenizer

    tokenizer = AlbertTokenizer(str(shared_dir / "goldens/E_data/spiece.model"), algorithm="original")
    golden = json.loads((shared_dir / "goldens/G_squad/features_race.json").read_text())
    compared = 0
    for example in golden:
        question = Question(example["context"], "", tuple(example["endings"]), example.get("label_id", 0))
        lengths = {"max_length": example["max_seq_length"], "max_qa_length": example["max_qa_length"]}
        encoded = encode_choices(question_dataset([question]), tokenizer, **lengths)
        batch = encoded.pack(np.array([0]), with_labels=True)
        if "error" in example:  # where the original gives up, the question is cut to what there is room for
            assert max(batch.lengths) == example["max_seq_length"]
            continue
        compared += 1
        sizes = [sum(mask) for mask in example["input_mask"]]
        assert list(batch.lengths) == sizes
        for name, values in (("input_ids", batch.input_ids), ("segment_ids", batch.token_type_ids)):
            expected = [number for row, size in zip(example[name], sizes, strict=True) for number in row[:size]]
            assert values.tolist() == expected
        assert batch.targets["labels"].tolist() == [example["label_id"]]
    assert compared == 5


def test_texts_of_the_original_reader(shared_dir):
    """It cleans the text before it joins the parts; our tokenizer cleans what is joined."""
    from albert_cli.tokenization.normalize import CleaningRules, clean

    golden = json.loads((shared_dir / "goldens/G_squad/race_reader.json").read_text())
    rules = CleaningRules(as_transformers=False)
    ours = []
    for level in ("high", "middle"):
        for one in questions_of_passage(golden["source"][level], place="golden", subset=level, needs_label=True):
            first, seconds = question_texts(one.context, one.question, one.choices, fills_blanks=True)
            ours.append((clean(first, rules), [clean(second, rules) for second in seconds], one.label))
    examples = golden["examples"]["high_only=False middle_only=False"]
    assert ours == [(one["context"], one["endings"], one["label"]) for one in examples]


def test_every_file_is_read_with_the_rows_of_its_source(shared_dir):
    race = [
        (file.split, one)
        for file in find_race_files(shared_dir / "data/race/RACE-train-dev.tar.gz")
        for one in read_race_file(file, needs_label=True)
    ]
    counted = Counter((split, one.subset) for split, one in race)
    train, dev = (
        {("train", "middle"): 25421, ("train", "high"): 62445},
        {("dev", "middle"): 1436, ("dev", "high"): 3451},
    )
    assert counted == {**train, **dev}
    by_id = {one.id: one for split, one in race if split == "dev"}
    assert len(by_id) == 4887
    sample = load_choices(path=shared_dir / "data/race/sample").splits["dev"]
    assert len(sample) == 218
    for row in sample:
        one = by_id[row["id"]]
        assert (row["context"], row["question"], tuple(row["choices"])) == (one.context, one.question, one.choices)
        assert (row["label"], row["subset"]) == (one.label, one.subset)
    for name, rows in (("swag-500", 500), ("hellaswag-1000", 1000)):
        found = load_choices(path=shared_dir / f"data/multiple_choice/{name}.jsonl")
        assert sum(map(len, found.splits.values())) == rows
        assert all(0 <= row["label"] < len(row["choices"]) == 4 for row in found.splits["dev"])
    assert sum(map(len, load_choices(path=shared_dir / "data/hf_samples/swag/sample.json").splits.values())) == 10


def test_loss_and_scores_of_the_original_graph(shared_dir):
    """Packed, without the padding that the graph computed."""
    folder = shared_dir / "goldens/A_google_tf1/race"
    config = json.loads((folder / "expected_hf_config.json").read_text())
    model = AlbertForMultipleChoice(AlbertConfig.from_dict({**config, "hidden_act": "gelu_new"})).eval()
    missing, _ = model.load_state_dict(load_file(folder / "expected_hf_state.safetensors"), strict=False)
    assert missing == []
    golden = np.load(folder / "io.npz")
    ids, types, mask = (
        golden[f"in/{name}"].reshape(12, 24) for name in ("input_ids", "segment_ids", "input_mask")
    )  # 3 questions with 4 choices
    sizes = mask.sum(-1)
    batch = PackedBatch(
        input_ids=torch.from_numpy(np.concatenate([row[:size] for row, size in zip(ids, sizes, strict=True)])).long(),
        token_type_ids=torch.from_numpy(np.concatenate([row[:n] for row, n in zip(types, sizes, strict=True)])).long(),
        lengths=tuple(sizes.tolist()),
        indices=torch.arange(3),
        targets={"choices": torch.arange(12).view(3, 4), "labels": torch.from_numpy(golden["in/label_ids"]).long()},
    )
    with torch.no_grad():
        said = ChoiceObjective().predictions(model, batch)
    np.testing.assert_allclose(said.rows["logits"].numpy(), golden["out/logits"].reshape(3, 4), atol=2e-5)
    assert said.sums.losses["choice"].item() / 3 == pytest.approx(float(golden["out/loss"]), abs=2e-5)
