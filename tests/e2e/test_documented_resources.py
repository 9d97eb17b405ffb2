"""Recipes for what the documentation of transformers links, on local files; own files in one line."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import datasets
from command_line import albert, done
from small_texts import review

SMALL = ["runtime.threads=1", "runtime.device=cpu", "train.max_steps=2", "train.eval_every=2", "train.warmup_steps=1"]


def sets(values: list[str]) -> list[str]:
    return [word for value in values for word in ("--set", value)]


def films(number: int, seed: int) -> list[tuple[str, bool]]:
    draw = random.Random(seed)
    return [review(draw) for _ in range(number)]


def test_imdb_from_the_parquet_files_of_the_hub(pretrained: Path, tmp_path: Path) -> None:
    classes = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    (tmp_path / "data").mkdir()
    for split, number in (("train", 30), ("test", 10)):
        rows = films(number, seed=number)
        columns = {"text": [text for text, _ in rows], "label": [int(praises) for _, praises in rows]}
        file = tmp_path / "data" / f"{split}-00000-of-00001.parquet"
        datasets.Dataset.from_dict(columns, features=classes).to_parquet(str(file))
    wanted = [f"data.path={tmp_path / 'data'}", f"model={pretrained}", "data.max_length=32", *SMALL]
    outcome = done("finetune", "imdb", *sets(wanted), "--out", tmp_path / "run")
    assert "rows: train 27, test 10, dev 3" in outcome.err
    assert "labels: 0 = neg, 1 = pos" in outcome.err
    assert len((tmp_path / "run/predictions/test.jsonl").read_text().splitlines()) == 10
    scored = done("eval", tmp_path / "run", *sets(["data.split.dev=test"]), "--device", "cpu")
    assert "n = 10" in scored.out


def test_wnut_17_from_the_files_of_the_shared_task(pretrained: Path, tmp_path: Path) -> None:
    sentence = "Anna\tB-person\nsaw\tO\nthe\tO\nfilm\tO\n\nno\tO\nfilm\tO\nfor\tO\nme\tO\n\n"
    (tmp_path / "wnut17train.conll").write_text(sentence * 8)
    (tmp_path / "emerging.dev.conll").write_text(sentence * 2)
    (tmp_path / "emerging.test.annotated").write_text(sentence)
    wanted = [f"data.path={tmp_path}", f"model={pretrained}", "data.max_length=32", *SMALL]
    outcome = done("finetune", "wnut17", *sets(wanted), "--out", tmp_path / "run")
    assert "rows: train 16, dev 4, test 2" in outcome.err
    assert "tags: 0 = O, 1 = B-person" in outcome.err
    assert (tmp_path / "run/predictions/test.conll").is_file()


def test_wikitext_goes_on_with_masked_words_and_fills_masks(pretrained: Path, tmp_path: Path) -> None:
    paragraph = (
        " \n = A Film = \n \n The film is good , and the film is long . It was made by a man who liked the film . \n"
    )
    (tmp_path / "wiki.train.txt").write_text(paragraph * 60)
    wanted = [f"data.path={tmp_path / 'wiki.train.txt'}", f"init.from={pretrained}", "data.max_length=32", *SMALL]
    wanted += [
        f"data.cache={tmp_path / 'cache'}",
        "train.save_every=2",
        "data.documents=blank_line",
        "data.held_out=0.1",
    ]
    done("pretrain", "pretrain/wikitext", *sets(wanted), "--out", tmp_path / "run")
    filled = done("run", "--task", "fill-mask", "--model", tmp_path / "run", "the film is [MASK]", "--device", "cpu")
    assert len(json.loads(filled.out)["results"]) == 5


def test_an_own_file_of_strange_names_in_one_line(pretrained: Path, tmp_path: Path) -> None:
    file = tmp_path / "my.csv"
    with file.open("w", newline="") as stream:
        rows = [(f"{text} {place}", "good" if praises else "bad") for place, (text, praises) in enumerate(films(30, 5))]
        csv.writer(stream).writerows([("opinion", "verdict"), *rows])
    wanted = [f"data.path={file}", f"model={pretrained}", "data.max_length=32"]
    planned = done("finetune", "own/text-classification", *sets(wanted), "--dry-run", "--device", "cpu")
    assert (
        "note: every step is one of warm-up, the rate never comes to 2e-05; --set train.warmup_steps=0" in planned.err
    )
    wanted += SMALL
    outcome = done("finetune", "own/text-classification", *sets(wanted), "--out", tmp_path / "run")
    for said in (
        "columns guessed from their values: label=verdict, text=opinion",
        "no dev split found: 3 of 30",
        "0 = bad",
    ):
        assert said in outcome.err
    answers = done("predict", tmp_path / "run", file, "--out", tmp_path / "answers.jsonl", "--device", "cpu")
    assert answers.code == 0
    first = json.loads((tmp_path / "answers.jsonl").read_text().splitlines()[0])
    assert first["prediction"] in ("good", "bad")
    assert albert("eval", tmp_path / "run", "--device", "cpu").code == 0
