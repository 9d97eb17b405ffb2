"""Which of our classes do the ``Auto`` names of the documentation mean? Each means exactly one."""

from __future__ import annotations

from albert_cli.errors import ModelError
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import (
    MODEL_CLASSES,
    AlbertForMaskedLM,
    AlbertForMultipleChoice,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)

AutoConfig = AlbertConfig
AutoModel = AlbertModel
AutoModelForPreTraining = AlbertForPreTraining
AutoModelForMaskedLM = AlbertForMaskedLM
AutoModelForSequenceClassification = AlbertForSequenceClassification
AutoModelForMultipleChoice = AlbertForMultipleChoice
AutoModelForTokenClassification = AlbertForTokenClassification
AutoModelForQuestionAnswering = AlbertForQuestionAnswering


def saved_class(config: AlbertConfig) -> type[AlbertPreTrainedModel]:
    """The class that a config says its weights were saved from.

    Raises:
        ModelError: the config names none of ours.
    """
    for name in config.architectures or []:
        if name in MODEL_CLASSES:
            return MODEL_CLASSES[name]
    raise ModelError(
        f"config.json names no class of ours (architectures: {config.architectures})",
        hint=f"one of: {', '.join(MODEL_CLASSES)}",
    )
