"""A run that goes wrong returns to a checkpoint and takes other data."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from training_toys import FitLine, Line, cpu, line_batch, line_steps, losses_of

from albert_cli.errors import TrainingError
from albert_cli.training.guards import Guard, Places, TrainingFault, place_of
from albert_cli.training.loop import RolledBack, SavePoint, train
from albert_cli.training.optim import AlbertAdamW


class Checkpoints:
    """A model and an optimiser whose states at save points stay in memory."""

    def __init__(self, steps, **guard):
        self.model = Line()
        self.optimizer = AlbertAdamW(self.model.parameters(), lr=0.05)
        self.kept = {}
        self.steps = steps
        self.guard = Guard(restore=self.restore, **guard)

    def save(self, step):
        states = self.model.state_dict(), self.optimizer.state_dict()
        self.kept[step] = copy.deepcopy((*states, self.guard.recent))

    def restore(self, before):
        chosen = max((step for step in self.kept if before is None or step < before), default=None)
        chosen = max(self.kept, default=None) if chosen is None else chosen
        if chosen is None:
            return None
        weights, moments, self.guard.recent = copy.deepcopy(self.kept[chosen])
        self.model.load_state_dict(weights)
        self.optimizer.load_state_dict(moments)
        self.kept = {step: state for step, state in self.kept.items() if step <= chosen}
        return chosen

    def run(self, source, *, steps, **options):
        options = {"save_every": 5, "guard": self.guard, **options}
        events = train(
            model=self.model,
            objective=options.pop("objective"),
            source=source,
            optimizer=self.optimizer,
            schedule=lambda step: 1.0,
            accelerator=cpu(),
            max_steps=steps,
            **options,
        )
        for event in events:
            if isinstance(event, SavePoint):
                self.save(event.step)
            yield event


def broken(batch, factor=float("nan")):
    batch.targets["y"] = batch.targets["y"] * factor
    return batch


def source_with(bad, steps=60, factor=float("nan")):
    source = line_steps(steps)
    for step in bad:
        source[step] = [broken(line_batch(list(range(8))), factor)]
    return source


def test_a_loss_that_is_not_finite_costs_its_data_and_nothing_else():
    run = Checkpoints(20, most=3)
    events = list(run.run(source_with([7]), steps=20, objective=FitLine()))
    backs = [event for event in events if isinstance(event, RolledBack)]
    assert [(back.step, back.skipped, back.number) for back in backs] == [(5, (5, 7), 1)]
    assert "not finite at step 8" in backs[0].fault.message
    # the same as a run whose data never held those steps
    clean = Checkpoints(20)
    source = source_with([7])
    expected = losses_of(clean.run(source[:5] + source[8:], steps=20, objective=FitLine()))
    seen = losses_of(events)
    assert seen[:5] + seen[-15:] == expected
    assert torch.equal(run.model.a, clean.model.a)


def test_what_is_left_out_holds_after_an_interruption():
    whole = Checkpoints(20, most=3)
    expected = losses_of(whole.run(source_with([7, 13]), steps=20, objective=FitLine()))[-5:]
    assert whole.guard.skipped == [(5, 8), (13, 14)]
    first = Checkpoints(20, most=3)
    list(first.run(source_with([7, 13]), steps=15, objective=FitLine()))
    state = json.loads(json.dumps(first.guard.state()))
    first.guard = Guard(restore=first.restore, most=3)
    first.guard.take_up(state)
    assert losses_of(first.run(source_with([7, 13]), steps=20, objective=FitLine(), start_step=15)) == expected
    assert torch.equal(first.model.a, whole.model.a)


def test_several_ahead_fetching_processes_see_the_same():
    alone, helped = Checkpoints(20, most=1), Checkpoints(20, most=1)
    expected = losses_of(alone.run(source_with([7]), steps=12, objective=FitLine()))
    seen = losses_of(helped.run(source_with([7]), steps=12, objective=FitLine(), workers=2))
    assert seen == pytest.approx(expected, abs=0, nan_ok=True)


def test_a_rise_that_stays_is_found_and_undone():
    run = Checkpoints(60, most=4, spike=1.0)
    events = list(run.run(source_with(range(31, 42), steps=120, factor=6.0), steps=60, objective=FitLine()))
    backs = [event for event in events if isinstance(event, RolledBack)]
    assert 1 <= len(backs) <= 4
    assert "the loss rose by" in backs[0].fault.message
    assert losses_of(events)[-1] < 0.5  # 36 times as large on the bad data
    assert run.guard.skipped[0][0] <= 31


def test_one_odd_batch_is_no_spike():
    guard = Guard(spike=1.0)
    for step in range(40):
        guard.look(2.0 + 0.1 * (step % 3), step=step, learning_rate=0.1)
    guard.look(900.0, step=40, learning_rate=0.1)
    for step in range(41, 45):
        guard.look(2.0, step=step, learning_rate=0.1)
    guard.recent += [4.0] * 6
    with pytest.raises(TrainingFault, match="rose by"):
        guard.look(4.0, step=49, learning_rate=0.1)


def test_noise_of_small_batches_is_no_spike():
    guard, generator = Guard(spike=0.1), torch.Generator().manual_seed(1)
    for step, noise in enumerate(torch.randn(2000, generator=generator).tolist()):
        guard.look(6.0 + 0.6 * noise, step=step, learning_rate=0.1)


def test_a_second_fault_goes_further_back():
    run = Checkpoints(30, most=5)
    # steps 11 and 12 are bad, so that going back to 10 meets the next one at once
    events = run.run(source_with([11, 13], steps=60), steps=30, objective=FitLine())
    backs = [event.step for event in events if isinstance(event, RolledBack)]
    assert backs == [10, 5]


def test_enough_is_enough():
    run = Checkpoints(20, most=2)
    with pytest.raises(TrainingError, match=r"2 returns .* did not help: the learning rate is too high"):
        list(run.run(source_with(range(7, 60)), steps=20, objective=FitLine()))
    with pytest.raises(TrainingError, match="before the first checkpoint"):
        list(Checkpoints(20, most=2).run(source_with([3]), steps=20, objective=FitLine()))
    with pytest.raises(TrainingError, match="not finite at step 8"):
        list(Checkpoints(20).run(source_with([7]), steps=20, objective=FitLine()))


def test_places_leave_out_ranges():
    skipped = ((2, 4), (7, 10))
    places = Places(skipped, 1, 8)
    assert [places[number] for number in range(len(places))] == [1, 4, 5, 6, 10, 11, 12]
    assert [place_of(step, ()) for step in range(3)] == [0, 1, 2]
    with pytest.raises(IndexError):
        places[7]
