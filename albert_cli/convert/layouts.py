"""Which other layouts do people have, and what can be done with a checkpoint in one?

Recognised by the names of the weights, in TensorFlow's form or PyTorch's, so that a refusal says more than that a name
is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from albert_cli.errors import ModelError
from albert_cli.files.text import safe_line


@dataclass(frozen=True)
class Layout:
    """A layout that no format of the converter holds.

    Attributes:
        mark: found in at least one name, with "/" between the parts.
        what: whose it is, and how it differs.
        hint: what can be done.
    """

    mark: re.Pattern[str]
    what: str
    hint: str


LAYOUTS = (
    Layout(
        re.compile(r"layer_normalization"),
        "its layer norms are per layer and not shared, unlike the original's",
        "no format of convert can hold it; train again with shared norms",
    ),
    Layout(
        re.compile(r"(^|/)layer_shared(_\d+)?/|word_embeddings_2(/|$)"),
        "the layout of brightmart/albert_zh and of its PyTorch port, whose blocks are built otherwise",
        "ask for the checkpoint in google's layout (albert_*_google), or for google's own Chinese models",
    ),
    Layout(
        re.compile(r"(^|/)encoder/layer(_|/)\d+/"),
        "a BERT, whose layers are not shared",
        "only ALBERT checkpoints convert",
    ),
    Layout(
        re.compile(r"\.ATTRIBUTES|_CHECKPOINTABLE_OBJECT_GRAPH"),
        "an object graph of TensorFlow 2 (Keras, SavedModel), which names weights by the program that saved them",
        "load it in that program and save tf_model.h5, or take the original checkpoint",
    ),
)


def refuse_other_layouts(names: Iterable[str], *, place: Path) -> None:
    """Refuse weights in one of `LAYOUTS`.

    Args:
        names: of the weights in the file.
        place: of the file.

    Raises:
        ModelError: naming the layout, the weight that shows it, and what can be done.
    """
    listed = list(names)
    for layout in LAYOUTS:
        for name in listed:
            if layout.mark.search(name if "/" in name else name.replace(".", "/")) or layout.mark.search(name):
                shown = f"{safe_line(str(place))}: {layout.what} ({safe_line(name, limit=120)})"
                raise ModelError(shown, hint=layout.hint)
