"""Two real processes (gloo) against one: same numbers, same decisions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

HERE = str(Path(__file__).parent)


def work(folder):
    """What each process does; one start of two processes serves all tests."""
    from training_toys import FitLine, Line, cpu, line_batch, line_steps, losses_of

    from albert_cli.data.sampler import micro_batch_starts
    from albert_cli.errors import DataError, TrainingError
    from albert_cli.training.checkpoint import on_main_process
    from albert_cli.training.device import leave_processes, set_threads
    from albert_cli.training.evaluation import EvaluationStopped, evaluate
    from albert_cli.training.interrupt import StopFlag
    from albert_cli.training.launch import check_world, rank, world_size
    from albert_cli.training.loop import train
    from albert_cli.training.optim import AlbertAdamW

    check_world(world_size())
    set_threads(1)
    accelerator = cpu()
    place, world = rank(), world_size()

    class Cut:
        """Thirty steps of eight examples that can be cut into smaller micro-batches."""

        def __init__(self, batch_size, accumulate, rank, world_size):
            self.batch_size, self.accumulate, self.rank, self.world_size = batch_size, accumulate, rank, world_size

        def __len__(self):
            return 30

        def __getitem__(self, step):
            cut = {"batch_size": self.batch_size, "accumulate": self.accumulate}
            starts = micro_batch_starts(step, **cut, rank=self.rank, world_size=self.world_size)
            return [line_batch(list(range(start, start + self.batch_size))) for start in starts]

    def run(source, *, model=None, objective=None, **options):
        model = model or Line()
        return train(
            model=model,
            objective=objective or FitLine(),
            source=source,
            optimizer=AlbertAdamW(model.parameters(), lr=0.05),
            schedule=lambda step: 1.0,
            accelerator=accelerator,
            max_steps=len(source),
            **options,
        )

    def caught(kind, action):
        try:
            action()
        except kind as error:
            return [type(error).__name__, str(error)]

    def fail():
        raise DataError("disk gone", hint="look")

    found = {"world": accelerator.num_processes}
    for cut in (1, 2):
        model = Line()
        found[f"losses{cut}"] = losses_of(run(line_steps(30, cut=cut, rank=place, world=world), model=model))
        found[f"weights{cut}"] = [model.a.item(), model.b.item()]

    different = Line()
    different.a.data.fill_(float(place))
    found["from_first"] = losses_of(run(line_steps(2, rank=place, world=world), model=different))

    partial = Line()
    partial.idle = torch.nn.Parameter(torch.ones(3))
    found["partial"] = losses_of(run(line_steps(30, rank=place, world=world), model=partial))
    found["idle"] = partial.idle.tolist()

    class Hungry(FitLine):
        """The last process has no memory for more than two examples at once."""

        def sums(self, model, batch):
            if place == world - 1 and len(batch.lengths) > 2:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().sums(model, batch)

    events = list(run(Cut(8 // world, 1, place, world), objective=Hungry()))
    found["cut"] = losses_of(events)
    found["cut_to"] = [[e.batch_size, e.accumulate] for e in events if type(e).__name__ == "SmallerBatches"]

    poisoned = line_steps(6, rank=place, world=world)
    if place == world - 1:
        poisoned[2][0].targets["y"][1] = float("nan")
    found["broken"] = caught(TrainingError, lambda: list(run(poisoned)))

    stop = StopFlag()
    steps = []
    for event in run(line_steps(9, rank=place, world=world), stop=stop):
        steps.append([type(event).__name__, event.step])
        if place == world - 1 and event.step == 3:
            stop.request(15)
    found["stopped"] = steps

    batches = [line_batch(list(range(start, min(start + 3, 20)))) for start in range(0, 20, 3)]
    outcome = evaluate(Line(), FitLine(), batches=batches, accelerator=accelerator)
    found["evaluation"] = [outcome.loss, outcome.indices.tolist(), outcome.rows["y"].tolist(), outcome.metrics]
    late = StopFlag()
    if place == world - 1:
        late.request(2)
    found["evaluation_stopped"] = caught(
        EvaluationStopped,
        lambda: evaluate(Line(), FitLine(), batches=batches, accelerator=accelerator, stop=late),
    )
    found["told"] = on_main_process(accelerator, lambda: f"from {place}")
    found["main_failed"] = caught(DataError, lambda: on_main_process(accelerator, fail))
    Path(folder, f"{world}-{place}.json").write_text(json.dumps(found))
    leave_processes()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    from albert_cli.training.launch import relaunch

    folder = tmp_path_factory.mktemp("processes")
    code = f"import sys; sys.path.insert(0, {HERE!r}); from test_processes import work; work({str(folder)!r})"
    for nproc in (1, 2):
        assert relaunch(nproc, [], program=["-c", code]) == 0
    return {path.stem: json.loads(path.read_text()) for path in folder.iterdir()}


def test_one_process_without_memory_cuts_the_batches_of_all(outcomes):
    """The others wait in no sum for it, and all learn what one process learns from whole batches."""
    assert outcomes["1-0"]["cut_to"] == [[4, 2], [2, 4]]
    assert outcomes["2-0"]["cut_to"] == outcomes["2-1"]["cut_to"] == [[2, 2]]
    for name in ("1-0", "2-0", "2-1"):
        np.testing.assert_allclose(outcomes[name]["cut"], outcomes["1-0"]["losses1"], atol=1e-5)


def test_there_were_two(outcomes):
    assert set(outcomes) == {"1-0", "2-0", "2-1"}
    assert outcomes["2-1"]["world"] == 2


@pytest.mark.parametrize("cut", [1, 2])
def test_one_times_eight_is_two_times_four(outcomes, cut):
    alone, first, second = (outcomes[name] for name in ("1-0", "2-0", "2-1"))
    assert first[f"losses{cut}"] == second[f"losses{cut}"]
    np.testing.assert_allclose(first[f"losses{cut}"], alone["losses1"], atol=1e-5)
    np.testing.assert_allclose(first[f"weights{cut}"], alone["weights1"], atol=1e-5)
    assert first[f"weights{cut}"] == second[f"weights{cut}"]


def test_a_parameter_that_takes_no_part_stays_and_holds_nobody_up(outcomes):
    for name in ("1-0", "2-0", "2-1"):
        assert outcomes[name]["idle"] == [1.0, 1.0, 1.0]
        np.testing.assert_allclose(outcomes[name]["partial"], outcomes["1-0"]["losses1"], atol=1e-5)


def test_all_start_from_the_weights_of_the_first(outcomes):
    alone, first = outcomes["1-0"]["from_first"], outcomes["2-0"]["from_first"]
    np.testing.assert_allclose(first, alone, atol=1e-6)


def test_a_loss_that_is_not_finite_on_one_ends_all(outcomes):
    for name in ("2-0", "2-1"):
        assert outcomes[name]["broken"][0] == "TrainingFault"
        assert "loss is not finite at step 3" in outcomes[name]["broken"][1]


def test_a_request_to_one_stops_all_after_the_same_step(outcomes):
    assert outcomes["2-0"]["stopped"] == outcomes["2-1"]["stopped"]
    assert outcomes["2-0"]["stopped"][-2:] == [["StepReport", 4], ["Stopped", 4]]


def test_an_evaluation_is_whole_and_the_same_on_all(outcomes):
    alone, first, second = (outcomes[name]["evaluation"] for name in ("1-0", "2-0", "2-1"))
    assert first == second
    assert first[1] == alone[1] == list(range(20))
    assert first[2] == alone[2]
    assert first[3] == alone[3]
    assert first[0] == pytest.approx(alone[0], rel=1e-6)


def test_a_request_to_one_ends_the_evaluation_of_all(outcomes):
    assert outcomes["2-0"]["evaluation_stopped"] == outcomes["2-1"]["evaluation_stopped"]
    assert outcomes["2-0"]["evaluation_stopped"][0] == "EvaluationStopped"


def test_what_the_main_process_did_or_failed_to_do_reaches_all(outcomes):
    for name in ("2-0", "2-1"):
        assert outcomes[name]["told"] == "from 0"
        assert outcomes[name]["main_failed"] == ["DataError", "disk gone"]
