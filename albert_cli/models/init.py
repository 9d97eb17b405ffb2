"""How do new weights begin?"""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def truncated_normal_(weights: Tensor, *, std: float) -> Tensor:
    """Fill with a normal of mean 0 that is cut at two deviations, as the original draws every matrix and table.

    The spread that remains is about 0.88 of ``std``.
    """
    return nn.init.trunc_normal_(weights, mean=0.0, std=std, a=-2.0 * std, b=2.0 * std)


def initialise(module: nn.Module, *, std: float) -> None:
    """Draw all weights inside a module anew: matrices and tables truncated normal, biases 0, norms 1 and 0.

    The row of the padding token is drawn like any other (the original does; ``transformers`` sets it to 0).

    Args:
        module: anything made of linear layers, tables and layer norms. Tensors on the meta device are left alone.
        std: standard deviation before the cut, a config's ``initializer_range``.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding) and not part.weight.is_meta:
            truncated_normal_(part.weight, std=std)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.LayerNorm) and not part.weight.is_meta:
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)


def empty_table(rows: int, width: int, *, padding_idx: int | None = None) -> nn.Embedding:
    """A table without values yet: the model draws or loads them.

    torch's own first values would be thrown away, and drawing them on the meta device costs over a second of imports.
    """
    values = torch.zeros(rows, width)
    table: nn.Embedding = nn.Embedding.from_pretrained(values, freeze=False, padding_idx=padding_idx)  # type: ignore[no-untyped-call]
    return table
