"""What does ALBERT compute, from token ids to hidden states? Top to bottom: embeddings, encoder, model.

Shapes: B sequences, L tokens, T packed tokens, E embedding, H hidden, A heads, V vocabulary, P positions, N depths,
G groups of shared layers, K layers of a group, M tokens that are wanted; "..." is (B, L), or (T,) for a packed batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from albert_cli.errors import ModelError
from albert_cli.models.activations import activation
from albert_cli.models.attention import AttentionCall, Layout
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.init import empty_table, initialise
from albert_cli.models.layer import AlbertLayer
from albert_cli.models.layout import PackedLayout, PaddedLayout
from albert_cli.models.linear import Linear
from albert_cli.models.outputs import BaseModelOutputWithPooling
from albert_cli.models.sharing import share_blocks


class AlbertEmbeddings(nn.Module):
    """Word + segment + position, normalised, E wide (paper 3.1: E is free of H).

    Args:
        vocab_size: V.
        embedding_size: E.
        max_positions: P.
        type_vocab_size: segments.
        pad_token_id: row of the word table without gradient, or None.
        dropout: after the norm.
        layer_norm_eps: added to the variance.
        absolute: whether positions are added here; relative ones act inside attention.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        *,
        max_positions: int,
        type_vocab_size: int,
        pad_token_id: int | None = None,
        dropout: float = 0.0,
        layer_norm_eps: float = 1e-12,
        absolute: bool = True,
    ) -> None:
        super().__init__()
        self.absolute = absolute
        self.word_embeddings = empty_table(vocab_size, embedding_size, padding_idx=pad_token_id)
        self.position_embeddings = empty_table(max_positions, embedding_size)
        self.token_type_embeddings = empty_table(type_vocab_size, embedding_size)
        self.LayerNorm = nn.LayerNorm(embedding_size, eps=layer_norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, words: Tensor, token_type_ids: Tensor | None, position_ids: Tensor) -> Tensor:
        """Embed.

        Args:
            words: (...) int64 ids, or (..., E) float vectors that stand for them.
            token_type_ids: (...) int64; None means segment 0.
            position_ids: int64 that broadcasts to (...).

        Returns:
            (..., E) float.
        """
        vectors = words if words.is_floating_point() else self.word_embeddings(words)
        if token_type_ids is None:
            vectors = vectors + self.token_type_embeddings.weight[0]
        else:
            vectors = vectors + self.token_type_embeddings(token_type_ids)
        if self.absolute:
            vectors = vectors + self.position_embeddings(position_ids)
        return self.dropout(self.LayerNorm(vectors))  # type: ignore[no-any-return]


class AlbertLayerGroup(nn.Module):
    """The K layers that one set of shared parameters holds."""

    def __init__(self, layers: list[AlbertLayer]) -> None:
        super().__init__()
        self.albert_layers = nn.ModuleList(layers)


@dataclass(frozen=True)
class EncoderCall:
    """What one forward pass asks of the encoder.

    Attributes:
        attention: kind of attention, and whether probabilities are wanted.
        hidden_states: whether the state after each layer is wanted.
        head_mask: (A,) for all layers or (N, A), float; None for none.
        recompute: whether the backward pass computes each layer anew instead of keeping what it needs.
        wanted: (M,) int64, flat places of the tokens whose last state anybody looks at; None wants all.
    """

    attention: AttentionCall
    hidden_states: bool = False
    head_mask: Tensor | None = None
    recompute: bool = False
    wanted: Tensor | None = None


class AlbertEncoder(nn.Module):
    """Map E to H, then apply G groups of shared layers N times (paper 3.1, cross-layer parameter sharing).

    Args:
        embedding_size: E.
        hidden_size: H.
        num_layers: N.
        groups: the G groups.
    """

    def __init__(
        self, embedding_size: int, hidden_size: int, *, num_layers: int, groups: list[AlbertLayerGroup]
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.embedding_hidden_mapping_in = Linear(embedding_size, hidden_size)
        self.albert_layer_groups = nn.ModuleList(groups)

    def forward(
        self, embedded: Tensor, layout: Layout, call: EncoderCall
    ) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Encode.

        Args:
            embedded: (..., E) float.
            layout: which tokens belong together.
            call: what is wanted.

        Returns:
            Last hidden state (..., H), or (M, H) of the wanted tokens; the N*K + 1 hidden states and the N*K attention
            probabilities, where asked for, else empty tuples.
        """
        hidden = self.embedding_hidden_mapping_in(embedded)  # (..., H)
        groups: list[list[AlbertLayer]] = [list(group.albert_layers) for group in self.albert_layer_groups]  # type: ignore[arg-type]
        fused = [[layer.attention.fused_qkv() for layer in group] for group in groups]
        states, attentions = [hidden], []
        path = list(self._path(groups))
        for number, (group, inner, layer) in enumerate(path, start=1):
            row = self._head_mask_row(call.head_mask, group, inner)
            arguments = (hidden, fused[group][inner], layout, call.attention, row)
            wanted = call.wanted if number == len(path) else None
            if call.recompute and torch.is_grad_enabled():
                hidden, probabilities = checkpoint(layer, *arguments, wanted=wanted, keep_all=True, use_reentrant=False)
            else:
                hidden, probabilities = layer(*arguments, wanted=wanted)
            if call.hidden_states:
                states.append(hidden)
            if probabilities is not None:
                attentions.append(probabilities)
        return hidden, tuple(states) if call.hidden_states else (), tuple(attentions)

    def _path(self, groups: list[list[AlbertLayer]]) -> Iterator[tuple[int, int, AlbertLayer]]:
        """Group, place in the group, and layer, in the order in which the tokens pass through them."""
        for depth in range(self.num_layers):
            group = depth * len(groups) // self.num_layers  # exact; int(depth / (N / G)) rounds wrongly for some N, G
            for inner, layer in enumerate(groups[group]):
                yield group, inner, layer

    def _head_mask_row(self, mask: Tensor | None, group: int, inner: int) -> Tensor | None:
        """Row of a head mask for one shared layer: rows count as transformers 4.57 counts them, group by group."""
        if mask is None or mask.dim() == 1:
            return mask
        rows_of_a_group = self.num_layers // len(self.albert_layer_groups)
        if inner >= rows_of_a_group:
            raise ModelError(
                f"head_mask has {rows_of_a_group} rows for each group, none for inner layer {inner}",
                hint="give one row of heads for all layers",
            )
        return mask[group * rows_of_a_group + inner]


class AlbertModel(AlbertPreTrainedModel):
    """The encoder without a task head.

    Args:
        config: sizes and the rest.
        add_pooling_layer: whether to have the tanh layer on the first token.
    """

    def __init__(self, config: AlbertConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.attention_kind = "auto"
        self.recompute = False
        self.embeddings = AlbertEmbeddings(
            config.vocab_size,
            config.embedding_size,
            max_positions=config.max_position_embeddings,
            type_vocab_size=config.type_vocab_size,
            pad_token_id=config.pad_token_id,
            dropout=config.hidden_dropout_prob,
            layer_norm_eps=config.layer_norm_eps,
            absolute=config.position_embedding_type == "absolute",
        )
        self.encoder = _encoder(config)
        self.pooler = Linear(config.hidden_size, config.hidden_size) if add_pooling_layer else None
        initialise(self, std=config.initializer_range)
        for layer, heads in config.pruned_heads.items():
            self._shared_layer(layer).attention.prune_heads(heads)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        layout: PackedLayout | None = None,
        wanted: Tensor | tuple[()] | None = None,
    ) -> BaseModelOutputWithPooling | tuple[Any, ...]:
        """Encode a padded batch (B, L), or with ``layout`` a packed one (T,).

        Args:
            input_ids: (B, L) or (T,) int64.
            attention_mask: (B, L), 1 for tokens, 0 for padding; None lets all tokens be seen. None with ``layout``.
            token_type_ids: as ``input_ids``, 0 or 1; None means 0.
            position_ids: as ``input_ids``; None counts from 0.
            head_mask: (A,) or (N, A) float, 1 keeps a head, 0 silences it. A layer's row: ``group * (N // G) + inner``.
            inputs_embeds: (B, L, E) or (T, E) float in place of ``input_ids``.
            output_attentions: whether to give the probabilities; None asks the config. Padded batches only.
            output_hidden_states: whether to give every layer's state; None asks the config. Padded batches only.
            return_dict: False gives a tuple; None asks the config.
            layout: where each sequence of a packed batch begins and ends.
            wanted: (M,) int64, flat places of the tokens whose last state anybody looks at; the last layer leaves the
                others out, and ``last_hidden_state`` is (M, H). The pooler has its first tokens in any case; () wants
                nothing else.

        Returns:
            ``last_hidden_state`` (B, L, H) or (T, H), ``pooler_output`` (B, H), and what else was asked for.

        Raises:
            ModelError: inputs that do not fit together, or a sequence longer than P.
        """
        words = self._words(input_ids, inputs_embeds, layout)
        arrangement = _arrange(words, attention_mask, layout)
        if position_ids is None:
            self._check_length(arrangement.max_length)
            position_ids = arrangement.positions
        want_attentions = self.config.output_attentions if output_attentions is None else output_attentions
        want_states = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        if layout is not None and (want_attentions or want_states):
            raise ModelError(
                "a packed batch gives neither attentions nor hidden states of the layers",
                hint="pass the batch padded, with an attention mask",
            )
        if isinstance(wanted, tuple):
            wanted = torch.empty(0, dtype=torch.int64, device=words.device)
        call = EncoderCall(
            attention=AttentionCall(self.attention_kind, probabilities=bool(want_attentions)),
            hidden_states=bool(want_states),
            head_mask=self._head_mask(head_mask),
            recompute=self.recompute and self.training,
            wanted=None if want_states else self._with_first(wanted, arrangement),
        )
        embedded = self.embeddings(words, token_type_ids, position_ids)  # (..., E)
        hidden, states, attentions = self.encoder(embedded, arrangement, call)
        pooled = None
        if self.pooler is not None:
            first = hidden[: arrangement.batch] if call.wanted is not None else arrangement.first_tokens(hidden)
            pooled = torch.tanh(self.pooler(first))  # (B, H)
        if wanted is not None and call.wanted is not None:
            hidden = hidden[call.wanted.shape[0] - wanted.shape[0] :]  # (M, H)
        elif wanted is not None:
            hidden = hidden.flatten(0, -2).index_select(0, wanted)  # (M, H)
        output = BaseModelOutputWithPooling(hidden, pooled, states or None, attentions or None)
        return output if self._wants_dict(return_dict) else output.to_tuple()

    def _with_first(self, wanted: Tensor | None, arrangement: Layout) -> Tensor | None:
        """The wanted places, after those of the first tokens where there is a pooler."""
        if wanted is None or self.pooler is None:
            return wanted
        return torch.cat([arrangement.starts, wanted])  # (B + M,)

    def _words(self, input_ids: Tensor | None, inputs_embeds: Tensor | None, layout: PackedLayout | None) -> Tensor:
        """The one of ids and vectors that was given, with its shape checked."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ModelError("give input_ids or inputs_embeds, one of the two")
        axes = 1 if layout is not None else 2
        shape = f"{'(T' if layout is not None else '(B, L'}"
        if inputs_embeds is not None:
            width = self.config.embedding_size
            if inputs_embeds.dim() != axes + 1 or inputs_embeds.shape[-1] != width:
                raise ModelError(
                    f"inputs_embeds has shape {tuple(inputs_embeds.shape)}, it must be {shape}, {width})",
                    hint=f"vectors are as wide as the word table (embedding_size {width}), not as the hidden layers",
                )
            return inputs_embeds
        assert input_ids is not None
        if input_ids.dim() != axes:
            raise ModelError(f"input_ids has shape {tuple(input_ids.shape)}, it must be {shape})")
        return input_ids

    def _check_length(self, length: int) -> None:
        if length > self.config.max_position_embeddings:
            raise ModelError(
                f"sequence of {length} tokens, the model has positions for {self.config.max_position_embeddings}",
                hint="truncate, or split the text into windows",
            )

    def _head_mask(self, mask: Tensor | None) -> Tensor | None:
        if mask is None:
            return None
        heads, depths = self.config.num_attention_heads, self.config.num_hidden_layers
        if mask.shape not in ((heads,), (depths, heads)):
            raise ModelError(f"head_mask has shape {tuple(mask.shape)}, it must be ({heads},) or ({depths}, {heads})")
        return mask


def _arrange(words: Tensor, attention_mask: Tensor | None, layout: PackedLayout | None) -> Layout:
    """The layout of a batch, checked against its tokens."""
    if layout is None:
        return PaddedLayout(words.shape[0], words.shape[1], attention_mask, words.device)
    if attention_mask is not None:
        raise ModelError("a packed batch takes no attention_mask", hint="all its tokens are real; leave the mask out")
    if layout.num_tokens != words.shape[0]:
        raise ModelError(f"the layout speaks of {layout.num_tokens} tokens, the batch has {words.shape[0]}")
    return layout


def _encoder(config: AlbertConfig) -> AlbertEncoder:
    """The encoder of a config; the one place where the two meet."""
    act = activation(config.hidden_act)

    def layer() -> AlbertLayer:
        return AlbertLayer(
            config.hidden_size,
            config.num_attention_heads,
            intermediate_size=config.intermediate_size,
            act=act,
            attention_dropout=config.attention_probs_dropout_prob,
            hidden_dropout=config.hidden_dropout_prob,
            # The original drops the feed-forward output; transformers makes that dropout and never calls it.
            ffn_dropout=config.hidden_dropout_prob if config.dropout_placement == "original" else 0.0,
            chunk=config.chunk_size_feed_forward,
            layer_norm_eps=config.layer_norm_eps,
            positions=config.position_embedding_type,
            max_positions=config.max_position_embeddings,
        )

    def group() -> AlbertLayerGroup:
        return AlbertLayerGroup([layer() for _ in range(config.inner_group_num)])

    groups = [group() for _ in range(config.num_hidden_groups)]
    share_blocks([group.albert_layers[0] for group in groups], config.parameter_sharing)
    return AlbertEncoder(
        config.embedding_size,
        config.hidden_size,
        num_layers=config.num_hidden_layers,
        groups=groups,
    )
