"""The Korean files of the team's folder through the tasks of own tables: every row, one label each."""

from __future__ import annotations

import pytest

from albert_cli.data.tasks.load import load_task

pytestmark = pytest.mark.shared


def test_every_row_of_korean_sts_and_nli_is_read(shared_dir):
    folder = shared_dir / "data/korean"
    for name, rows in (("sts-dev", 1500), ("sts-test", 1379)):
        path = folder / "KorSTS" / f"{name}.tsv"
        data = load_task("text-regression", path=[path], split={"dev": name})
        assert [len(part) for part in data.splits.values()] == [rows]
        (part,) = data.splits.values()
        assert data.columns["dev"] == "text=sentence1, text_pair=sentence2, label=score, id=id"
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[1:] if line]
        assert part["label"][:] == [float(line[4]) for line in lines]
        assert part["text_pair"][:] == [line[6] for line in lines]
    path = folder / "KorNLI/xnli.dev.ko.tsv"
    data = load_task("text-classification", path=path, columns={"label": "gold_label"})
    assert sum(map(len, data.splits.values())) == 2490
    assert data.label_names == ("contradiction", "entailment", "neutral")
