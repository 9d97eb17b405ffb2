"""Columns, labels and declared features: what is guessed, what is refused."""

from __future__ import annotations

import pytest

from albert_cli.data.columns import resolve_columns
from albert_cli.data.labels import encode_labels, find_label_names
from albert_cli.data.raw_table import RawTable
from albert_cli.data.tables import build_dataset
from albert_cli.data.tasks.catalogue import TASKS
from albert_cli.errors import DataError

OWN, SCORES, SETS = (TASKS[name] for name in ("text-classification", "text-regression", "multi-label"))


def table(**columns):
    values = {name: list(cells) for name, cells in columns.items()}
    return RawTable(source="a.csv", columns=values, lines=range(2, 2 + len(next(iter(values.values())))))


def resolve(source, spec=OWN, *, needs_label=True, **chosen):
    kind = None if spec.is_official else spec.kind
    return resolve_columns(source, spec.columns, chosen=chosen, needs_label=needs_label, guess=kind)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("text", "label"), "text=text, label=label"),
        (("id", "Review", "Stars"), "text=Review, label=Stars, id=id"),
        (("sentence1", "sentence2", "label"), "text=sentence1, text_pair=sentence2, label=label"),
        (("premise", "hypothesis", "class"), "text=premise, text_pair=hypothesis, label=class"),
        (("sentence1", "label"), "text=sentence1, label=label"),
        (("utterance", "intent"), "text=utterance, label=intent"),
    ],
)
def test_guessed_columns(names, expected):
    source = table(**{name: ["x"] for name in names})
    assert resolve(source).described() == expected


def test_chosen_columns_win():
    source = table(text=["x"], title=["y"], label=["a"], topic=["b"])
    assert resolve(source, text="title", label="topic").described() == "text=title, label=topic"
    assert resolve(source, text="text", text_pair="title").text_pair == "title"


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"text": "txt"}, r"no column 'txt' for columns\.text \(a\.csv:1 has: first, second, label\)"),
        ({}, r"no column for the text .* has: first, second, label"),
    ],
)
def test_missing_columns_name_those_that_are_there(chosen, words):
    with pytest.raises(DataError, match=words) as caught:
        resolve(table(first=["x"], second=["y"], label=["a"]), **chosen)
    assert "data.columns.text=NAME" in caught.value.hint


def test_a_missing_label_column_is_an_error_only_where_labels_are_needed():
    source = table(text=["x"])
    with pytest.raises(DataError, match="no column for the label"):
        resolve(source)
    assert resolve(source, needs_label=False).label is None


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "b"], ("a", "b")),
        (["10", "9", "-1"], ("-1", "9", "10")),
        ([10, 9, 10], ("9", "10")),
        ([True, False], ("False", "True")),
        ([" yes", "no "], ("no", "yes")),
        ([1.0, 0.0], ("0", "1")),
        (["Ä", "b", "a"], ("a", "b", "Ä")),
    ],
)
def test_order_of_the_classes_found(values, names):
    assert find_label_names([table(label=values)], "label", kind="classification") == names


def test_order_of_declared_classes_is_kept():
    source = RawTable("hub", {"label": ["b", "a"]}, class_names={"label": ("z", "b", "a")})
    assert find_label_names([source], "label", kind="classification") == ("z", "b", "a")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a", 1], r"mixed type: numbers after text \(a\.csv:3\)"),
        ([1, True], r"mixed type: true/false after numbers"),
        ([1.5, 2.0], r"1\.5 is no class \(a\.csv:2\)"),
        ([["a"], ["b"]], r"is no class \(a\.csv:2\)"),
        (["a", "a"], "the only label is 'a'"),
        ([None, None], "no row has a label"),
        ([f"row {number}" for number in range(60)], "every one of 60 rows has a label of its own"),
    ],
)
def test_classes_that_cannot_be(values, words):
    with pytest.raises(DataError, match=words):
        find_label_names([table(label=values)], "label", kind="classification")


def test_classes_of_label_sets():
    source = table(labels=["red, green", "", "green"])
    assert find_label_names([source], "labels", kind="multi-label") == ("green", "red")
    encoded = encode_labels(source, "labels", spec=SETS, names=("green", "red"), required=True)
    assert encoded == [[0, 1], [], [0]]
    lists = table(labels=[["red"], None, []])
    assert encode_labels(lists, "labels", spec=SETS, names=("green", "red"), required=False) == [[1], None, []]


def test_numbers_and_texts_of_the_same_class_meet():
    assert encode_labels(table(label=["1", "0"]), "label", spec=OWN, names=("0", "1"), required=True) == [1, 0]
    assert encode_labels(table(label=[1, 0]), "label", spec=OWN, names=("0", "1"), required=True) == [1, 0]


def test_names_of_the_hub_mean_our_classes():
    source = RawTable("hub", {"label": ["positive", "negative", None]}, class_names={"label": ("negative", "positive")})
    assert encode_labels(source, "label", spec=TASKS["sst2"], names=("0", "1"), required=False) == [1, 0, -1]


@pytest.mark.parametrize(
    ("spec", "values", "words"),
    [
        (OWN, ["a", "c"], r"unknown label 'c' \(a\.csv:3\)"),
        (OWN, ["a", ""], r"no label \(a\.csv:3, column label\)"),
        (OWN, ["a", None], r"no label \(a\.csv:3, column label\)"),
        (SCORES, ["1.5", "much"], r"not a number: 'much' \(a\.csv:3, column label\)"),
        (SCORES, ["nan", "1"], r"not a number: 'nan' \(a\.csv:2"),
        (SCORES, [float("inf"), 1], r"not a number: 'inf'"),
        (SCORES, [True, 1.0], r"not a number: 'True'"),
        (SETS, ["a", "a,z"], r"unknown label 'z' \(a\.csv:3\)"),
    ],
)
def test_labels_that_cannot_be(spec, values, words):
    with pytest.raises(DataError, match=words) as caught:
        encode_labels(table(label=values), "label", spec=spec, names=("a", "b"), required=True)
    assert caught.value.hint


def test_numbers_of_a_task_with_named_classes_are_not_guessed():
    # the hub and the original count MNLI's classes in different orders
    with pytest.raises(DataError, match="unknown label '1'") as caught:
        encode_labels(table(label=[1]), "label", spec=TASKS["mnli"], names=TASKS["mnli"].label_names, required=True)
    assert "write the names" in caught.value.hint


def test_minus_one_is_a_score_of_own_tables_and_unknown_in_sts_b():
    source = table(label=["-1", "2"])
    assert encode_labels(source, "label", spec=SCORES, names=(), required=True) == [-1.0, 2.0]
    assert encode_labels(source, "label", spec=TASKS["stsb"], names=(), required=False) == [None, 2.0]


def _build(source, spec=OWN, names=("a", "b"), **options):
    columns = resolve(source, spec, needs_label=options.get("needs_label", True))
    return build_dataset(source, columns, spec=spec, label_names=names, **{"needs_label": True, **options})


def test_features_are_declared():
    source = table(id=[7, 8], text=["x", "y"], text_pair=["", None], label=["a", "b"])
    dataset = _build(source)
    assert {name: str(feature) for name, feature in dataset.features.items()} == {
        "idx": "Value('int64')",
        "id": "Value('string')",
        "text": "Value('string')",
        "text_pair": "Value('string')",
        "label": "ClassLabel(names=['a', 'b'])",
    }
    assert dataset[1] == {"idx": 1, "id": "8", "text": "y", "text_pair": "", "label": 1}


def test_unlabelled_rows():
    assert _build(table(text=["x"]), needs_label=False)["label"][:] == [-1]
    assert _build(table(text=["x"]), SCORES, (), needs_label=False)["label"][:] == [None]
    assert _build(table(text=["x"]), SETS, needs_label=False)["label"][:] == [None]


def test_half_a_surrogate_pair_does_not_reach_arrow():
    assert _build(table(text=["a\ud800b \U0001f600"], label=["a"]))["text"][:] == ["a\ufffdb \U0001f600"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [(["x", None], r"no text \(a\.csv:3, column text\)"), (["x", 5], r"a text of mixed type: int \(a\.csv:3")],
)
def test_texts_that_cannot_be(cells, words):
    with pytest.raises(DataError, match=words):
        _build(table(text=cells, label=["a", "b"]))


@pytest.mark.parametrize("index", ["x", "-3", None, str(2**63)])
def test_official_indices_are_whole_numbers(index):
    source = table(index=[index], sentence=["x"], label=["1"])
    with pytest.raises(DataError, match=r"is no whole number \(a\.csv:2\)"):
        _build(source, TASKS["sst2"], ("0", "1"))
