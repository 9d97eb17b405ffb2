"""What does one ALBERT layer compute? Attention, then two matrices with an activation between.

Shapes: B sequences, L tokens, T packed tokens, H hidden, I intermediate, A heads, P positions, M tokens that are
wanted; "..." is (B, L), or (T,) for a packed batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from albert_cli.models.activations import Activation
from albert_cli.models.attention import AlbertAttention, AttentionCall, FusedQKV, Layout
from albert_cli.models.forget import made_again, may_forget
from albert_cli.models.linear import Linear

# In narrower layers the activation is a sixth of the work; making it again would cost more than its memory is worth.
_WIDE = 512


class AlbertLayer(nn.Module):
    """Attention, then two matrices with an activation between; each followed by add and norm.

    Args:
        hidden_size: H.
        num_heads: A.
        intermediate_size: I.
        act: between the two matrices.
        attention_dropout: dropout of attention probabilities.
        hidden_dropout: dropout of the attention output.
        ffn_dropout: dropout of the feed-forward output.
        chunk: tokens that the feed-forward part takes at once; 0 takes all.
        layer_norm_eps: added to the variance.
        positions: absolute, relative_key or relative_key_query.
        max_positions: P.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        *,
        intermediate_size: int,
        act: Activation,
        attention_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        ffn_dropout: float = 0.0,
        chunk: int = 0,
        layer_norm_eps: float = 1e-12,
        positions: str = "absolute",
        max_positions: int = 0,
    ) -> None:
        super().__init__()
        self.full_layer_layer_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.attention = AlbertAttention(
            hidden_size,
            num_heads,
            attention_dropout=attention_dropout,
            hidden_dropout=hidden_dropout,
            layer_norm_eps=layer_norm_eps,
            positions=positions,
            max_positions=max_positions,
        )
        self.ffn = Linear(hidden_size, intermediate_size)
        self.ffn_output = Linear(intermediate_size, hidden_size)
        self.act = act
        self.chunk = chunk
        self.dropout = nn.Dropout(ffn_dropout)
        self.wide = hidden_size >= _WIDE

    def forward(
        self,
        hidden: Tensor,
        fused: FusedQKV | None,
        layout: Layout,
        call: AttentionCall,
        head_mask: Tensor | None = None,
        *,
        wanted: Tensor | None = None,
        keep_all: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend and feed forward.

        Args:
            hidden: (..., H) float.
            fused: see AlbertAttention.
            layout: see AlbertAttention.
            call: see AlbertAttention.
            head_mask: see AlbertAttention.
            wanted: (M,) int64, flat places of the tokens whose outcome anybody looks at; None wants all.
            keep_all: keep all that the backward pass needs, nothing is made again there.

        Returns:
            (..., H), or (M, H) of the wanted tokens; and attention probabilities (B, A, L, L) or None.
        """
        context, probabilities = self.attention.context(hidden, fused, layout, call, head_mask)
        if wanted is not None:
            hidden, context = (part.flatten(0, -2).index_select(0, wanted) for part in (hidden, context))  # (M, H)
        return self.finish(hidden, context, keep_all=keep_all), probabilities

    def finish(self, hidden: Tensor, context: Tensor, *, keep_all: bool = False) -> Tensor:
        """All that a token does without the others, which is most of the layer: (..., H) twice to (..., H)."""
        attended = self.attention.add(hidden, context)
        if self.chunk:
            parts = [self._feed_forward(part, keep_all) for part in torch.split(attended, self.chunk, dim=-2)]
            fed = torch.cat(parts, dim=-2)
        else:
            fed = self._feed_forward(attended, keep_all)
        return self.full_layer_layer_norm(attended + self.dropout(fed))  # type: ignore[no-any-return]

    def _feed_forward(self, hidden: Tensor, keep_all: bool) -> Tensor:
        inner = self.ffn(hidden)  # (..., I)
        active = self.act(inner)
        if keep_all or not self.wide or not may_forget(active):
            return self.ffn_output(active)  # type: ignore[no-any-return]
        source = inner.detach()  # which the activation's own gradient keeps anyway
        with made_again(active, lambda: self.act(source)):
            return self.ffn_output(active)  # type: ignore[no-any-return]
