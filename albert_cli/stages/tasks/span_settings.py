"""How are a recipe's questions asked, given the model that answers: which head, whose rules, which threshold?"""

from __future__ import annotations

from dataclasses import dataclass

from albert_cli.data.tasks.squad import SpanData
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForQuestionAnsweringBeam
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.recipe.sections import QuestionAnswering

THRESHOLD = "null_score_diff_threshold"
"""Config field of a trained model: a question is not answered where its odds of "no answer" are above it."""


@dataclass(frozen=True)
class SpanSettings:
    """How questions are asked and answered.

    Attributes:
        max_length: most tokens of a window.
        windows: the recipe's section.
        is_beam: whether the head follows up starts; else it scores starts and ends apart.
        may_be_unanswered: whether a text may not answer; the rules of SQuAD v2.0 then score.
        threshold: of the trained model; None before training.
    """

    max_length: int
    windows: QuestionAnswering
    is_beam: bool
    may_be_unanswered: bool
    threshold: float | None


def span_settings(recipe: FinetuneRecipe, config: AlbertConfig | None, data: SpanData) -> SpanSettings:
    """Settle what the recipe leaves open.

    Args:
        recipe: of a task of questions about texts.
        config: of the trained model; None before training.
        data: the questions; own ones may be unanswerable if any is, or if the model has learnt a threshold.
    """
    how, wanted = recipe.question_answering, recipe.data.max_length
    made_as = [] if config is None else config.architectures or []
    if how.head != "auto":
        is_beam = how.head == "beam"
    elif made_as:
        is_beam = AlbertForQuestionAnsweringBeam.__name__ in made_as
    else:
        is_beam = recipe.task == "squad2"
    may_be_unanswered = recipe.task == "squad2"
    if recipe.task == "question-answering":
        learnt = config is not None and THRESHOLD in config.extra
        may_be_unanswered = learnt or any(True in rows["is_impossible"] for rows in data.splits.values())
    if config is None:
        return SpanSettings(wanted, how, is_beam, may_be_unanswered, None)
    length = min(wanted, config.max_position_embeddings)
    return SpanSettings(length, how, is_beam, may_be_unanswered, float(config.extra.get(THRESHOLD, 0.0)))
