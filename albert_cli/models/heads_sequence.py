"""What is this text, or which of these choices is right? Heads on the first token of each sequence.

Shapes: B sequences (or questions), L tokens, T packed tokens, H hidden, C classes or choices.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from albert_cli.errors import ModelError
from albert_cli.models.albert import AlbertModel
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.init import initialise
from albert_cli.models.layout import PackedLayout
from albert_cli.models.linear import Linear
from albert_cli.models.losses import problem_type, sequence_loss, token_loss
from albert_cli.models.outputs import MultipleChoiceModelOutput, SequenceClassifierOutput


class AlbertForSequenceClassification(AlbertPreTrainedModel):
    """One class, several classes or a number for each text or pair."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = Linear(config.hidden_size, config.num_labels)
        initialise(self.classifier, std=config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        layout: PackedLayout | None = None,
    ) -> SequenceClassifierOutput | tuple[Any, ...]:
        """Classify. Inputs as AlbertModel, and:

        Args:
            input_ids: (B, L) or (T,) int64.
            attention_mask: (B, L) or None.
            token_type_ids: as ``input_ids`` or None.
            position_ids: as ``input_ids`` or None.
            head_mask: (A,) or (N, A) or None.
            inputs_embeds: (B, L, E) or (T, E) in place of ``input_ids``.
            labels: (B,) int64 for one class; (B,) or (B, C) float for a number; (B, C) float for several classes. The
                first labels settle ``config.problem_type`` where it is None.
            output_attentions: see AlbertModel.
            output_hidden_states: see AlbertModel.
            return_dict: see AlbertModel.
            layout: see AlbertModel.

        Returns:
            ``loss`` where labels were given, ``logits`` (B, C).
        """
        encoded = self.albert(
            input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds,
            output_attentions, output_hidden_states, True, layout=layout, wanted=(),
        )  # fmt: skip
        logits = self.classifier(self.dropout(encoded.pooler_output))  # (B, C)
        loss = None
        if labels is not None:
            loss = sequence_loss(logits, labels, problem=problem_type(self.config, labels))
        output = SequenceClassifierOutput(loss, logits, encoded.hidden_states, encoded.attentions)
        return output if self._wants_dict(return_dict) else output.to_tuple()


class AlbertForMultipleChoice(AlbertPreTrainedModel):
    """One number for each choice of a question; the largest wins."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = Linear(config.hidden_size, 1)
        initialise(self.classifier, std=config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        layout: PackedLayout | None = None,
        num_choices: int | None = None,
    ) -> MultipleChoiceModelOutput | tuple[Any, ...]:
        """Score choices. Inputs as AlbertModel with a choice axis, and:

        Args:
            input_ids: (B, C, L) int64; packed (T,), the choices of the first question first.
            attention_mask: (B, C, L) or None.
            token_type_ids: as ``input_ids`` or None.
            position_ids: as ``input_ids`` or None.
            head_mask: (A,) or (N, A) or None.
            inputs_embeds: (B, C, L, E) or (T, E) in place of ``input_ids``.
            labels: (B,) int64, number of the right choice.
            output_attentions: see AlbertModel.
            output_hidden_states: see AlbertModel.
            return_dict: see AlbertModel.
            layout: see AlbertModel.
            num_choices: C of a packed batch; padded ones show it by their shape.

        Returns:
            ``loss`` where labels were given, ``logits`` (B, C).

        Raises:
            ModelError: a packed batch whose sequences are no multiple of ``num_choices``.
        """
        if layout is None:
            shown = input_ids if input_ids is not None else inputs_embeds
            if shown is None or shown.dim() != (3 if input_ids is not None else 4):
                raise ModelError("multiple choice takes input_ids of shape (B, C, L): questions, choices, tokens")
            num_choices = shown.shape[1]
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds = (
                None if part is None else part.flatten(0, 1)  # (B*C, L)
                for part in (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
            )
        elif num_choices is None or num_choices < 1 or layout.batch % num_choices:
            raise ModelError(f"{layout.batch} packed sequences are no multiple of num_choices={num_choices}")
        encoded = self.albert(
            input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds,
            output_attentions, output_hidden_states, True, layout=layout, wanted=(),
        )  # fmt: skip
        logits = self.classifier(self.dropout(encoded.pooler_output)).view(-1, num_choices)  # (B, C)
        loss = None if labels is None else token_loss(logits, labels)
        output = MultipleChoiceModelOutput(loss, logits, encoded.hidden_states, encoded.attentions)
        return output if self._wants_dict(return_dict) else output.to_tuple()
