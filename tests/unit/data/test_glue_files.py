"""The real GLUE files of the team's folder: every row, and every oddity."""

from __future__ import annotations

import pytest
from subcases import each

from albert_cli.data.readers_delimited import read_tsv
from albert_cli.data.tasks.catalogue import TASKS
from albert_cli.data.tasks.load import load_task, read_table

pytestmark = pytest.mark.shared

# rows as data/README.md of the folder counts them
ROWS = {
    ("sst2", "SST-2"): {"train": 67349, "dev": 872, "test": 1821},
    ("cola", "CoLA"): {"train": 8551, "dev": 1043, "test": 1063},
    ("mrpc", "MRPC"): {"train": 3668, "dev": 408},
    ("stsb", "STS-B"): {"train": 5749, "dev": 1500, "test": 1379},
    ("qnli", "QNLI"): {"dev": 5463, "test": 5463},
    ("qnli", "QNLI-part"): {"train": 4352, "dev": 1111},
    ("wnli", "WNLI"): {"train": 635, "dev": 71, "test": 146},
    ("ax", "AX"): {"test": 1104},
    ("qqp", "QQP"): {"train": 21089, "dev": 2407},
    ("mnli", "MNLI"): {"train": 7827, "dev_matched": 992, "test_ax": 1104},
}


@each("task, folder", ROWS)
def test_every_row_is_read(task, folder, shared_dir):
    data = load_task(task, path=shared_dir / "data/glue" / folder)
    assert {split: len(part) for split, part in data.splits.items()} == ROWS[task, folder]
    assert data.skipped_rows == {}
    for split, part in data.splits.items():
        assert all(part["text"][:]), f"an empty text in {split}"
        assert ("text_pair" in part.features) == (TASKS[task].columns.texts[0][1] is not None)


# zero-based columns of train and dev (text, pair, label), classifier_utils.py of the original
POSITIONS = {
    ("cola", "CoLA/dev.tsv"): (3, None, 1),
    ("sst2", "SST-2/dev.tsv"): (0, None, 1),
    ("mrpc", "MRPC/dev.tsv"): (3, 4, 0),
    ("stsb", "STS-B/dev.tsv"): (7, 8, -1),
    ("qqp", "QQP/dev.tsv"): (3, 4, 5),
    ("mnli", "MNLI/dev_matched.tsv"): (8, 9, -1),
    ("qnli", "QNLI/dev.tsv"): (1, 2, -1),
    ("wnli", "WNLI/dev.tsv"): (1, 2, -1),
}


@each("task, file", POSITIONS)
def test_columns_by_name_are_the_originals_columns_by_place(task, file, shared_dir):
    path = shared_dir / "data/glue" / file
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    rows = [line.split("\t") for line in lines if line][0 if task == "cola" else 1 :]
    text, pair, label = POSITIONS[task, file]
    data = load_task(task, path=path.parent)
    part = data.splits[data.spec.dev_splits[0]]
    assert part["text"][:] == [row[text] for row in rows]
    if pair is not None:
        assert part["text_pair"][:] == [row[pair] for row in rows]
    names = data.label_names
    found = part["label"][:]
    assert (found if not names else [names[number] for number in found]) == [
        row[label] if names else float(row[label]) for row in rows
    ]


def test_both_forms_of_mnli_hold_the_same_rows(shared_dir, tmp_path):
    parts = []
    for name in ("dev_matched.tsv", "dev_matched.jsonl"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).symlink_to(shared_dir / "data/glue/MNLI" / name)
        parts.append(load_task("mnli", path=folder).splits["dev_matched"].remove_columns("idx")[:])
    assert parts[0] == parts[1]


def test_byte_order_mark_and_odd_quotes_of_mrpc(shared_dir):
    table = read_tsv(shared_dir / "data/glue/MRPC/train.tsv")
    assert next(iter(table.columns)) == "Quality"
    lines = zip(table.columns["#1 String"], table.columns["#2 String"], strict=True)
    assert sum((first + second).count('"') % 2 for first, second in lines) == 169


def test_samples_of_other_layouts(shared_dir):
    folder = shared_dir / "data/hf_samples/MRPC"
    csv = load_task("mrpc", path=folder / "train.csv")
    assert csv.splits["train"]["label"][0] in (0, 1)
    own = load_task("text-classification", path=folder / "train.csv")
    assert own.label_names == ("equivalent", "not_equivalent")


def test_rows_of_indented_json_objects(shared_dir):
    table = read_table(shared_dir / "data/hf_samples/swag/sample.json", spec=TASKS["text-classification"])
    assert table.num_rows > 1
    assert "ending0" in table.columns


def test_oddities_that_the_folder_lists(shared_dir):
    glue = shared_dir / "data/glue"
    # lines with an odd number of quotes, as the folder's README counts them: a quoting reader would swallow rows
    for name, lines, odd in (("QNLI/dev.tsv", 5463, 90), ("STS-B/train.tsv", 5749, 41)):
        rows = list(zip(*read_tsv(glue / name).columns.values(), strict=True))
        assert len(rows) == lines
        assert sum("\t".join(row).count('"') % 2 for row in rows) == odd
    # questions of QQP that stand in quotes keep them, doubled ones inside too
    table = read_tsv(glue / "QQP/train.tsv")
    quoted = [text for name in ("question1", "question2") for text in table.columns[name] if text.startswith('"')]
    assert any('""' in text for text in quoted)
    assert not (glue / "CoLA/dev.tsv").read_bytes().endswith(b"\n")
    assert len(read_tsv(glue / "STS-B/train.tsv").columns) == 10
    assert len(read_tsv(glue / "STS-B/test.tsv").columns) == 9
