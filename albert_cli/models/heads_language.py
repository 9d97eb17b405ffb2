"""What does ALBERT learn from raw text? Masked words, and whether two segments are in order.

Shapes: B sequences, L tokens, T packed tokens, E embedding, H hidden, V vocabulary, M positions to predict; "..." is
(B, L), (T,), or (M,) where only some positions are asked for.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from albert_cli.models.activations import Activation, activation
from albert_cli.models.albert import AlbertModel
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.init import initialise
from albert_cli.models.layout import PackedLayout
from albert_cli.models.linear import Linear
from albert_cli.models.losses import token_loss
from albert_cli.models.outputs import AlbertForPreTrainingOutput, MaskedLMOutput
from albert_cli.models.word_scores import MaskedScores, WordScores, score_words


class AlbertMLMHead(nn.Module):
    """H to E, activation, norm, then E to V through the word table (paper 3.1: the head is factorised, too).

    Args:
        hidden_size: H.
        embedding_size: E.
        vocab_size: V.
        act: after the first map.
        layer_norm_eps: added to the variance.
    """

    def __init__(
        self, hidden_size: int, embedding_size: int, *, vocab_size: int, act: Activation, layer_norm_eps: float = 1e-12
    ) -> None:
        super().__init__()
        self.LayerNorm = nn.LayerNorm(embedding_size, eps=layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.dense = Linear(hidden_size, embedding_size)
        self.decoder = Linear(embedding_size, vocab_size)
        self.act = act

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., H) to (..., V)."""
        return self.decoder(self._narrowed(hidden))  # type: ignore[no-any-return]

    def score(self, hidden: Tensor, labels: Tensor) -> WordScores:
        """Compare (M, H) with the words (M,) that belong there; the logits of all of them never exist at once."""
        decoder = self.decoder
        return score_words(self._narrowed(hidden), decoder.weight, decoder.bias, labels, backend=decoder.backend)

    def _narrowed(self, hidden: Tensor) -> Tensor:
        return self.LayerNorm(self.act(self.dense(hidden)))  # type: ignore[no-any-return]


class AlbertSOPHead(nn.Module):
    """Are two segments in order (0) or swapped (1)? (paper 3.1, sentence-order prediction)

    Args:
        hidden_size: H.
        dropout: before the map; the original has none.
    """

    def __init__(self, hidden_size: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = Linear(hidden_size, 2)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, H) to (B, 2)."""
        return self.classifier(self.dropout(pooled))  # type: ignore[no-any-return]


class AlbertForPreTraining(AlbertPreTrainedModel):
    """Masked words and sentence order together."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__(config if config.num_labels == 2 else config.changed(num_labels=2))
        self.albert = AlbertModel(self.config)
        self.predictions = _mlm_head(config)
        dropout = 0.0 if config.dropout_placement == "original" else config.classifier_dropout
        self.sop_classifier = AlbertSOPHead(config.hidden_size, dropout=dropout)
        initialise(self.predictions, std=config.initializer_range)
        initialise(self.sop_classifier, std=config.initializer_range)
        self.tie_weights()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        sentence_order_label: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        layout: PackedLayout | None = None,
        masked_positions: Tensor | None = None,
    ) -> AlbertForPreTrainingOutput | tuple[Any, ...]:
        """Predict masked words and sentence order. Inputs as AlbertModel, and:

        Args:
            input_ids: (B, L) or (T,) int64.
            attention_mask: (B, L) or None.
            token_type_ids: as ``input_ids`` or None.
            position_ids: as ``input_ids`` or None.
            head_mask: (A,) or (N, A) or None.
            inputs_embeds: (B, L, E) or (T, E) in place of ``input_ids``.
            labels: as ``input_ids``, or (M,) with ``masked_positions``; -100 is ignored.
            sentence_order_label: (B,) int64, 0 in order, 1 swapped.
            output_attentions: see AlbertModel.
            output_hidden_states: see AlbertModel.
            return_dict: see AlbertModel.
            layout: see AlbertModel.
            masked_positions: (M,) int64 into the flattened tokens; logits only there. None predicts every position.

        Returns:
            ``loss`` (sum of the losses whose labels were given), ``prediction_logits`` (..., V), ``sop_logits`` (B, 2).
        """
        encoded = self.albert(
            input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds,
            output_attentions, output_hidden_states, True, layout=layout, wanted=masked_positions,
        )  # fmt: skip
        prediction_logits = self.predictions(encoded.last_hidden_state)  # (..., V)
        sop_logits = self.sop_classifier(encoded.pooler_output)  # (B, 2)
        losses: list[Tensor] = []
        if labels is not None:
            losses.append(token_loss(prediction_logits, labels))
        if sentence_order_label is not None:
            losses.append(token_loss(sop_logits, sentence_order_label))
        loss = torch.stack(losses).sum() if losses else None
        output = AlbertForPreTrainingOutput(
            loss, prediction_logits, sop_logits, encoded.hidden_states, encoded.attentions
        )
        return output if self._wants_dict(return_dict) else output.to_tuple()

    def score_masked(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor | None,
        *,
        layout: PackedLayout,
        masked_positions: Tensor,
        masked_labels: Tensor,
    ) -> MaskedScores:
        """Compare a packed batch with the words behind its masks, as training does.

        Args:
            input_ids: (T,) int64.
            token_type_ids: (T,) int64 or None.
            layout: where each sequence begins and ends.
            masked_positions: (M,) int64 into the tokens.
            masked_labels: (M,) int64, the words there.
        """
        encoded = self.albert(input_ids, token_type_ids=token_type_ids, layout=layout, wanted=masked_positions)
        words = self.predictions.score(encoded.last_hidden_state, masked_labels)
        return MaskedScores(words, self.sop_classifier(encoded.pooler_output))


class AlbertForMaskedLM(AlbertPreTrainedModel):
    """Masked words alone."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config, add_pooling_layer=False)
        self.predictions = _mlm_head(config)
        initialise(self.predictions, std=config.initializer_range)
        self.tie_weights()

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
        masked_positions: Tensor | None = None,
    ) -> MaskedLMOutput | tuple[Any, ...]:
        """Predict masked words. Inputs as AlbertModel, and:

        Args:
            input_ids: (B, L) or (T,) int64.
            attention_mask: (B, L) or None.
            token_type_ids: as ``input_ids`` or None.
            position_ids: as ``input_ids`` or None.
            head_mask: (A,) or (N, A) or None.
            inputs_embeds: (B, L, E) or (T, E) in place of ``input_ids``.
            labels: as ``input_ids``, or (M,) with ``masked_positions``; -100 is ignored.
            output_attentions: see AlbertModel.
            output_hidden_states: see AlbertModel.
            return_dict: see AlbertModel.
            layout: see AlbertModel.
            masked_positions: (M,) int64 into the flattened tokens; logits only there. None predicts every position.

        Returns:
            ``loss`` where labels were given, ``logits`` (..., V).
        """
        encoded = self.albert(
            input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds,
            output_attentions, output_hidden_states, True, layout=layout, wanted=masked_positions,
        )  # fmt: skip
        logits = self.predictions(encoded.last_hidden_state)  # (..., V)
        loss = None if labels is None else token_loss(logits, labels)
        output = MaskedLMOutput(loss, logits, encoded.hidden_states, encoded.attentions)
        return output if self._wants_dict(return_dict) else output.to_tuple()

    def score_masked(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor | None,
        *,
        layout: PackedLayout,
        masked_positions: Tensor,
        masked_labels: Tensor,
    ) -> MaskedScores:
        """Compare a packed batch with the words behind its masks, as training does.

        Args:
            input_ids: (T,) int64.
            token_type_ids: (T,) int64 or None.
            layout: where each sequence begins and ends.
            masked_positions: (M,) int64 into the tokens.
            masked_labels: (M,) int64, the words there.
        """
        encoded = self.albert(input_ids, token_type_ids=token_type_ids, layout=layout, wanted=masked_positions)
        words = self.predictions.score(encoded.last_hidden_state, masked_labels)
        return MaskedScores(words, None)


def _mlm_head(config: AlbertConfig) -> AlbertMLMHead:
    return AlbertMLMHead(
        config.hidden_size,
        config.embedding_size,
        vocab_size=config.vocab_size,
        act=activation(config.hidden_act),
        layer_norm_eps=config.layer_norm_eps,
    )
