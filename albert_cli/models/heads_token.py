"""What is each token, and where is the answer? Heads on every token.

Shapes: B sequences, L tokens, T packed tokens, H hidden, C classes.
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
from albert_cli.models.losses import span_loss, token_loss
from albert_cli.models.outputs import QuestionAnsweringModelOutput, TokenClassifierOutput


class AlbertForTokenClassification(AlbertPreTrainedModel):
    """A class for each token, names of people and places for example."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config, add_pooling_layer=False)
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
    ) -> TokenClassifierOutput | tuple[Any, ...]:
        """Classify tokens. Inputs as AlbertModel, and:

        Args:
            input_ids: (B, L) or (T,) int64.
            attention_mask: (B, L) or None.
            token_type_ids: as ``input_ids`` or None.
            position_ids: as ``input_ids`` or None.
            head_mask: (A,) or (N, A) or None.
            inputs_embeds: (B, L, E) or (T, E) in place of ``input_ids``.
            labels: as ``input_ids``, int64; -100 is ignored.
            output_attentions: see AlbertModel.
            output_hidden_states: see AlbertModel.
            return_dict: see AlbertModel.
            layout: see AlbertModel.

        Returns:
            ``loss`` where labels were given, ``logits`` (B, L, C) or (T, C).
        """
        encoded = self.albert(
            input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds,
            output_attentions, output_hidden_states, True, layout=layout,
        )  # fmt: skip
        logits = self.classifier(self.dropout(encoded.last_hidden_state))  # (..., C)
        loss = None if labels is None else token_loss(logits, labels)
        output = TokenClassifierOutput(loss, logits, encoded.hidden_states, encoded.attentions)
        return output if self._wants_dict(return_dict) else output.to_tuple()


class AlbertForQuestionAnswering(AlbertPreTrainedModel):
    """First and last token of the answer (SQuAD v1.1)."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__(config if config.num_labels == 2 else config.changed(num_labels=2))
        self.albert = AlbertModel(self.config, add_pooling_layer=False)
        self.qa_outputs = Linear(config.hidden_size, 2)  # row 0 start, row 1 end
        initialise(self.qa_outputs, std=config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        layout: PackedLayout | None = None,
    ) -> QuestionAnsweringModelOutput | tuple[Any, ...]:
        """Find the answer. Inputs as AlbertModel, and:

        Args:
            input_ids: (B, L) or (T,) int64.
            attention_mask: (B, L) or None.
            token_type_ids: as ``input_ids`` or None.
            position_ids: as ``input_ids`` or None.
            head_mask: (A,) or (N, A) or None.
            inputs_embeds: (B, L, E) or (T, E) in place of ``input_ids``.
            start_positions: (B,) or (B, 1) int64, counted from the beginning of each sequence; ignored where after its
                end, 0 where negative.
            end_positions: likewise.
            output_attentions: see AlbertModel.
            output_hidden_states: see AlbertModel.
            return_dict: see AlbertModel.
            layout: see AlbertModel.

        Returns:
            ``loss`` where positions were given, ``start_logits`` and ``end_logits`` (B, L) or (T,). The softmax of
            a padded batch runs over all positions, of a packed one over each sequence's tokens.

        Raises:
            ModelError: only one of the two positions.
        """
        if (start_positions is None) != (end_positions is None):
            raise ModelError("give start_positions and end_positions, or neither")
        encoded = self.albert(
            input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds,
            output_attentions, output_hidden_states, True, layout=layout,
        )  # fmt: skip
        start_logits, end_logits = self.qa_outputs(encoded.last_hidden_state).unbind(-1)  # (..., 2) -> 2 x (...)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start_logits, end_logits, start_positions, end_positions, layout=layout)
        output = QuestionAnsweringModelOutput(loss, start_logits, end_logits, encoded.hidden_states, encoded.attentions)
        return output if self._wants_dict(return_dict) else output.to_tuple()
