"""A classification task that needs no download: which library does a documentation string belong to?"""

from __future__ import annotations

from albert_cli.data.python_docs import LABELS, LabelledDoc, labelled_python_docs
from albert_cli.data.raw_table import RawTable
from albert_cli.data.tasks.spec import ColumnNames, TaskSpec

PYTHON_DOCS = TaskSpec(
    name="python-docs",
    kind="classification",
    columns=ColumnNames(texts=(("text", "text_pair"), ("text", None)), id=()),
    splits=("train", "dev"),
)


def read_python_docs() -> dict[str, RawTable]:
    """Tables ``train`` and ``dev`` of the documentation strings of installed packages.

    The classes are the libraries that are installed, in the order of `data.python_docs.LABELS`.

    Raises:
        DataError: too few of the packages are installed.
    """
    train, dev = labelled_python_docs()
    present = {doc.label for doc in train}
    classes = tuple(label for label in LABELS if label in present)
    return {"train": _table(train, classes, split="train"), "dev": _table(dev, classes, split="dev")}


def _table(docs: list[LabelledDoc], classes: tuple[str, ...], *, split: str) -> RawTable:
    kept = [doc for doc in docs if doc.label in classes]  # a library with very few texts may have none to train on
    return RawTable(
        source=f"python-docs/{split}",
        columns={
            "text": [doc.text for doc in kept],
            "label": [doc.label for doc in kept],
        },
        class_names={"label": classes},
    )
