"""Running out of memory and out of time: what is cut, what is learnt, what is said."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from training_toys import FitLine, Line, cpu, line_batch, line_steps, losses_of

from albert_cli.errors import TrainingError
from albert_cli.training.loop import EvalReport, SavePoint, SmallerBatches, train
from albert_cli.training.memory import is_out_of_memory, memory_explained, smaller_cut


@dataclass
class Lines:
    """Steps of a line's examples that can be cut into other micro-batches."""

    batch_size: int = 8
    accumulate: int = 1
    steps: int = 6

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        starts = range(step * 8, (step + 1) * 8, self.batch_size)
        return [line_batch(list(range(start, start + self.batch_size))) for start in starts]


class Hungry(FitLine):
    """A GPU's memory that holds so many examples; from a step on, if that is said."""

    def __init__(self, most, *, error=torch.cuda.OutOfMemoryError, spare=0):
        self.most, self.error, self.spare = most, error, spare

    def sums(self, model, batch):
        found = super().sums(model, batch)
        if len(batch.lengths) > self.most and self.spare <= 0:
            raise self.error("CUDA out of memory. Tried to allocate 20.00 MiB")
        self.spare -= 1
        return found


def run(objective=None, *, source=None, model=None, **options):
    model = Line() if model is None else model
    source = Lines() if source is None else source
    settings = {"max_steps": len(source), "seed": 3, **options}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return list(
        train(
            model=model,
            objective=objective or FitLine(),
            source=source,
            optimizer=optimizer,
            schedule=lambda _: 1.0,
            accelerator=cpu(),
            **settings,
        )
    )


@pytest.mark.parametrize(("most", "cut"), [(4, (4, 2)), (3, (2, 4)), (1, (1, 8))])
def test_micro_batches_are_cut_until_they_fit_and_the_same_is_learnt(most, cut):
    whole = run()
    events = run(Hungry(most))
    told = [event for event in events if isinstance(event, SmallerBatches)]
    assert (told[-1].batch_size, told[-1].accumulate) == cut
    assert len(told) == int(math.log2(8 // cut[0]))
    assert {event.step for event in told} == {0}
    assert losses_of(events) == pytest.approx(losses_of(whole), abs=1e-6)


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_may_run_out_in_the_middle_of_a_run(workers):
    whole, model = run(), Line()
    events = run(Hungry(4, spare=3), model=model, save_every=3, workers=workers)
    assert [event.step for event in events if isinstance(event, SmallerBatches)] == [3]
    assert [event.step for event in events if isinstance(event, SavePoint)] == [3, 6]
    assert losses_of(events) == pytest.approx(losses_of(whole), abs=1e-6)


def test_a_step_that_failed_half_way_leaves_no_gradient_behind():
    """The second micro-batch fails when the first has left its gradient."""
    whole = run(source=Lines(4, 2))
    events = run(Hungry(2, spare=1), source=Lines(4, 2))
    assert losses_of(events) == pytest.approx(losses_of(whole), abs=1e-6)


@pytest.mark.parametrize(("size", "parts"), [(48, 2), (9, 3), (7, 7), (2, 2), (1, None)])
def test_micro_batches_are_cut_evenly(size, parts):
    assert smaller_cut(size) == parts


def test_a_single_example_that_does_not_fit_ends_the_run():
    with pytest.raises(TrainingError, match="out of memory with a single example") as caught:
        run(Hungry(0))
    assert caught.value.exit_code == 4
    assert "max_length" in caught.value.hint


def test_a_source_that_cannot_be_cut_ends_the_run():
    with pytest.raises(TrainingError, match="out of memory"):
        run(Hungry(4), source=line_steps(2))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError,
        lambda _: RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_processor_without_memory_ends_the_run_clearly(error):
    with pytest.raises(TrainingError, match="out of memory in the forward and backward pass of 8 examples") as caught:
        run(Hungry(4, error=error))
    assert caught.value.exit_code == 4
    assert "train.accumulate" in caught.value.hint


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shape"), memory_explained("anywhere", hint="none"):
        raise RuntimeError("a wrong shape")
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def test_time_that_is_up_ends_the_run_as_its_last_step_would():
    events = run(max_seconds=0.0, evaluate=lambda step: step, eval_every=4, save_every=4)
    assert len(losses_of(events)) == 1
    assert [(event.step, event.result) for event in events if isinstance(event, EvalReport)] == [(1, 1)]
    assert events[-1] == SavePoint(1, True, time_is_up=True)


def test_time_that_is_up_at_the_last_step_is_an_ordinary_end():
    events = run(max_seconds=0.0, source=Lines(steps=1))
    assert events[-1] == SavePoint(1, True, time_is_up=False)
