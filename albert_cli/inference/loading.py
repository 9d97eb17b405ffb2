"""Which model and tokenizer answer a task, and are they fit for it?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from albert_cli.errors import ModelError
from albert_cli.files.hub import resolve_model
from albert_cli.models.albert import AlbertModel
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnsweringBeam
from albert_cli.models.heads_language import AlbertForMaskedLM, AlbertForPreTraining
from albert_cli.models.heads_sequence import AlbertForMultipleChoice, AlbertForSequenceClassification
from albert_cli.models.heads_token import AlbertForQuestionAnswering, AlbertForTokenClassification
from albert_cli.models.pretrained import LoadReport, load_pretrained
from albert_cli.tokenization.tokenizer import AlbertTokenizer

if TYPE_CHECKING:
    from albert_cli.inference.onnx_model import OnnxModel

MODEL_CLASSES: dict[str, type[AlbertPreTrainedModel]] = {
    "fill-mask": AlbertForMaskedLM,
    "text-classification": AlbertForSequenceClassification,
    "token-classification": AlbertForTokenClassification,
    "question-answering": AlbertForQuestionAnswering,
    "multiple-choice": AlbertForMultipleChoice,
    "sentence-order": AlbertForPreTraining,
    "feature-extraction": AlbertModel,
    "zero-shot-classification": AlbertForSequenceClassification,
}
_REMEDIES = {
    "fill-mask": "use a pretrained model, or train one with `albert pretrain`",
    "text-classification": "train the classifier with `albert finetune`, or name a model that has one",
    "token-classification": "train it with `albert finetune ner` or `albert finetune own/token-classification`",
    "question-answering": "train it with `albert finetune squad` or `albert finetune own/question-answering`",
    "multiple-choice": "train it with `albert finetune race` or `albert finetune own/multiple-choice`",
    "sentence-order": "use a model of `albert pretrain`; released files often left this head out",
    "feature-extraction": "check that the directory holds a whole model",
    "zero-shot-classification": "train a classifier with `albert finetune glue/mnli`",
}


@dataclass(frozen=True)
class Loaded:
    """A model ready to answer.

    Attributes:
        model: of the task's class, in evaluation mode, on its device.
        tokenizer: its tokenizer.
        max_length: tokens that both accept, special ones included.
    """

    model: Any
    tokenizer: AlbertTokenizer
    max_length: int


def load_for_task(
    task: str,
    name: str | Path,
    *,
    device: torch.device,
    tokenizer: str | Path | None = None,
    dtype: torch.dtype | str | None = torch.float32,
    revision: str | None = None,
) -> Loaded:
    """Load what answers a task.

    Args:
        task: a key of `MODEL_CLASSES`.
        name: model directory, run directory or hub id.
        device: where to put the model.
        tokenizer: another tokenizer than the model's: directory, SentencePiece file or hub id.
        dtype: type of the weights; None takes the file's.
        revision: branch, tag or commit of a hub id.

    Raises:
        ModelError: no such model or tokenizer, no trained head for the task, or the two do not belong together.
    """
    directory = resolve_model(name, revision=revision)
    words = AlbertTokenizer.from_pretrained(directory if tokenizer is None else tokenizer)
    cls = class_for(task, directory)
    has_pooler = False if cls is AlbertModel else None  # vectors come from before it, and not every file has one
    model, report = load_pretrained(cls, directory, dtype=dtype, add_pooling_layer=has_pooler)
    check_head(task, report, place=name)
    return Loaded(model.to(device), words, check_fit(model, words))


def load_onnx(task: str, directory: Path, *, tokenizer: str | Path | None = None) -> Loaded:
    """Load a converted model and its tokenizer.

    Args:
        task: a key of `MODEL_CLASSES`.
        directory: with ``model.onnx`` and ``config.json``.
        tokenizer: another tokenizer than that of the directory.

    Raises:
        ModelError: a model of another head, or without a tokenizer.
        UsageError: onnxruntime is not installed.
    """
    from albert_cli.inference.onnx_model import OnnxModel

    words = AlbertTokenizer.from_pretrained(directory if tokenizer is None else tokenizer)
    model = OnnxModel(directory, MODEL_CLASSES[task].__name__).eval()
    return Loaded(model, words, check_fit(model, words))


def class_for(task: str, directory: Path) -> type[AlbertPreTrainedModel]:
    """The class that answers a task; of the two heads for questions about texts the config says which was trained."""
    made_as = AlbertConfig.from_pretrained(directory).architectures or []
    if task == "question-answering" and AlbertForQuestionAnsweringBeam.__name__ in made_as:
        return AlbertForQuestionAnsweringBeam
    return MODEL_CLASSES[task]


def check_head(task: str, report: LoadReport, *, place: str | Path) -> None:
    """Refuse a model whose head for the task would be random: its answers would look like answers.

    Raises:
        ModelError: weights of the head, or of the pooling layer that it stands on, are not in the file.
    """
    lacking = [*report.missing, *(line.split(":")[0] for line in report.mismatched)]
    if task == "sentence-order":  # its model has a word head, too, which this task does not ask
        lacking = [name for name in lacking if not name.startswith("predictions.")]
    if lacking:
        raise ModelError(
            f"{place} has no trained weights for {task} (not in the file: {', '.join(lacking)})",
            hint=_REMEDIES[task],
        )


def check_fit(model: AlbertPreTrainedModel | OnnxModel, tokenizer: AlbertTokenizer) -> int:
    """Return the tokens that a model and its tokenizer both accept.

    Raises:
        ModelError: the tokenizer makes ids that the model has no row for.
    """
    rows, positions = model.config.vocab_size, model.config.max_position_embeddings
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer has {len(tokenizer):,} pieces, the model {rows:,} rows: they do not belong together",
            hint="name the model's own tokenizer with --tokenizer",
        )
    return min(positions, tokenizer.model_max_length)
