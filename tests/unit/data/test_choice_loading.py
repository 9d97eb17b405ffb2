"""Questions with choices from files of every form, and what is said of those that are none."""

from __future__ import annotations

import gzip
import json
import tarfile

import datasets
import pytest
from choice_files import PASSAGES, hub_rows, json_lines, race_archive, race_folder, race_with_all_txt

from albert_cli.data.tasks import race
from albert_cli.data.tasks.race import load_choice_file, load_choice_records, load_choices
from albert_cli.errors import DataError

FEATURES = {
    "idx": "int64",
    "id": "string",
    "subset": "string",
    "context": "string",
    "question": "string",
    "label": "int64",
}
OWN = {"context": "Rex is a dog.", "question": "Who is Rex?", "choices": ["a cat", "a dog"], "label": 1}


def rows_of(data):
    return {name: list(rows) for name, rows in data.splits.items()}


def test_race_is_the_same_as_folder_archive_all_txt_and_hub(tmp_path, monkeypatch):
    expected = rows_of(load_choices(path=race_folder(tmp_path / "RACE")))
    assert {name: len(rows) for name, rows in expected.items()} == {"train": 4, "dev": 3, "test": 1}
    assert [row["id"] for row in expected["train"]] == ["high3.txt#0", "high12.txt#0", "high12.txt#1", "middle7.txt#0"]
    assert [row["subset"] for row in expected["dev"]] == ["high", "middle", "middle"]
    assert expected["train"][1] == {
        "idx": 1,
        "id": "high12.txt#0",
        "subset": "high",
        "context": "The shop opens at nine. It sells tea.",
        "question": "The shop opens at _ .",
        "choices": ["eight", "nine", "ten", "noon"],
        "label": 1,
    }
    assert rows_of(load_choices(path=race_with_all_txt(tmp_path / "whole"))) == expected
    assert rows_of(load_choices(path=race_archive(tmp_path / "RACE.tar.gz"))) == expected
    (tmp_path / "outer").mkdir()
    (tmp_path / "RACE").rename(tmp_path / "outer" / "RACE")
    assert rows_of(load_choices(path=tmp_path / "outer")) == expected

    parts = {"train": hub_rows("train"), "validation": hub_rows("dev"), "test": hub_rows("test")}
    whole = datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in parts.items()})
    asked = []

    def load(name, config, **_):
        asked.append((name, config))
        return whole

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr("albert_cli.data.hub._why_unreachable", lambda _: None)
    assert rows_of(load_choices(dataset="ehovy/race", config="all")) == expected
    assert asked == [("ehovy/race", "all")]
    whole.save_to_disk(tmp_path / "saved")
    assert rows_of(load_choices(path=tmp_path / "saved")) == expected
    for name, part in whole.items():
        part.to_parquet(tmp_path / "tables" / f"{name}-00000-of-00001.parquet")
    assert rows_of(load_choices(path=tmp_path / "tables")) == expected


def test_features_are_declared(tmp_path):
    rows = load_choices(path=race_folder(tmp_path / "RACE")).splits["train"]
    assert isinstance(rows, datasets.Dataset)
    assert {name: feature.dtype for name, feature in rows.features.items() if name != "choices"} == FEATURES
    assert rows.features["choices"].feature.dtype == "string"


def test_where_all_txt_and_single_files_lie_together_questions_are_read_once(tmp_path):
    race_folder(tmp_path / "RACE")
    race_with_all_txt(tmp_path / "RACE")
    assert {name: len(rows) for name, rows in load_choices(path=tmp_path / "RACE").splits.items()} == {
        "train": 4,
        "dev": 3,
        "test": 1,
    }


def test_one_folder_one_level_or_one_file_of_race(tmp_path):
    race_folder(tmp_path / "RACE")
    assert list(load_choices(path=tmp_path / "RACE/dev").splits) == ["dev"]
    assert [row["subset"] for row in load_choices(path=tmp_path / "RACE/dev/high").splits["dev"]] == ["high"]
    assert len(load_choices(path=tmp_path / "RACE/dev/middle/5.txt").splits["dev"]) == 2
    both = load_choices(path=tmp_path / "RACE", split={"train": "dev", "dev": "dev"}, subset="middle", limit=1)
    assert [row["id"] for row in both.splits["train"]] == [row["id"] for row in both.splits["dev"]] == ["middle5.txt#0"]


def test_a_passage_without_questions_is_no_mistake(tmp_path):
    race_folder(tmp_path / "RACE")
    empty = {**PASSAGES["dev/high/8.txt"], "questions": [], "options": [], "answers": []}
    json_lines(tmp_path / "RACE/dev/high/9.txt", [empty])
    assert len(load_choices(path=tmp_path / "RACE").splits["dev"]) == 3


SWAG = {
    "": "0",
    "video-id": "v",
    "fold-ind": "1",
    "startphrase": "A man sits. He",
    "sent1": "A man sits.",
    "sent2": "He",
}
SWAG |= {
    "gold-source": "gold",
    "ending0": "stands, up",
    "ending1": "flies",
    "ending2": "sings",
    "ending3": "melts",
    "label": "2",
}
HELLASWAG = {
    "ind": 4,
    "activity_label": "Sitting",
    "ctx_a": "A man sits.",
    "ctx_b": "he",
    "ctx": "A man sits. he",
    "label": 3,
}
HELLASWAG |= {"split": "val", "split_type": "zeroshot", "endings": ["a", "b", "c", "d"], "source_id": "s"}


def test_swag_csv(tmp_path):
    header, cells = ",".join(SWAG), ",".join(f'"{value}"' for value in SWAG.values())
    for name in ("train", "val"):
        (tmp_path / f"{name}.csv").write_text(f"{header}\n{cells}\n")
    unlabelled = [name for name in SWAG if name not in ("label", "gold-source")]
    (tmp_path / "test.csv").write_text(
        ",".join(unlabelled) + "\n" + ",".join(f'"{SWAG[name]}"' for name in unlabelled) + "\n"
    )
    data = load_choices(path=tmp_path)
    assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 1, "dev": 1, "test": 1}
    row = data.splits["dev"][0]
    assert (row["context"], row["question"], row["label"]) == ("A man sits.", "He", 2)
    assert row["choices"] == ["stands, up", "flies", "sings", "melts"]
    assert data.splits["test"][0]["label"] == -1
    assert "context=sent1, question=sent2, choices=ending0,ending1,ending2,ending3" in data.notes[0]


def test_hellaswag_under_its_official_names(tmp_path):
    for name in ("train", "val", "test"):
        row = {key: value for key, value in HELLASWAG.items() if name != "test" or key != "label"}
        json_lines(tmp_path / f"hellaswag_{name}.jsonl", [row])
    data = load_choices(path=tmp_path)
    assert list(data.splits) == ["train", "dev", "test"]
    row = data.splits["dev"][0]
    assert (row["context"], row["question"], row["label"]) == ("A man sits.", "he", 3)
    assert (row["id"], row["subset"]) == ("4", "zeroshot")
    hub = [{**HELLASWAG, "label": "3"}, {**HELLASWAG, "label": ""}]  # the hub writes labels as text, none as empty
    assert [row["label"] for row in load_choice_file(json_lines(tmp_path / "hub.jsonl", hub)).splits["test"]] == [3, -1]


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (OWN, 1),
        ({**OWN, "label": "B"}, 1),
        ({**OWN, "label": "b"}, 1),
        ({**OWN, "label": "1"}, 1),
        ({**OWN, "label": 1.0}, 1),
        ({**OWN, "label": "a dog"}, 1),
        ({**OWN, "choices": ["1945", "1946"], "label": "1946"}, 1),
        ({**OWN, "choices": ["z", "y"], "label": "y"}, 1),
        ({"question": "Who?", "choices": [1, 2.5, "x"], "label": 2}, 2),
        ({"premise": "Snow.", "choice1": "cold", "choice2": "hot", "label": 0}, 0),
        ({"stem": "Who?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}, 1),
        ({"prompt": "A man", "A": "x", "B": "y", "C": "z", "answer": "C"}, 2),
    ],
)
def test_own_rows(row, label, tmp_path):
    found = load_choice_file(json_lines(tmp_path / "own.jsonl", [row])).splits["test"][0]
    assert found["label"] == label
    assert len(found["choices"]) >= 2
    assert found["context"] or found["question"]


def test_own_tables_with_a_column_for_each_choice_may_have_fewer(tmp_path):
    (tmp_path / "rows.csv").write_text("question,choice0,choice1,choice2,label\nq,a,b,c,2\nr,a,b,,1\n")
    found = load_choice_file(tmp_path / "rows.csv").splits["test"]
    assert found[:]["choices"] == [["a", "b", "c"], ["a", "b"]]
    (tmp_path / "rows.tsv").write_text('question\tchoices\tlabel\nq\t["a", "b"]\tA\n')
    assert load_choice_file(tmp_path / "rows.tsv").splits["test"][0]["choices"] == ["a", "b"]


def test_columns_that_the_recipe_names(tmp_path):
    rows = [{"text": "t", "asked": "q", "x": "a", "y": "b", "z": "c", "right": "C", "key": 7}]
    columns = {"context": "text", "question": "asked", "choices": "x, y,z", "label": "right", "id": "key"}
    found = load_choice_file(json_lines(tmp_path / "own.jsonl", rows), columns=columns).splits["test"][0]
    assert (found["context"], found["question"], found["choices"], found["label"]) == ("t", "q", ["a", "b", "c"], 2)
    assert found["id"] == "7"
    with pytest.raises(DataError, match=r"no column 'nope' for columns\.choices") as caught:
        load_choice_file(tmp_path / "own.jsonl", columns={"choices": "nope"})
    assert "data.columns.choices" in caught.value.hint


def test_without_a_dev_split_whole_passages_are_kept_back_always_the_same(tmp_path):
    rows = [{**OWN, "context": f"passage {number // 3}", "question": str(number)} for number in range(60)]
    path = json_lines(tmp_path / "own.jsonl.gz", [])
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    first, again = load_choices(path=path), load_choices(path=path)
    assert rows_of(first) == rows_of(again)
    train, dev = (set(first.splits[name][:]["context"]) for name in ("train", "dev"))
    assert not train & dev
    assert len(first.splits["dev"]) == 6
    assert len(first.splits["train"]) == 54
    assert any("no dev split found: 6 of 60" in note for note in first.notes)


def test_a_part_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="no questions of the part 'low'") as caught:
        load_choices(path=race_folder(tmp_path / "RACE"), subset="low")
    assert "'high', 'middle'" in caught.value.hint


def test_splits_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r"no split 'exam' for data\.split\.dev"):
        load_choices(path=race_folder(tmp_path / "RACE"), split={"dev": "exam"})


def passage(**changes):
    return {**PASSAGES["dev/high/8.txt"], **changes}


BAD_PASSAGES = [
    ("{", "not JSON.*8.txt:1"),
    ("", "an empty file.*8.txt"),
    ("[1]", "a list, not an object.*8.txt:1"),
    (json.dumps(passage(article=None)), "no article.*8.txt:1"),
    (json.dumps(passage(questions="q")), "questions of a passage are text, not a list.*8.txt:1"),
    (json.dumps(passage(answers=[])), "1 questions, 1 options and 0 answers.*8.txt:1"),
    (json.dumps(passage(answers=["E"])), "label 'E' is none of the 4 choices.*8.txt:1, question 0"),
    (json.dumps(passage(answers=[None])), "no answer.*8.txt:1, question 0"),
    (json.dumps(passage(answers=[["A"]])), "is none of the 4 choices.*question 0"),
    (json.dumps(passage(options=[["one"]])), "1 choice .*8.txt:1, question 0"),
    (json.dumps(passage(options=[[["a"], "b"]])), "choice 0 is a list, not text.*question 0"),
    (json.dumps(passage(options=["abcd"])), "choices are text, not a list.*question 0"),
    (json.dumps(passage(questions=[7])), "question is a number, not text.*question 0"),
    ("\n\n" + json.dumps(passage()) + "\n{]", "not JSON.*8.txt:4"),
    ("[" * 100_000, "nested too deeply.*8.txt:1"),
]


@pytest.mark.parametrize(("content", "message"), BAD_PASSAGES)
def test_passages_that_are_none_are_located(content, message, tmp_path):
    race_folder(tmp_path / "RACE")
    (tmp_path / "RACE/dev/high/8.txt").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        load_choices(path=tmp_path / "RACE")
    assert caught.value.hint


def test_bytes_that_are_not_utf_8_are_located(tmp_path):
    race_folder(tmp_path / "RACE")
    (tmp_path / "RACE/dev/high/8.txt").write_bytes(b'\n{"article": "caf\xe9"}')
    with pytest.raises(DataError, match=r"not UTF-8 .*8\.txt:2"):
        load_choices(path=tmp_path / "RACE")


def test_half_a_surrogate_pair_does_no_harm(tmp_path):
    json_lines(tmp_path / "own.jsonl", [{**OWN, "context": "x \ud800 y"}])
    assert load_choice_file(tmp_path / "own.jsonl").splits["test"][0]["context"] == "x \ufffd y"


@pytest.mark.parametrize("harm", ["cut", "none", "empty", "other"])
def test_archives_that_are_none(harm, tmp_path):
    path = race_archive(tmp_path / "RACE.tar.gz")
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif harm == "none":
        path.write_text("<html>not found</html>")
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(__file__, "other.py")
    with pytest.raises(DataError, match=r"(damaged or cut archive|no passages).*RACE\.tar\.gz") as caught:
        load_choices(path=path)
    assert caught.value.hint


def test_archives_are_never_unpacked(tmp_path):
    """Names that lead out of a folder and links are left alone."""
    path = tmp_path / "RACE.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("RACE/dev/high/1.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, content in PASSAGES.items():
            race_folder(tmp_path / "plain")
            archive.add(tmp_path / "plain" / name, f"../../{name}" if "test" not in name else f"RACE/{name}")
            assert content
    before = sorted(tmp_path.rglob("*"))
    assert len(load_choices(path=path).splits["dev"]) == 3
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**OWN, "label": 2}, r"label '2' is none of the 2 choices .*own\.jsonl:2"),
        ({**OWN, "label": -2}, r"label '-2' is none"),
        ({**OWN, "label": 0.5}, r"label '0\.5' is none"),
        ({**OWN, "label": True}, r"label 'True' is none"),
        ({**OWN, "label": None}, r"no label .*own\.jsonl:2, column label"),
        ({**OWN, "choices": ["a dog"]}, r"1 choice .*own\.jsonl:2"),
        ({**OWN, "choices": "a dog"}, r"choices are text, not a list .*own\.jsonl:2"),
        ({**OWN, "choices": None}, r"choices are null, not a list .*own\.jsonl:2"),
        ({**OWN, "choices": ["a", None]}, r"choice 1 is null, not text .*own\.jsonl:2"),
        ({**OWN, "context": 3}, r"context is a number, not text .*own\.jsonl:2"),
    ],
)
def test_rows_that_are_none_are_located(row, message, tmp_path):
    json_lines(tmp_path / "own.jsonl", [OWN, row, OWN])
    with pytest.raises(DataError, match=message) as caught:
        load_choices(path=tmp_path / "own.jsonl")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "q", "label": 0}, r"no column for the choices .*own\.jsonl:1 has: question, label"),
        ({"choices": ["a", "b"], "label": 0}, "no column for the context or the question"),
        ({"question": "q", "choices": ["a", "b"]}, "no column for the label"),
    ],
)
def test_tables_that_lack_a_column(row, message, tmp_path):
    json_lines(tmp_path / "own.jsonl", [row, row])
    with pytest.raises(DataError, match=message):
        load_choices(path=tmp_path / "own.jsonl")


def test_lines_of_a_stream():
    data = load_choice_records(
        [{"context": "c", "choices": ["a", "b"]}, {"article": "d", "question": "q", "options": ["x", "y"]}]
    )
    assert [(row["context"], row["question"]) for row in data.splits["test"]] == [("c", ""), ("d", "q")]
    assert len(load_choice_records([]).splits["test"]) == 0
    with pytest.raises(DataError, match="a passage with several questions"):
        load_choice_records([passage()])


def test_nothing_named_and_nothing_there(tmp_path):
    with pytest.raises(DataError, match=r"neither data\.path nor data\.dataset"):
        load_choices()
    with pytest.raises(DataError, match="no file or folder"):
        load_choices(path=tmp_path / "none")
    (tmp_path / "x.pdf").write_text("x")
    with pytest.raises(DataError, match="not a file of questions"):
        load_choices(path=tmp_path / "x.pdf")
    assert race.SPLITS == ("train", "dev", "test")
