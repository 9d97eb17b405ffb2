"""Which examples does a step see when similar lengths are to be computed together?

Some steps' worth of the shuffled stream is sorted by length, cut into whole batches, and the batches are shuffled. So a
batch is even, the order stays random, and it is still a pure function of seed and step.

Shapes: N examples of the data, S steps grouped together, B examples of an optimiser step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from albert_cli.data.sampler import ExampleStream

# Steps whose examples are sorted together: enough for even batches, few enough that an epoch stays well mixed.
_STEPS_TOGETHER = 50
_GROUPED = 0x6C656E67  # tells these draws from the stream's own


class GroupedOrder:
    """Examples of each step, similar lengths together.

    Args:
        stream: the shuffled examples.
        lengths: (N,) tokens of each example.
        batch: B, examples of an optimiser step over all processes.
        seed: of the order of the batches.
    """

    def __init__(self, stream: ExampleStream, lengths: npt.NDArray[np.int64], *, batch: int, seed: int) -> None:
        self.stream = stream
        self.lengths = lengths
        self.batch = batch
        self.seed = seed
        # Never more than one pass, or an example would meet itself in a batch.
        self.steps_together = max(1, min(_STEPS_TOGETHER, len(lengths) // batch))
        self._block: tuple[int, np.ndarray] | None = None

    def step(self, number: int) -> npt.NDArray[np.int64]:
        """Examples of a step in the order in which micro-batches and processes take them; (B,)."""
        block, place = divmod(number, self.steps_together)
        if self._block is None or self._block[0] != block:
            self._block = (block, self._arrange(block))
        return np.asarray(self._block[1][place], dtype=np.int64)

    def _arrange(self, block: int) -> np.ndarray:
        count = self.steps_together * self.batch
        runs = [chosen for _, chosen in self.stream.take(block * count, count)]  # each from one epoch
        by_length = [chosen[np.argsort(self.lengths[chosen], kind="stable")] for chosen in runs]
        batches = np.concatenate(by_length).reshape(self.steps_together, self.batch)  # (S, B)
        draw = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, _GROUPED, block])))
        return np.asarray(batches[draw.permutation(self.steps_together)])
