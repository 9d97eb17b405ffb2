"""Which head can stand in which format, and why not? The one table of the converter, its documentation and its tests.

A cell is a source format, a target format and a head. Most convert; some are refused, because the target has no place
for the head; some cannot occur, because no source holds the head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from albert_cli.convert.content import Content, is_identity_mapping
from albert_cli.models.heads import MODEL_CLASSES

TARGETS = ("hf", "hf-bin", "tf1", "tf2", "flax", "onnx")
SOURCES = TARGETS[:-1]
_TORCH = ("hf", "hf-bin", "onnx")
_NOT_TORCH = tuple(name for name in TARGETS if name not in _TORCH)


@dataclass(frozen=True)
class Head:
    """A head as people know it.

    Attributes:
        key: one word for it.
        title: a few words.
        model_class: name of our class.
        config: what its configuration says beyond the class.
    """

    key: str
    title: str
    model_class: str
    config: Mapping[str, Any] = field(default_factory=dict)


HEADS = (
    Head("bare", "bare model", "AlbertModel"),
    Head("pretraining", "pretraining: masked words, sentence order", "AlbertForPreTraining"),
    Head("words", "masked words", "AlbertForMaskedLM"),
    Head("classes", "classification", "AlbertForSequenceClassification", {"num_labels": 3}),
    Head(
        "regression", "regression", "AlbertForSequenceClassification", {"num_labels": 1, "problem_type": "regression"}
    ),
    Head(
        "labels",
        "several labels at once",
        "AlbertForSequenceClassification",
        {"num_labels": 4, "problem_type": "multi_label_classification"},
    ),
    Head("choices", "multiple choice (RACE)", "AlbertForMultipleChoice"),
    Head("tokens", "tokens", "AlbertForTokenClassification", {"num_labels": 5}),
    Head("spans", "SQuAD v1.1: start and end", "AlbertForQuestionAnswering"),
    Head("beam", "SQuAD v2.0: beam and answerability", "AlbertForQuestionAnsweringBeam"),
)

_NO_BEAM = "transformers has no such class in this framework; google's format has it"
REFUSED_HEADS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("tf1", "AlbertForTokenClassification"): "the original code has no head for tokens",
        ("tf2", "AlbertForQuestionAnsweringBeam"): _NO_BEAM,
        ("flax", "AlbertForQuestionAnsweringBeam"): _NO_BEAM,
    }
)
"""Why a format has no place for a model class, by format and class."""


@dataclass(frozen=True)
class Refusal:
    """A kind of model that some formats cannot hold, whatever its head.

    Attributes:
        targets: these formats.
        title: the kind, for the documentation.
        applies: whether a model is of that kind.
        reason: why not.
    """

    targets: tuple[str, ...]
    title: str
    applies: Callable[[Content], bool]
    reason: str


REFUSED_MODELS = (
    Refusal(
        _NOT_TORCH,
        "relative positions",
        lambda content: content.config.position_embedding_type != "absolute",
        "relative positions exist in PyTorch alone",
    ),
    Refusal(
        _NOT_TORCH,
        "pruned heads",
        lambda content: bool(content.config.pruned_heads),
        "pruned heads exist in PyTorch alone",
    ),
    Refusal(
        _NOT_TORCH,
        "a decoder of its own",
        lambda content: not content.config.tie_word_embeddings,
        "a decoder of its own (tie_word_embeddings: false) exists in PyTorch alone",
    ),
    Refusal(
        ("tf1",),
        "a real projection where embeddings are as wide as the encoder",
        lambda content: (
            content.config.embedding_size == content.config.hidden_size and not is_identity_mapping(content.state)
        ),
        "google's code has no projection where embedding_size equals hidden_size, and this one is no identity",
    ),
    Refusal(
        ("tf1",),
        "the exact gelu",
        lambda content: content.config.hidden_act == "gelu",
        "google's gelu is the tanh form (gelu_new), this model's config says the exact one; "
        "where that is wrong, --hidden-act gelu_new",
    ),
)


@dataclass(frozen=True)
class Cell:
    """One way that a head may go.

    Attributes:
        source: format.
        target: format.
        head: one of `HEADS`.
        refused: why the target cannot hold it; None: it converts.
    """

    source: str
    target: str
    head: Head
    refused: str | None


def cells() -> list[Cell]:
    """Every cell that can occur, by head, source and target."""
    return [
        Cell(source, target, head, REFUSED_HEADS.get((target, head.model_class)))
        for head in HEADS
        for source in SOURCES
        if (source, head.model_class) not in REFUSED_HEADS
        for target in TARGETS
    ]


def refusal(content: Content, target: str) -> str | None:
    """Why a checkpoint cannot go into a format; None: it can."""
    if content.head not in MODEL_CLASSES:
        return f"{content.head} is none of our model classes"
    if (reason := REFUSED_HEADS.get((target, content.head))) is not None:
        return reason
    return next((one.reason for one in REFUSED_MODELS if target in one.targets and one.applies(content)), None)


def summary() -> str:
    """How many cells there are of each kind, as a sentence."""
    listed = cells()
    refused = sum(cell.refused is not None for cell in listed)
    absent = len(HEADS) * len(SOURCES) * len(TARGETS) - len(listed)
    return (
        f"Conversions x heads: {len(listed) - refused}, none skipped. {refused} more are refused with exit code 3, "
        f"and {absent} cannot occur, because no source holds the head."
    )


def markdown() -> str:
    """The tables as they stand in the documentation."""
    lines = [summary(), "", f"| head | key | {' | '.join(f'to `{target}`' for target in TARGETS)} |"]
    lines.append("|" + "---|" * (len(TARGETS) + 2))
    lines += [f"| {head.title} | `{head.key}` | {' | '.join(_shown(head))} |" for head in HEADS]
    lines += ["", "| refused | to | because |", "|---|---|---|"]
    for head in HEADS:
        reasons = {target: REFUSED_HEADS.get((target, head.model_class)) for target in TARGETS}
        for reason in dict.fromkeys(text for text in reasons.values() if text):
            lines.append(_refused_line(head.title, [t for t, text in reasons.items() if text == reason], reason))
    lines += [_refused_line(one.title, one.targets, one.reason) for one in REFUSED_MODELS]
    return "\n".join(lines) + "\n"


def _shown(head: Head) -> list[str]:
    """For each target from how many formats the head comes."""
    mine = [cell for cell in cells() if cell.head is head]
    counts = [[cell for cell in mine if cell.target == target] for target in TARGETS]
    return ["refused" if found[0].refused else f"from {len(found)}" for found in counts]


def _refused_line(title: str, targets: list[str] | tuple[str, ...], reason: str) -> str:
    return f"| {title} | {', '.join(f'`{target}`' for target in targets)} | {reason} |"
