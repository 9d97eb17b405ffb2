"""How do tokens look at each other?

The product of queries, keys and values is written once (``attend``), for both layouts. What differs is the kind, a
small function on (n, A, S, D) blocks: ``plain`` spells the softmax out, ``sdpa`` leaves it to torch; ``varlen`` takes a
packed batch on a GPU whole.

Shapes: n sequences of a block, S their length there, A heads, D head width, H hidden, T packed tokens; "..." is (B, L)
or (T,), whatever the layout.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from albert_cli.errors import ModelError
from albert_cli.models.forget import may_forget
from albert_cli.models.init import empty_table
from albert_cli.models.layout import PackedLayout, PaddedLayout
from albert_cli.models.lean_attention import lean_plain
from albert_cli.models.linear import Linear, linear
from albert_cli.models.relative import Distances

Layout = PaddedLayout | PackedLayout
FusedQKV = tuple[Tensor, Tensor]

KINDS = ("auto", "plain", "sdpa", "varlen")
_HALF = (torch.float16, torch.bfloat16)
# From here on the weights take more memory than making them again takes time; at 128 tokens it is a third of attention.
_LONG = 256


@dataclass(frozen=True)
class AttentionCall:
    """What one forward pass asks of attention.

    Attributes:
        kind: one of ``KINDS``.
        probabilities: whether the (n, A, S, S) weights are wanted; then the softmax is spelt out, whatever the kind.
    """

    kind: str = "auto"
    probabilities: bool = False


def plain(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *, dropout: float, head_mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Attention with the softmax spelt out.

    Args:
        query: (n, A, S, D) float; ``key`` and ``value`` alike.
        key: see ``query``.
        value: see ``query``.
        bias: (n, 1, 1, S) or (n, A, S, S), added to the scores, or None.
        dropout: share of the probabilities set to 0; 0 outside training.
        head_mask: (A,) float that multiplies each head's probabilities, or None.

    Returns:
        Context (n, A, S, D), and probabilities (n, A, S, S) after dropout and head mask.
    """
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # (n, A, S, S)
    if bias is not None:
        scores = scores + bias
    probabilities = F.dropout(scores.softmax(dim=-1), dropout)
    if head_mask is not None:
        probabilities = probabilities * head_mask.to(probabilities.dtype)[:, None, None]
    return probabilities.to(value.dtype) @ value, probabilities


def sdpa(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *, dropout: float) -> Tensor:
    """Attention by torch's own function; arguments and result as ``plain``."""
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)


@cache
def varlen_function() -> Callable[..., Tensor] | None:
    """Torch's attention for sequences of different lengths, or None where this torch has none."""
    try:
        module = importlib.import_module("torch.nn.attention.varlen")
    except ImportError:
        return None
    function: Callable[..., Tensor] | None = getattr(module, "varlen_attn", None)
    return function


def attend(
    qkv: Tensor,
    layout: Layout,
    *,
    num_heads: int,
    call: AttentionCall,
    dropout: float = 0.0,
    head_mask: Tensor | None = None,
    distances: Distances | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Let the tokens of each sequence look at each other.

    Args:
        qkv: (..., 3*A*D), queries, keys and values of each token side by side.
        layout: which tokens belong together.
        num_heads: A.
        call: kind, and whether probabilities are wanted.
        dropout: share of the probabilities set to 0; 0 outside training.
        head_mask: (A,) float that multiplies each head's probabilities, or None.
        distances: vectors of relative positions, or None.

    Returns:
        Context (..., A*D), and the probabilities (B, A, L, L) if asked for, else None.
    """
    spelt_out = call.probabilities or head_mask is not None or distances is not None
    kind = (
        "plain"
        if spelt_out
        else _kind(call.kind, qkv, layout, head_size=qkv.shape[-1] // (3 * num_heads), dropout=dropout)
    )
    if kind == "varlen" and isinstance(layout, PackedLayout):
        return _attend_varlen(qkv, layout, num_heads), None
    contexts: list[Tensor] = []
    probabilities: Tensor | None = None
    for block, bias in layout.blocks(qkv):
        # (n, S, 3*A*D) -> (3, n, A, S, D)
        query, key, value = _split(block, num_heads).permute(2, 0, 3, 1, 4).unbind(0)
        if distances is not None:
            found = distances.scores(query, key)  # (n, A, S, S)
            bias = found if bias is None else found + bias
        if kind == "plain" and not spelt_out and not dropout and block.shape[1] >= _LONG and may_forget(block):
            context = lean_plain(query, key, value, bias)
        elif kind == "plain":
            context, probabilities = plain(query, key, value, bias, dropout=dropout, head_mask=head_mask)
        else:
            context = sdpa(query, key, value, bias, dropout=dropout)
        contexts.append(context.transpose(1, 2).flatten(2))  # (n, S, A*D)
    return layout.join(contexts), probabilities if call.probabilities else None


def _kind(asked: str, qkv: Tensor, layout: Layout, *, head_size: int, dropout: float) -> str:
    """Settle on plain, sdpa or varlen: what was asked for, as far as it can run here."""
    if asked in ("auto", "varlen") and layout.packed and not dropout and _varlen_runs(qkv, head_size):
        return "varlen"
    if asked == "auto" and qkv.device.type == "cpu" and qkv.dtype in _HALF:
        return "plain"  # torch's own function is the slower one there
    return "plain" if asked == "plain" else "sdpa"


def _varlen_runs(qkv: Tensor, head_size: int) -> bool:
    """Whether the kernel for different lengths takes these numbers on this device. It knows no dropout."""
    if not qkv.is_cuda or qkv.dtype not in _HALF or head_size % 8 or head_size > 256:
        return False
    return torch.cuda.get_device_capability(qkv.device) >= (8, 0) and varlen_function() is not None


def _split(qkv: Tensor, num_heads: int) -> Tensor:
    """(..., 3*A*D) to (..., 3, A, D)."""
    return qkv.view(*qkv.shape[:-1], 3, num_heads, -1)


def _attend_varlen(qkv: Tensor, layout: PackedLayout, num_heads: int) -> Tensor:
    """(T, 3*A*D) to (T, A*D) in one kernel; neither padding nor a mask exists."""
    function = varlen_function()
    if function is None:
        raise ModelError("this torch has no attention for sequences of different lengths", hint="use sdpa")
    query, key, value = _split(qkv, num_heads).unbind(1)  # each (T, A, D)
    ends, longest = layout.cu_seqlens, layout.max_length
    return function(query, key, value, ends, ends, longest, longest).flatten(1)


class AlbertAttention(nn.Module):
    """Attention of one layer, with its output map and norm: ``LayerNorm(x + dropout(W context))``.

    Args:
        hidden_size: H.
        num_heads: A.
        attention_dropout: dropout of the probabilities.
        hidden_dropout: dropout of the output.
        layer_norm_eps: added to the variance.
        positions: absolute, relative_key or relative_key_query.
        max_positions: P, of relative positions.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        *,
        attention_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        layer_norm_eps: float = 1e-12,
        positions: str = "absolute",
        max_positions: int = 0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_size = hidden_size // num_heads
        self.all_heads = num_heads
        self.pruned_heads: set[int] = set()
        self.query = Linear(hidden_size, hidden_size)
        self.key = Linear(hidden_size, hidden_size)
        self.value = Linear(hidden_size, hidden_size)
        self.dense = Linear(hidden_size, hidden_size)
        self.LayerNorm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.joined: nn.Module | None = None  # query, key and value as one map, where a model was prepared for answers
        self.attention_dropout = attention_dropout
        self.output_dropout = nn.Dropout(hidden_dropout)
        self.positions = positions
        if positions != "absolute":
            self.distance_embedding = empty_table(2 * max_positions - 1, self.head_size)

    def fused_qkv(self) -> FusedQKV | None:
        """Weights (3*A*D, H) and biases (3*A*D,) of query, key and value as one map; None where it is there already.

        Made once for a forward pass and used at every depth. The three stay separate parameters, because LAMB gives
        each its own step and checkpoints name them apart. Under autocast the cast happens here, once, instead of at
        each depth (autocast remembers the casts of parameters only).
        """
        if self.joined is not None:
            return None
        maps = (self.query, self.key, self.value)
        weights: list[Tensor] = [part.weight for part in maps]
        biases: list[Tensor] = [part.bias for part in maps]
        kind = weights[0].device.type
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)
            weights, biases = [part.to(dtype) for part in weights], [part.to(dtype) for part in biases]
        return torch.cat(weights), torch.cat(biases)

    def context(
        self,
        hidden: Tensor,
        fused: FusedQKV | None,
        layout: Layout,
        call: AttentionCall,
        head_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """What each token takes from those that it looks at.

        Args:
            hidden: (..., H) float.
            fused: what ``fused_qkv`` gave.
            layout: which tokens belong together.
            call: kind, and whether probabilities are wanted.
            head_mask: (A,) float over all heads, pruned ones included, or None.

        Returns:
            (..., A*D), and probabilities (B, A, L, L) or None.
        """
        if head_mask is not None and self.pruned_heads:
            head_mask = head_mask[self._kept_heads()]
        return attend(
            self._qkv(hidden, fused),
            layout,
            num_heads=self.num_heads,
            call=call,
            dropout=self.attention_dropout if self.training else 0.0,
            head_mask=head_mask,
            distances=self._distances(),
        )

    def _qkv(self, hidden: Tensor, fused: FusedQKV | None) -> Tensor:
        """(..., H) to (..., 3*A*D)."""
        if fused is not None:
            return linear(hidden, *fused, backend=self.query.backend)
        assert self.joined is not None
        return self.joined(hidden)  # type: ignore[no-any-return]

    def add(self, hidden: Tensor, context: Tensor) -> Tensor:
        """Map what was taken, add it to what was there, and normalise: (..., H) and (..., A*D) to (..., H)."""
        return self.LayerNorm(hidden + self.output_dropout(self.dense(context)))  # type: ignore[no-any-return]

    def _distances(self) -> Distances | None:
        if self.positions == "absolute":
            return None
        return Distances(self.distance_embedding.weight, self.positions == "relative_key_query")

    def prune_heads(self, heads: Iterable[int]) -> None:
        """Take heads out for good.

        Args:
            heads: numbers from 0 among the heads the layer was made with; those already out are skipped.

        Raises:
            ModelError: a number out of range, or no head would be left.
        """
        wanted = self.pruned_heads | set(heads)
        if not all(0 <= head < self.all_heads for head in wanted) or len(wanted) == self.all_heads:
            raise ModelError(
                f"cannot take out heads {sorted(wanted)} of {self.all_heads}",
                hint=f"give numbers from 0 to {self.all_heads - 1} and leave at least one head",
            )
        before = self._kept_heads()
        self.pruned_heads = wanted
        kept = set(self._kept_heads())
        places = [place for place, head in enumerate(before) if head in kept]
        for part in (self.query, self.key, self.value):
            _keep(part, places, self.head_size, axis=0)
        _keep(self.dense, places, self.head_size, axis=1)
        self.num_heads = len(kept)

    def _kept_heads(self) -> list[int]:
        return [head for head in range(self.all_heads) if head not in self.pruned_heads]


@torch.no_grad()
def _keep(linear: nn.Linear, heads: list[int], head_size: int, *, axis: int) -> None:
    """Keep some heads' rows (axis 0, with their biases) or columns (axis 1) of a map."""
    index = torch.tensor([head * head_size + place for head in heads for place in range(head_size)])
    index = index.to(linear.weight.device)
    linear.weight = _like(linear.weight, linear.weight.index_select(axis, index))
    if axis == 0:
        linear.bias = _like(linear.bias, linear.bias.index_select(0, index))
    linear.out_features, linear.in_features = linear.weight.shape


def _like(old: Tensor, values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().clone().contiguous(), requires_grad=old.requires_grad)


def attention_kind(name: str | None) -> str:
    """Our kind for a name of ours or of ``transformers`` (eager, sdpa).

    Raises:
        ModelError: no such kind.
    """
    kind = {None: "auto", "eager": "plain"}.get(name, name)
    if kind not in KINDS:
        raise ModelError(f"no attention kind '{name}'", hint=f"one of: {', '.join(KINDS)}, eager")
    return str(kind)
