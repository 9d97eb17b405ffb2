"""ALBERT in PyTorch: tokenizer, pretraining, fine-tuning, evaluation, prediction, inference."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "albert_cli.models.config": ("AlbertConfig",),
    "albert_cli.models.heads": (
        "AlbertModel",
        "AlbertForPreTraining",
        "AlbertForMaskedLM",
        "AlbertForSequenceClassification",
        "AlbertForMultipleChoice",
        "AlbertForTokenClassification",
        "AlbertForQuestionAnswering",
        "AlbertForQuestionAnsweringBeam",
    ),
    "albert_cli.models.base": ("AlbertPreTrainedModel",),
    "albert_cli.models.outputs": (
        "ModelOutput",
        "BaseModelOutputWithPooling",
        "AlbertForPreTrainingOutput",
        "MaskedLMOutput",
        "SequenceClassifierOutput",
        "MultipleChoiceModelOutput",
        "TokenClassifierOutput",
        "QuestionAnsweringModelOutput",
        "QuestionAnsweringBeamOutput",
    ),
    "albert_cli.models.auto": (
        "AutoConfig",
        "AutoModel",
        "AutoModelForPreTraining",
        "AutoModelForMaskedLM",
        "AutoModelForSequenceClassification",
        "AutoModelForMultipleChoice",
        "AutoModelForTokenClassification",
        "AutoModelForQuestionAnswering",
    ),
    "albert_cli.tokenization.tokenizer": ("AlbertTokenizer", "AlbertTokenizerFast"),
    "albert_cli.inference.pipeline": ("pipeline",),
}
_ALIASES = {"AutoTokenizer": ("albert_cli.tokenization.tokenizer", "AlbertTokenizer")}

# Public names load on demand (PEP 562): `import albert_cli` costs no torch.
_HOMES = {name: (module, name) for module, names in _PLACES.items() for name in names} | _ALIASES

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - names, all of them strings


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'albert_cli' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
