"""The training loop on a model of two parameters and a list of batches."""

from __future__ import annotations

import copy
import signal

import pytest
import torch
from training_toys import FitLine, Line, cpu, line_batch, line_steps, losses_of

from albert_cli.errors import TrainingError
from albert_cli.training.evaluation import EvaluationStopped
from albert_cli.training.interrupt import StopFlag
from albert_cli.training.loop import EvalReport, SavePoint, StepReport, Stopped, train
from albert_cli.training.optim import AlbertAdamW, Lamb
from albert_cli.training.update import step_seed


def run(model, source, *, steps=None, optimizer=None, schedule=lambda step: 1.0, scaler=None, **options):
    accelerator = cpu()
    accelerator.scaler = scaler
    optimizer = optimizer or AlbertAdamW(model.parameters(), lr=0.05)
    return train(
        model=model,
        objective=options.pop("objective", FitLine()),
        source=source,
        optimizer=optimizer,
        schedule=schedule,
        accelerator=accelerator,
        max_steps=len(source) if steps is None else steps,
        **options,
    )


def test_it_learns_the_line():
    model = Line()
    losses = losses_of(run(model, line_steps(150)))
    assert losses[0] > 1.0
    assert losses[-1] < 0.01
    assert model.a.item() == pytest.approx(2.0, abs=0.2)


def test_the_gradient_is_that_of_the_mean_over_counted_examples():
    model = Line()
    reports = list(run(model, line_steps(1), optimizer=torch.optim.SGD(model.parameters(), lr=0.1), clip=None))
    report = reports[0]
    # by hand: errors of the 5 examples of 8 with weight 1
    batch = line_batch(range(8))
    x, y, weight = (batch.targets[name] for name in ("x", "y", "weight"))
    gap = (0.5 * x - y) * weight
    assert weight.sum() == 5
    assert report.loss.item() == pytest.approx(((gap**2).sum() / 5).item(), rel=1e-6)
    assert report.counts["fit"].item() == 5
    assert report.tokens.item() == 8
    assert model.a.item() == pytest.approx(0.5 - 0.1 * (2 * gap * x).sum().item() / 5, rel=1e-6)
    norm = torch.stack([(2 * gap * x).sum() / 5, (2 * gap).sum() / 5]).norm()
    assert report.gradient_norm.item() == pytest.approx(norm.item(), rel=1e-6)


@pytest.mark.parametrize("optimizer_class", [AlbertAdamW, Lamb])
def test_a_batch_cut_into_micro_batches_gives_the_same_run(optimizer_class):
    whole, cut = Line(), Line()
    once = losses_of(run(whole, line_steps(20), optimizer=optimizer_class(whole.parameters(), lr=0.05)))
    in_four = losses_of(run(cut, line_steps(20, cut=4), optimizer=optimizer_class(cut.parameters(), lr=0.05)))
    assert in_four == pytest.approx(once, abs=1e-6)
    assert cut.a.item() == pytest.approx(whole.a.item(), abs=1e-6)


def test_resuming_repeats_the_uninterrupted_run_bit_by_bit():
    def fresh():
        model = Line(dropout=0.3)
        return model, AlbertAdamW(model.parameters(), lr=0.05)

    def factor(step):
        return 1.0 - step / 30

    whole, optimizer = fresh()
    expected = losses_of(run(whole, line_steps(20), optimizer=optimizer, schedule=factor))
    first, optimizer = fresh()
    before = losses_of(run(first, line_steps(20), steps=9, optimizer=optimizer, schedule=factor))
    saved = copy.deepcopy((first.state_dict(), optimizer.state_dict()))
    torch.rand(7)  # whatever happens to the generator in between
    second, optimizer = fresh()
    second.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    after = losses_of(run(second, line_steps(20), optimizer=optimizer, schedule=factor, start_step=9, workers=2))
    assert before + after == expected
    assert torch.equal(second.a, whole.a)


def test_dropout_differs_between_steps_and_processes_and_seeds():
    seeds = {step_seed(seed, step, rank) for seed in (1, 2) for step in range(50) for rank in range(4)}
    assert len(seeds) == 400


def test_clipping_bounds_the_gradient_of_the_whole_batch():
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    report = next(run(model, line_steps(1, cut=4), optimizer=optimizer, clip=0.5))
    assert report.gradient_norm.item() > 0.5
    step = torch.tensor([model.a.item() - 0.5, model.b.item()])
    assert step.norm().item() == pytest.approx(0.5, rel=1e-5)


def test_rates_follow_the_schedule_from_each_groups_own_base():
    model = Line()
    optimizer = AlbertAdamW([{"params": [model.a], "lr": 0.1}, {"params": [model.b], "lr": 1.0}])
    seen = []
    for report in run(model, line_steps(3), optimizer=optimizer, schedule=lambda step: step / 10):
        if isinstance(report, StepReport):
            seen.append((report.learning_rate, [group["lr"] for group in optimizer.param_groups]))
    assert seen[2] == (pytest.approx(0.02), pytest.approx([0.02, 0.2]))
    assert seen[0][1] == [0.0, 0.0]


def test_a_batch_with_nothing_to_count_adds_nothing():
    model = Line()
    empty = [line_batch([0, 3, 6])]
    reports = [event for event in run(model, [empty, *line_steps(2)]) if isinstance(event, StepReport)]
    assert reports[0].loss.item() == 0.0
    assert reports[0].gradient_norm.item() == 0.0
    assert all(torch.isfinite(report.loss) for report in reports)
    assert torch.isfinite(model.a)


def poisoned(steps, at):
    source = line_steps(steps)
    source[at][0].targets["y"][1] = float("nan")
    return source


def test_a_loss_that_is_not_finite_ends_the_run_one_step_later():
    done = []
    with pytest.raises(TrainingError, match=r"loss is not finite at step 4 \(learning rate 0.05\)") as raised:
        done.extend(event.step for event in run(Line(), poisoned(10, 3)))
    assert done == [1, 2, 3, 4]
    assert raised.value.exit_code == 4
    assert "learning_rate" in raised.value.hint


@pytest.mark.parametrize("due", [{"save_every": 4}, {"eval_every": 4, "evaluate": lambda step: None}])
def test_nothing_is_saved_or_evaluated_from_a_broken_state(due):
    seen = []
    with pytest.raises(TrainingError):
        seen.extend(run(Line(), poisoned(10, 3), **due))
    assert {type(event) for event in seen} == {StepReport}


def test_a_broken_last_step_is_noticed():
    seen = []
    with pytest.raises(TrainingError, match="step 3"):
        seen.extend(run(Line(), poisoned(3, 2)))
    assert not any(isinstance(event, SavePoint) for event in seen)


def test_a_gradient_that_is_not_finite_ends_the_run():
    class Kink(FitLine):
        def sums(self, model, batch):
            sums = super().sums(model, batch)
            sums.losses["fit"] = sums.losses["fit"] + (model.a - model.a).abs().sqrt()
            return sums

    with pytest.raises(TrainingError, match="gradient is not finite at step 1"):
        list(run(Line(), line_steps(3), objective=Kink()))


def kinds(events):
    return [(type(event).__name__, event.step) for event in events if not isinstance(event, StepReport)]


def test_evaluations_and_save_points_fall_due_in_order():
    model = Line()
    modes = []

    def evaluate(step):
        modes.append(model.training)
        return step * 10

    events = list(run(model, line_steps(5), evaluate=evaluate, eval_every=2, save_every=2))
    due = [
        ("EvalReport", 2),
        ("SavePoint", 2),
        ("EvalReport", 4),
        ("SavePoint", 4),
        ("EvalReport", 5),
        ("SavePoint", 5),
    ]
    assert kinds(events) == due
    assert [event.result for event in events if isinstance(event, EvalReport)] == [20, 40, 50]
    assert [event.final for event in events if isinstance(event, SavePoint)] == [False, False, True]
    assert modes == [False] * 3
    assert model.training


def test_an_evaluation_does_not_change_the_run():
    plain = losses_of(run(Line(0.5), line_steps(6)))
    evaluated = losses_of(run(Line(0.5), line_steps(6), evaluate=torch.rand, eval_every=1))
    assert evaluated == plain


def test_a_finished_run_resumed_evaluates_and_saves_once_more():
    events = run(Line(), line_steps(3), start_step=3, evaluate=lambda step: step)
    assert kinds(events) == [("EvalReport", 3), ("SavePoint", 3)]


def test_a_request_to_stop_ends_the_run_after_the_step():
    stop, seen = StopFlag(), []
    for event in run(Line(), line_steps(10), stop=stop):
        seen.append(event)
        if event.step == 3:
            stop.request(signal.SIGINT)
    assert [event.step for event in seen] == [1, 2, 3, 4, 4]
    assert seen[-1] == Stopped(4, signal.SIGINT, evaluation_due=False)


def test_an_evaluation_left_out_by_a_stop_comes_first_when_resuming():
    stop, seen = StopFlag(), []
    options = {"evaluate": lambda step: step, "eval_every": 4}
    for event in run(Line(), line_steps(10), stop=stop, **options):
        seen.append(event)
        if event.step == 3:
            stop.request(signal.SIGTERM)
    assert seen[-1] == Stopped(4, signal.SIGTERM, evaluation_due=True)
    resumed = run(Line(), line_steps(10), start_step=4, evaluate_first=True, **options)
    assert kinds(resumed) == [("EvalReport", 4), ("EvalReport", 8), ("EvalReport", 10), ("SavePoint", 10)]


def test_a_stop_inside_an_evaluation_leaves_it_due():
    def evaluate(step):
        raise EvaluationStopped(signal.SIGTERM)

    events = run(Line(), line_steps(4), evaluate=evaluate, eval_every=2)
    assert list(events)[-1] == Stopped(2, signal.SIGTERM, evaluation_due=True)


def test_more_steps_than_the_source_has_are_refused():
    with pytest.raises(ValueError, match="5 steps asked for, the source has 3"):
        list(run(Line(), line_steps(3), steps=5))


def test_a_failed_check_needs_no_waiting_in_between():
    # two broken steps in a row: the first one is named
    source = poisoned(6, 2)
    source[3][0].targets["y"][1] = float("inf")
    with pytest.raises(TrainingError, match="step 3"):
        list(run(Line(), source))


def test_scaled_losses_give_the_same_run():
    plain, scaled = Line(), Line()
    expected = losses_of(run(plain, line_steps(10)))
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    assert losses_of(run(scaled, line_steps(10, cut=2), scaler=scaler)) == pytest.approx(expected, abs=1e-6)


def test_updates_whose_gradients_overflow_are_left_out_and_counted():
    model = Line()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)  # overflows until it was halved a few times
    source = line_steps(12)
    for (batch,) in source:
        batch.targets["y"].mul_(10)
    reports = [event for event in run(model, source, scaler=scaler) if isinstance(event, StepReport)]
    skipped = [report.skipped_steps for report in reports]
    assert skipped[0] == 1
    assert 0 < skipped[-1] == skipped[-2] < 10
    assert torch.isfinite(model.a)
    assert model.a.item() != 0.5


def test_gradients_that_overflow_at_any_scale_end_the_run():
    class Steep(FitLine):
        def sums(self, model, batch):
            sums = super().sums(model, batch)
            sums.losses["fit"] = sums.losses["fit"] + (model.a - model.a).abs().sqrt()
            return sums

    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    with pytest.raises(TrainingError, match="fp16 gradients overflowed in 31 steps in a row"):
        list(run(Line(), line_steps(40), objective=Steep(), scaler=scaler))
