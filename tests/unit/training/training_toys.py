"""A task of two parameters: small enough to follow by hand, with dropout to follow the seeds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from accelerate.state import AcceleratorState
from torch import nn

from albert_cli.data.batching import PackedBatch
from albert_cli.training.device import make_accelerator
from albert_cli.training.loop import StepReport
from albert_cli.training.objectives import Predictions, Sums


class Line(nn.Module):
    """y = a x + b, with dropout on x."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.5))
        self.b = nn.Parameter(torch.tensor(0.0))
        self.dropout = dropout

    def forward(self, x):
        return F.dropout(x, self.dropout, self.training) * self.a + self.b


class FitLine:
    """Squared error over the examples whose weight is 1; a batch may have none."""

    def counts(self, batch):
        return {"fit": float(batch.targets["weight"].sum())}

    def sums(self, model, batch):
        errors = (model(batch.targets["x"]) - batch.targets["y"]) ** 2 * batch.targets["weight"]
        return Sums({"fit": errors.sum()}, {"close": (errors < 0.1).sum()})

    def predictions(self, model, batch):
        return Predictions(self.sums(model, batch), {"y": model(batch.targets["x"])})


def line_batch(numbers):
    """Examples with the given numbers; every third has weight 0."""
    generator = [torch.Generator().manual_seed(number) for number in numbers]
    x = torch.stack([torch.randn((), generator=each) for each in generator])
    return PackedBatch(
        input_ids=torch.zeros(len(numbers), dtype=torch.int64),
        token_type_ids=torch.zeros(len(numbers), dtype=torch.int64),
        lengths=(1,) * len(numbers),
        indices=torch.tensor(numbers),
        targets={"x": x, "y": 2 * x + 1, "weight": torch.tensor([float(number % 3 != 0) for number in numbers])},
    )


def line_steps(steps, *, size=8, cut=1, rank=0, world=1):
    """Each step takes the next ``size`` examples, in ``cut`` micro-batches on each of ``world`` processes."""
    each = size // (cut * world)
    source = []
    for step in range(steps):
        starts = [step * size + (micro * world + rank) * each for micro in range(cut)]
        source.append([line_batch(list(range(start, start + each))) for start in starts])
    return source


def cpu(precision="fp32"):
    accelerator = make_accelerator("cpu", precision).accelerator
    assert AcceleratorState().device.type == "cpu"
    return accelerator


def losses_of(events):
    return [event.loss.item() for event in events if isinstance(event, StepReport)]
