"""Where does the answer begin, where does it end then, and is there one at all? The original's head of SQuAD v2.0.

The end is asked for once per likely start (as XLNet does), so that the two belong together; whether the
text answers at all is a question of its own.

Shapes: B sequences, L tokens, T packed tokens, H hidden, S starts that are followed up (``start_n_top``), E ends kept
for each (``end_n_top``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from albert_cli.errors import ModelError
from albert_cli.models.albert import AlbertModel
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.init import initialise
from albert_cli.models.layout import PackedLayout
from albert_cli.models.linear import Linear
from albert_cli.models.losses import IGNORED
from albert_cli.models.outputs import QuestionAnsweringBeamOutput

DEFAULT_N_TOP = 5
# What the original puts in place of a forbidden position's logit: far below any, and finite.
_FORBIDDEN = -1e30


class StartLogits(nn.Module):
    """How much like the beginning of the answer is each token?"""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense = Linear(hidden_size, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, L, H) to (B, L)."""
        logits: Tensor = self.dense(hidden).squeeze(-1)
        return logits


class EndLogits(nn.Module):
    """How much like the end of an answer is each token, if the answer begins at a given one?"""

    def __init__(self, hidden_size: int, *, eps: float) -> None:
        super().__init__()
        self.dense_0 = Linear(2 * hidden_size, hidden_size)  # of [token ; start]
        self.LayerNorm = nn.LayerNorm(hidden_size, eps=eps)
        self.dense_1 = Linear(hidden_size, 1)

    def forward(self, hidden: Tensor, starts: Tensor) -> Tensor:
        """Judge every pair.

        Args:
            hidden: (B, L, H).
            starts: (B, S, H), the tokens at which answers might begin.

        Returns:
            (B, S, L).
        """
        # The product of the concatenated pair, in two parts: one over tokens, one over starts, added for each pair.
        of_token, of_start = self.dense_0.weight.chunk(2, dim=1)  # (H, H) each
        tokens = F.linear(hidden, of_token, self.dense_0.bias)  # (B, L, H)
        given = F.linear(starts, of_start)  # (B, S, H)
        pairs = torch.tanh(tokens[:, None] + given[:, :, None])  # (B, S, L, H)
        logits: Tensor = self.dense_1(self.LayerNorm(pairs)).squeeze(-1)
        return logits


class AnswerClass(nn.Module):
    """How surely does the text not answer the question?"""

    def __init__(self, hidden_size: int, *, dropout: float) -> None:
        super().__init__()
        self.dense_0 = Linear(2 * hidden_size, hidden_size)  # of [expected start ; first token]
        self.dense_1 = Linear(hidden_size, 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, start_log_probs: Tensor) -> Tensor:
        """(B, L, H) and (B, L) to (B,)."""
        expected = torch.einsum("bl,blh->bh", start_log_probs.exp().to(hidden.dtype), hidden)
        summary = torch.tanh(self.dense_0(torch.cat([expected, hidden[:, 0]], dim=-1)))
        logits: Tensor = self.dense_1(self.dropout(summary)).squeeze(-1)
        return logits


@dataclass(frozen=True)
class _Beam:
    """The likeliest starts and the likeliest ends of each; see `QuestionAnsweringBeamOutput`."""

    start_log_probs: Tensor
    start_index: Tensor
    end_log_probs: Tensor
    end_index: Tensor


class AlbertForQuestionAnsweringBeam(AlbertPreTrainedModel):
    """Answers that may be absent (SQuAD v2.0): start, then end, and answerability.

    ``start_n_top`` and ``end_n_top`` (5 each) come from the config file; they change no weight and may be set on the
    model.
    """

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__(config)
        width, std = config.hidden_size, config.initializer_range
        self.start_n_top = int(config.extra.get("start_n_top", DEFAULT_N_TOP))
        self.end_n_top = int(config.extra.get("end_n_top", DEFAULT_N_TOP))
        self.albert = AlbertModel(config, add_pooling_layer=False)
        self.start_logits = StartLogits(width)
        self.end_logits = EndLogits(width, eps=config.layer_norm_eps)
        self.answer_class = AnswerClass(width, dropout=config.classifier_dropout)
        for part in (self.start_logits, self.end_logits, self.answer_class):
            initialise(part, std=std)

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
        is_impossible: Tensor | None = None,
        p_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        layout: PackedLayout | None = None,
        start_n_top: int | None = None,
        end_n_top: int | None = None,
    ) -> QuestionAnsweringBeamOutput | tuple[Any, ...]:
        """Find the answer. Inputs as AlbertModel, and:

        Args:
            input_ids: (B, L) or (T,) int64.
            attention_mask: (B, L) or None.
            token_type_ids: as ``input_ids`` or None.
            position_ids: as ``input_ids`` or None.
            head_mask: (A,) or (N, A) or None.
            inputs_embeds: (B, L, E) or (T, E) in place of ``input_ids``.
            start_positions: (B,) or (B, 1) int64, counted from the beginning of each sequence; 0 where there is no
                answer. Ignored where after the end of the sequence.
            end_positions: likewise.
            is_impossible: (B,) or (B, 1) of any number type, 1 where the text does not answer; None leaves
                answerability out of the loss.
            p_mask: as ``input_ids``, any number type, 1 where no answer may begin or end; None forbids padding alone.
                The first token stays allowed: unanswerable questions point to it.
            output_attentions: see AlbertModel.
            output_hidden_states: see AlbertModel.
            return_dict: see AlbertModel.
            layout: see AlbertModel.
            start_n_top: S; None takes the model's.
            end_n_top: E; None takes the model's.

        Returns:
            The likeliest starts, the likeliest ends of each and ``cls_logits``; with positions also ``loss`` and what
            it was made of. While training with positions the beam, which no loss needs, is not computed.

        Raises:
            ModelError: only one of the two positions, or ``is_impossible`` without them.
        """
        if (start_positions is None) != (end_positions is None):
            raise ModelError("give start_positions and end_positions, or neither")
        if is_impossible is not None and start_positions is None:
            raise ModelError("is_impossible needs start_positions and end_positions, too (0 where there is no answer)")
        encoded = self.albert(
            input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds,
            output_attentions, output_hidden_states, True, layout=layout,
        )  # fmt: skip
        hidden, forbidden = _side_by_side(encoded.last_hidden_state, p_mask, attention_mask, layout)
        labels = (start_positions, end_positions, is_impossible)
        n_top = (start_n_top or self.start_n_top, end_n_top or self.end_n_top)
        output = self._answer(hidden, forbidden, *labels, n_top=n_top)
        output.hidden_states, output.attentions = encoded.hidden_states, encoded.attentions
        return output if self._wants_dict(return_dict) else output.to_tuple()

    def _answer(
        self,
        hidden: Tensor,
        forbidden: Tensor,
        start_positions: Tensor | None,
        end_positions: Tensor | None,
        is_impossible: Tensor | None,
        *,
        n_top: tuple[int, int],
    ) -> QuestionAnsweringBeamOutput:
        start_log_probs = _log_probs(self.start_logits(hidden), forbidden)  # (B, L)
        output = QuestionAnsweringBeamOutput(cls_logits=self.answer_class(hidden, start_log_probs).float())
        if start_positions is not None and end_positions is not None:
            starts = start_positions.reshape(-1, 1).clamp(0, hidden.shape[1] - 1)  # (B, 1)
            end_logits = self.end_logits(hidden, _rows(hidden, starts))[:, 0]  # (B, L), given the right start
            output.start_log_probs = start_log_probs
            output.end_log_probs = _log_probs(end_logits, forbidden)
            output.loss = _loss(output, start_positions, end_positions, is_impossible)
        if not (self.training and output.loss is not None):
            beam = self._beam(hidden, forbidden, start_log_probs, n_top=n_top)
            output.start_top_log_probs, output.start_top_index = beam.start_log_probs, beam.start_index
            output.end_top_log_probs, output.end_top_index = beam.end_log_probs, beam.end_index
        return output

    def _beam(self, hidden: Tensor, forbidden: Tensor, start_log_probs: Tensor, *, n_top: tuple[int, int]) -> _Beam:
        num_starts, num_ends = (min(wanted, hidden.shape[1]) for wanted in n_top)
        starts = start_log_probs.topk(num_starts, dim=-1)  # (B, S)
        end_logits = self.end_logits(hidden, _rows(hidden, starts.indices))  # (B, S, L)
        ends = _log_probs(end_logits, forbidden[:, None]).topk(num_ends, dim=-1)  # (B, S, E)
        return _Beam(starts.values, starts.indices, ends.values.flatten(1), ends.indices.flatten(1))


def _side_by_side(
    hidden: Tensor, p_mask: Tensor | None, attention_mask: Tensor | None, layout: PackedLayout | None
) -> tuple[Tensor, Tensor]:
    """(B, L, H) tokens and (B, L) bool, True where no answer may begin or end."""
    if layout is None:
        forbidden = hidden.new_zeros(hidden.shape[:2], dtype=torch.bool) if p_mask is None else p_mask != 0
        if p_mask is None and attention_mask is not None:
            forbidden = attention_mask == 0
        return hidden, forbidden
    mask = hidden.new_zeros(layout.num_tokens) if p_mask is None else p_mask.to(hidden.dtype)
    padded = hidden.new_zeros((layout.batch * layout.max_length, hidden.shape[-1]))
    padded = padded.index_copy(0, layout.padded_index, hidden)  # (T, H) to (B*L, H)
    return padded.view(layout.batch, layout.max_length, -1), layout.pad(mask, fill=1.0) != 0


def _log_probs(logits: Tensor, forbidden: Tensor) -> Tensor:
    """Logarithms of a softmax over the last axis, in float32."""
    return logits.float().masked_fill(forbidden, _FORBIDDEN).log_softmax(dim=-1)


def _rows(hidden: Tensor, index: Tensor) -> Tensor:
    """Tokens at some places: (B, L, H) and (B, S) to (B, S, H)."""
    return hidden.gather(1, index[..., None].expand(-1, -1, hidden.shape[-1]))


def _loss(output: QuestionAnsweringBeamOutput, starts: Tensor, ends: Tensor, is_impossible: Tensor | None) -> Tensor:
    assert output.start_log_probs is not None
    assert output.end_log_probs is not None
    assert output.cls_logits is not None
    loss = (_position_loss(output.start_log_probs, starts) + _position_loss(output.end_log_probs, ends)) / 2
    if is_impossible is None:
        return loss
    wanted = is_impossible.reshape(-1).float()
    return loss + F.binary_cross_entropy_with_logits(output.cls_logits, wanted) / 2


def _position_loss(log_probs: Tensor, positions: Tensor) -> Tensor:
    positions = positions.reshape(-1).clamp(min=0)
    outside = positions >= log_probs.shape[1]
    return F.nll_loss(log_probs, positions.masked_fill(outside, IGNORED), ignore_index=IGNORED)
