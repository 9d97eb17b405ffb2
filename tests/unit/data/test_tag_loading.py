"""Tagged sentences from files, folders, tables and saved data sets, as checked splits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from albert_cli.data.tasks.ner import TagSource, load_tag_file, load_tag_records, load_tags, splits_of_name
from albert_cli.errors import DataError

PLAIN = TagSource()
TRAIN = "He\tO\ncame\tO\n\nParis\tB-LOC\n\nOld\tB-PER\nMan\tI-PER\n"
DEV = "Rome\tB-LOC\nis\tO\nold\tO\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "wnut17train.conll", TRAIN)
    write(tmp_path / "emerging.dev.conll", DEV)
    write(tmp_path / "README.txt", "no data")
    write(tmp_path / "labels.txt", "O\nB-LOC\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.txt", "train"),
        ("eng.train", "train"),
        ("eng.testa", "dev"),
        ("eng.testb", "test"),
        ("NER-de-dev.tsv", "dev"),
        ("wnut17train.conll", "train"),
        ("emerging.test.annotated", "test"),
        ("valid.txt.gz", "dev"),
        ("dev", "dev"),
        ("train-00000-of-00001.parquet", "train"),
    ],
)
def test_names_of_real_files_say_their_split(name, split):
    assert splits_of_name(Path(name), {}) == (split,)


def test_a_folder_of_column_files(folder):
    data = load_tags(PLAIN, path=folder)
    assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 3, "dev": 1}
    assert data.table.names == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert data.scheme == "bio"
    assert any("scheme of the tags: bio" in note for note in data.notes)
    row = data.splits["train"][2]
    assert row["tokens"] == ["Old", "Man"]
    assert [data.table.names[tag] for tag in row["tags"]] == ["B-PER", "I-PER"]


def test_one_file_parts_off_a_dev_split_the_same_way_each_time(tmp_path):
    path = write(tmp_path / "all.conll", "".join(f"w{n}\tB-X\n\n" for n in range(40)))
    first, second = load_tags(PLAIN, path=path), load_tags(PLAIN, path=path)
    assert {name: len(rows) for name, rows in first.splits.items()} == {"train": 36, "dev": 4}
    assert first.splits["dev"][:]["tokens"] == second.splits["dev"][:]["tokens"]
    assert any("no dev split found: 4 of 40" in note for note in first.notes)


def test_one_file_may_be_said_to_be_several_splits(folder):
    path = folder / "wnut17train.conll"
    data = load_tags(PLAIN, path=path, split={"train": "wnut17train", "dev": "wnut17train.conll"})
    assert data.splits["train"][:] == data.splits["dev"][:]
    with pytest.raises(DataError, match=r"no split 'other' for data.split.dev"):
        load_tags(PLAIN, path=path, split={"dev": "other"})


ROWS = [{"tokens": ["He", "came"], "tags": ["O", "O"]}, {"tokens": ["Paris"], "tags": ["B-LOC"]}]


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "csv-lists", "tsv", "long", "huggingface"])
def test_own_tables_of_every_form(tmp_path, form):
    rows = [*ROWS, {"tokens": ["Old", "Man"], "tags": ["B-PER", "I-PER"]}]
    if form == "jsonl":
        path = write(tmp_path / "my.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    elif form == "json":
        path = write(tmp_path / "my.json", json.dumps(rows))
    elif form == "huggingface":
        rows = [{"words": row["tokens"], "ner": row["tags"]} for row in rows]
        path = write(tmp_path / "my.json", "".join(json.dumps(row) + "\n" for row in rows))
    elif form == "csv":
        lines = [f"{' '.join(row['tokens'])},{' '.join(row['tags'])}" for row in rows]
        path = write(tmp_path / "my.csv", "\n".join(["tokens,tags", *lines, ""]))
    elif form == "csv-lists":
        lines = [f'"{row["tokens"]}";"{row["tags"]}"' for row in rows]
        path = write(tmp_path / "my.csv", "\n".join(["tokens;tags", *lines, ""]))
    elif form == "tsv":
        lines = [f"{json.dumps(row['tokens'])}\t{json.dumps(row['tags'])}" for row in rows]
        path = write(tmp_path / "my.tsv", "\n".join(["tokens\tner_tags", *lines, ""]))
    else:
        lines = [
            f"{number if not place else ''},{word},{tag}"
            for number, row in enumerate(rows)
            for place, (word, tag) in enumerate(zip(row["tokens"], row["tags"], strict=True))
        ]
        path = write(tmp_path / "my.csv", "\n".join(["Sentence #,Word,Tag", *lines, ""]))
    data = load_tags(PLAIN, path=path)
    found = [row for split in ("train", "dev") for row in data.splits[split][:]["tokens"]]
    assert sorted(found) == sorted(row.get("tokens") or row["words"] for row in rows)
    assert data.table.names == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def test_columns_can_be_named(tmp_path):
    path = write(
        tmp_path / "my.jsonl", '{"key": "a", "a": ["x"], "b": ["B-X"]}\n{"key": "b", "a": ["y"], "b": ["O"]}\n'
    )
    source = TagSource(columns={"tokens": "a", "tags": "b", "id": "key"})
    data = load_tags(source, path=path)
    assert sorted([*data.splits["train"]["id"], *data.splits["dev"]["id"]]) == ["a", "b"]
    with pytest.raises(DataError, match=r"no column 'c' for columns.tokens .*has: key, a, b"):
        load_tags(TagSource(columns={"tokens": "c"}), path=path)


def test_a_saved_data_set_keeps_the_order_of_its_tags(tmp_path):
    import datasets

    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=names)),
        }
    )
    values = {"id": ["a", "b"], "tokens": [["Paris", "is"], ["He"]], "ner_tags": [[3, 0], [1]]}
    hidden = {**values, "ner_tags": [[-1, -1], [-1]]}
    made = {
        "train": datasets.Dataset.from_dict(values, features=features),
        "validation": datasets.Dataset.from_dict(values, features=features),
        "test": datasets.Dataset.from_dict(hidden, features=features),
    }
    datasets.DatasetDict(made).save_to_disk(str(tmp_path / "saved"))
    data = load_tags(PLAIN, path=tmp_path / "saved")
    assert data.table.names == tuple(names)
    assert data.splits["dev"][:]["tags"] == [[3, 0], [1]]
    assert data.splits["dev"][:]["id"] == ["a", "b"]
    assert data.splits["test"][:]["tags"] == [None, None]
    made["train"].to_parquet(str(tmp_path / "train.parquet"))
    made["train"].to_parquet(str(tmp_path / "dev.parquet"))
    assert load_tags(PLAIN, path=[tmp_path / "train.parquet", tmp_path / "dev.parquet"]).table.names == tuple(names)


def test_tags_are_converted_where_the_recipe_says_so(folder):
    data = load_tags(TagSource(learn_as="bioes"), path=folder)
    assert data.scheme == "bioes"
    tags = [[data.table.names[tag] for tag in row] for row in data.splits["train"][:]["tags"]]
    assert tags == [["O", "O"], ["S-LOC"], ["B-PER", "E-PER"]]
    assert any("learnt as bioes" in note for note in data.notes)


def test_tags_without_prefixes(tmp_path):
    path = write(tmp_path / "pos.txt", "He PRON\ncame VERB\n\nParis PROPN\n\nis VERB\n")
    data = load_tags(PLAIN, path=path)
    assert data.scheme == "none"
    assert data.table.names == ("PRON", "PROPN", "VERB")
    bare = write(tmp_path / "bare.txt", "He O\ncame O\n\nParis place\n\nRome place\n")
    assert load_tags(PLAIN, path=bare).scheme == "io"


def test_only_the_first_rows_and_every_tag(folder):
    data = load_tags(PLAIN, path=folder, limit=1)
    assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 1, "dev": 1}
    assert "B-PER" in data.table.names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a O\nb B-NEW\n", r"unknown tag 'B-NEW' .*dev.txt:2"),
        ("a O\nb\n", r"1 columns where .*dev.txt:2"),
        ("", "no words .*dev.txt"),
    ],
)
def test_mistakes_are_located(tmp_path, text, message):
    write(tmp_path / "train.txt", "x B-X\n\ny O\n")
    write(tmp_path / "dev.txt", text)
    with pytest.raises(DataError, match=message):
        load_tags(PLAIN, path=tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, r"1 tags for 2 words .*my.jsonl:2"),
        ({"tokens": ["a"], "tags": [1]}, r"tags are numbers without names .*my.jsonl:2"),
        ({"tokens": "a", "tags": None}, r"no tags .*my.jsonl:2"),
        ({"tokens": 3, "tags": ["O"]}, r"the words are no list of texts .*my.jsonl:2"),
        ({"tokens": ["a"], "tags": [None, "O"]}, r"a tag is missing .*my.jsonl:2"),
    ],
)
def test_mistakes_of_tables_are_located(tmp_path, row, message):
    good = json.dumps({"tokens": ["x"], "tags": ["B-X"]})
    path = write(tmp_path / "my.jsonl", f"{good}\n{json.dumps(row)}\n{good}\n")
    with pytest.raises(DataError, match=message):
        load_tags(PLAIN, path=path)


def test_numbers_are_names_where_the_recipe_says_so(tmp_path):
    path = write(tmp_path / "my.jsonl", '{"tokens": ["a"], "tags": [1]}\n{"tokens": ["b"], "tags": [0]}\n' * 3)
    assert load_tags(TagSource(scheme="none"), path=path).table.names == ("0", "1")


def test_a_scheme_that_is_not_the_data_s_is_refused_at_its_word(folder):
    with pytest.raises(DataError, match=r"tag 'B-LOC' is none of the scheme io .*wnut17train.conll:4"):
        load_tags(TagSource(scheme="io"), path=folder)
    with pytest.raises(DataError, match="the only tag is 'O'"):
        load_tags(PLAIN, path=write(folder / "outside.txt", "a O\n\nb O\n"))


def test_folders_and_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="no file or folder"):
        load_tags(PLAIN, path=tmp_path / "nowhere")
    write(tmp_path / "notes.txt", "a O\n")
    with pytest.raises(DataError, match=r"no file of a split such as .*holds notes.txt"):
        load_tags(PLAIN, path=tmp_path)
    with pytest.raises(DataError, match=r"neither data.path nor data.dataset"):
        load_tags(PLAIN)


NAMES = ("O", "B-LOC", "I-LOC")


def test_a_file_to_predict_may_lack_tags_or_have_others(tmp_path):
    bare = load_tag_file(PLAIN, write(tmp_path / "in.txt", "He\ncame\n\nhome\n"), tag_names=NAMES)
    assert bare.splits["test"][:]["tokens"] == [["He", "came"], ["home"]]
    assert bare.splits["test"][:]["tags"] == [None, None]
    other = load_tag_file(PLAIN, write(tmp_path / "in.conll", "He PRON\ncame VERB\n"), tag_names=NAMES)
    assert other.splits["test"][:]["tags"] == [None]
    assert any("not the model's" in note for note in other.notes)
    known = load_tag_file(PLAIN, write(tmp_path / "in2.conll", "Rome B-LOC\nis O\n"), tag_names=NAMES)
    assert known.splits["test"][:]["tags"] == [[1, 0]]


def test_lines_of_json_to_predict():
    records = [{"tokens": ["He", "came"]}, {"words": ["x"]}, {"text": "He came home"}]
    data = load_tag_records(PLAIN, records, tag_names=NAMES)
    assert data.splits["test"][:]["tokens"] == [["He", "came"], ["x"], ["He", "came", "home"]]
    with pytest.raises(DataError, match="no column for the words"):
        load_tag_records(PLAIN, [{"other": 1}], tag_names=NAMES)
    assert len(load_tag_records(PLAIN, [], tag_names=NAMES).splits["test"]) == 0


def test_halves_of_characters_do_not_stop_a_table(tmp_path):
    path = write(tmp_path / "my.jsonl", '{"tokens": ["\\ud800x"], "tags": ["B-X"]}\n{"tokens": ["y"], "tags": ["O"]}\n')
    words = [row for part in load_tags(PLAIN, path=path).splits.values() for row in part[:]["tokens"]]
    assert ["\ufffdx"] in words


def test_rows_of_the_hub_come_with_the_names_of_their_tags(monkeypatch):
    from albert_cli.data.raw_table import RawTable
    from albert_cli.data.tasks import ner

    names = ("O", "B-PER", "I-PER")
    table = RawTable(
        source="lhoestq/conll2003/train",
        columns={"id": ["0", "1"], "tokens": [["EU"], ["Peter", "B"]], "ner_tags": [["O"], ["B-PER", "I-PER"]]},
        class_names={"ner_tags": names},
    )
    asked = {}

    def read_hub(name, **how):
        asked.update(how, name=name)
        return {"train": table, "validation": table, "test": table, "other": table}

    monkeypatch.setattr(ner, "read_hub", read_hub)
    data = load_tags(PLAIN, dataset="lhoestq/conll2003", revision="main")
    assert asked == {"name": "lhoestq/conll2003", "config": None, "revision": "main"}
    assert data.table.names == names
    assert list(data.splits) == ["train", "dev", "test"]
    chosen = load_tags(PLAIN, dataset="lhoestq/conll2003", split={"dev": "other"})
    assert len(chosen.splits["dev"]) == 2
