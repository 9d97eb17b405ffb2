"""`albert data inspect` on whole recipes."""

from __future__ import annotations

from pathlib import Path

from command_line import done


def test_what_pretraining_will_see(home: Path) -> None:
    recipe = home / "pretrain.yaml"
    numbers = done("data", "inspect", recipe, "--json").result
    assert numbers["documents"] == 60
    assert 0.1 < numbers["mask_rate"] < 0.2
    shown = [
        line for line in done("data", "inspect", recipe, "-n", "2").out.splitlines() if line.startswith("example:")
    ]
    assert len(shown) == 2
    assert all("{" in line and " = " in line and line.endswith(("[swapped]", "[in order]")) for line in shown)
    assert "example:" not in done("data", "inspect", recipe, "-n", "0").out


def test_what_fine_tuning_will_see(home: Path) -> None:
    recipe = home / "finetune.yaml"
    numbers = done("data", "inspect", recipe, "--json").result
    rows = {split: report["examples"] for split, report in numbers["splits"].items()}
    assert rows == {"train": 160, "dev": 40, "test": 12}
    assert sum(numbers["labels"].values()) == 160
    # The reviews are made of few words, so most of dev is in train, word for word.
    train = {line.split("\t")[0] for line in (home / "SST-2" / "train.tsv").read_text().splitlines()[1:]}
    dev = [line.split("\t")[0] for line in (home / "SST-2" / "dev.tsv").read_text().splitlines()[1:]]
    assert numbers["splits"]["dev"]["in_train"] == sum(text in train for text in dev) > 0
    assert numbers["splits"]["train"]["repeated"] == 160 - len(train)
    out = done("data", "inspect", recipe).out
    assert out.count("example: [CLS]") == 3
    assert "in_train" in out
