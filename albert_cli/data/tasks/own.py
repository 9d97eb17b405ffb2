"""Tasks on users' own tables: one class, one number, or any number of classes for each text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from albert_cli.data.tasks.spec import ColumnNames, TaskSpec

# Names that people give their columns, the most telling first. Pairs come before single texts, so that a table with
# sentence1 and sentence2 is one of pairs.
_OWN_TEXTS: tuple[tuple[str, str | None], ...] = (
    ("text", "text_pair"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "passage"),
    ("query", "document"),
    ("text", None),
    ("sentence", None),
    ("review", None),
    ("content", None),
    ("document", None),
    ("comment", None),
    ("body", None),
    ("question", None),
    ("title", None),
)
_IDS = ("id", "idx", "index", "guid", "uid")
_CLASS_LABELS = ("label", "labels", "class", "category", "target", "sentiment", "intent", "topic", "rating", "stars")
_SCORE_LABELS = ("label", "score", "target", "rating", "similarity", "value", "stars", "y")
_SET_LABELS = ("labels", "label", "tags", "categories", "classes", "topics", "emotions", "genres")

OWN_TASKS: Mapping[str, TaskSpec] = MappingProxyType(
    {
        "text-classification": TaskSpec(
            name="text-classification",
            kind="classification",
            columns=ColumnNames(texts=_OWN_TEXTS, label=_CLASS_LABELS, id=_IDS),
        ),
        "text-regression": TaskSpec(
            name="text-regression",
            kind="regression",
            columns=ColumnNames(texts=_OWN_TEXTS, label=_SCORE_LABELS, id=_IDS),
        ),
        "multi-label": TaskSpec(
            name="multi-label",
            kind="multi-label",
            columns=ColumnNames(texts=_OWN_TEXTS, label=_SET_LABELS, id=_IDS),
        ),
    }
)
