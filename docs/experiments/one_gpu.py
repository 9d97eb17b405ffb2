"""What fits on one GPU, and how long does pretraining take there? Arithmetic, not measurement.

    python docs/experiments/one_gpu.py [TFLOPS]

Prints the tables of docs/howto/one_gpu.md. TFLOPS is the rate that a GPU reaches in a whole training step, 100 unless
said; `albert bench train` measures it.

Memory: every parameter has a weight, a gradient and two moments in fp32 and a copy in half precision. For the
backward pass a layer keeps 12 H numbers a token in half precision; with `runtime.recompute` only its input, H. While
one layer goes backward, it needs its 12 H numbers and their gradients besides. For the GPU's libraries and for what an
allocator cannot fill, 1.5 GB and a tenth of the memory are taken off.

Time: 24 H^2 operations a token and layer for its products of matrices (feed-forward width 4 H), 4 H S for attention
over S tokens; three times as many with the backward pass, four times with recomputing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

MEMORIES = (8, 16, 24, 80)  # GB
BYTES_A_PARAMETER = 4 + 4 + 8 + 2
KEPT_A_LAYER = 12  # times H
HALF = 2  # bytes
APART, SHARE = 1.5e9, 0.9
LENGTH = 512
PAPER_TOKENS = 125_000 * 4_096 * 512
DAY_TOKENS = 300_000 * 256 * (0.9 * 128 + 0.1 * 512)  # recipes/pretrain/base-one-gpu.yaml


@dataclass(frozen=True)
class Size:
    """A released size: width, layers, and the parameters of its pretraining model (a test counts them)."""

    hidden: int
    layers: int
    parameters: int

    @property
    def fixed(self) -> float:
        """Bytes that do not depend on the batch."""
        return self.parameters * BYTES_A_PARAMETER + APART

    def kept(self, *, recompute: bool) -> int:
        """Bytes a token at the peak of a step."""
        one_layer = 2 * KEPT_A_LAYER * self.hidden
        each = 1 if recompute else KEPT_A_LAYER
        return HALF * (each * self.hidden * self.layers + one_layer)

    def sequences(self, gigabytes: float, *, recompute: bool) -> int:
        """Sequences of 512 tokens in a micro-batch; 0 where not one fits."""
        free = gigabytes * 1e9 * SHARE - self.fixed
        return max(0, int(free // (self.kept(recompute=recompute) * LENGTH)))

    def operations(self, *, recompute: bool) -> float:
        """Operations a token of a training step."""
        forward = self.layers * (24 * self.hidden**2 + 4 * self.hidden * LENGTH)
        return forward * (4 if recompute else 3)


SIZES = {
    "base": Size(768, 12, 11_813_810),
    "large": Size(1024, 24, 17_847_474),
    "xlarge": Size(2048, 24, 59_021_490),
    "xxlarge": Size(4096, 12, 223_158_450),
}


def memory_table() -> list[str]:
    """Rows of the table of what fits."""
    rows = ["| size | parameters | fixed | a token | " + " | ".join(f"{size} GB" for size in MEMORIES) + " |"]
    rows.append("|---" * (4 + len(MEMORIES)) + "|")
    for name, size in SIZES.items():
        cells = [
            f"{size.sequences(memory, recompute=False):,} / {size.sequences(memory, recompute=True):,}"
            for memory in MEMORIES
        ]
        kept = f"{size.kept(recompute=False) / 1e3:,.0f} / {size.kept(recompute=True) / 1e3:,.0f} KB"
        rows.append(
            f"| {name} | {size.parameters / 1e6:.1f} M | {size.fixed / 1e9:.1f} GB | {kept} | {' | '.join(cells)} |"
        )
    return rows


def time_table(tflops: float) -> list[str]:
    """Rows of the table of how long it takes, at a rate that the GPU reaches."""
    heads = ("size", "operations a token", "tokens/s", "an hour")
    rows = [f"| {' | '.join(heads)} | `pretrain/base-one-gpu`'s 12.8 G tokens | the paper's 262 G |", "|---" * 6 + "|"]
    for name, size in SIZES.items():
        work = size.operations(recompute=False)
        rate = tflops * 1e12 / work
        hours = [tokens / rate / 3600 for tokens in (DAY_TOKENS, PAPER_TOKENS)]
        rows.append(
            f"| {name} | {work / 1e9:.2f} G | {rate:,.0f} | {rate * 3600 / 1e6:,.0f} M tokens | "
            + " | ".join(f"{each:,.0f} h" for each in hours)
            + " |"
        )
    return rows


def main() -> None:
    """Print both tables."""
    tflops = float(sys.argv[1]) if len(sys.argv) > 1 else 100.0
    sys.stdout.write("\n".join([*memory_table(), "", *time_table(tflops), ""]))


if __name__ == "__main__":
    main()
