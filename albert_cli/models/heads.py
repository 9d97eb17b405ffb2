"""Which heads are there? One list of all model classes, by name."""

from __future__ import annotations

from albert_cli.models.albert import AlbertModel
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.heads_beam import AlbertForQuestionAnsweringBeam
from albert_cli.models.heads_language import AlbertForMaskedLM, AlbertForPreTraining
from albert_cli.models.heads_sequence import AlbertForMultipleChoice, AlbertForSequenceClassification
from albert_cli.models.heads_token import AlbertForQuestionAnswering, AlbertForTokenClassification

__all__ = [
    "MODEL_CLASSES",
    "AlbertForMaskedLM",
    "AlbertForMultipleChoice",
    "AlbertForPreTraining",
    "AlbertForQuestionAnswering",
    "AlbertForQuestionAnsweringBeam",
    "AlbertForSequenceClassification",
    "AlbertForTokenClassification",
    "AlbertModel",
]

MODEL_CLASSES: dict[str, type[AlbertPreTrainedModel]] = {
    kind.__name__: kind
    for kind in (
        AlbertModel,
        AlbertForPreTraining,
        AlbertForMaskedLM,
        AlbertForSequenceClassification,
        AlbertForMultipleChoice,
        AlbertForTokenClassification,
        AlbertForQuestionAnswering,
        AlbertForQuestionAnsweringBeam,
    )
}
