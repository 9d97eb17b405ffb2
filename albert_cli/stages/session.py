"""What a training command sets up before its first step and puts away after its last: processes, run directory, lock,
signals, log, trackers."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from albert_cli.errors import AlbertError, Interrupted
from albert_cli.files.atomic import sweep_partial, write_file
from albert_cli.files.lock import lock_directory
from albert_cli.recipe.load import LoadedRecipe, load_recipe
from albert_cli.recipe.render import dump_resolved
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe
from albert_cli.recipe.sections import Runtime
from albert_cli.report.console import Talk
from albert_cli.report.environment import describe_environment
from albert_cli.report.html import write_html_report
from albert_cli.report.plots import write_plots
from albert_cli.report.run_dir import RunDir, State
from albert_cli.stages.resuming import RecipeChanges, check_recipe, recipe_changes
from albert_cli.training.checkpoint import on_main_process
from albert_cli.training.device import leave_processes, make_accelerator, set_threads
from albert_cli.training.evaluation import EvaluationStopped
from albert_cli.training.interrupt import StopFlag, stop_on_signals
from albert_cli.training.launch import check_world
from albert_cli.training.trackers import Trackers, open_trackers
from albert_cli.training.waiting import losses_explained


@dataclass
class Session:
    """The surroundings of a training run.

    Attributes:
        loaded: the recipe.
        options: how to go about it.
        talk: the command's voice.
        accelerator: device, precision, processes.
        run: the run directory.
        stop: whether someone asked to stop.
        trackers: experiment trackers, often none.
        ended: why a sound run ended before its last step, for status.json; None if it did not.
        began: when this sitting did, on the monotonic clock.
        changes: of the recipe since the run was started, when it is resumed.
    """

    loaded: LoadedRecipe
    options: RunOptions
    talk: Talk
    accelerator: Accelerator
    run: RunDir
    stop: StopFlag
    trackers: Trackers = field(default_factory=Trackers)
    ended: str | None = None
    began: float = field(default_factory=time.monotonic)
    changes: RecipeChanges = field(default_factory=RecipeChanges)


def start_processes(runtime: Runtime, talk: Talk, *, dry_run: bool = False) -> Accelerator:
    """Check the number of processes, set threads, choose the device.

    Args:
        runtime: what the recipe asks for.
        talk: the command's voice.
        dry_run: nothing will be trained, so one process does for any number.

    Raises:
        UsageError: what the recipe asks for is not there.
    """
    if not dry_run:
        check_world(runtime.nproc)
    set_threads(runtime.threads)
    placement = make_accelerator(runtime.device, runtime.precision, patience=runtime.timeout)
    if placement.warning:
        talk.warn(placement.warning)
    return placement.accelerator


@contextmanager
def open_session(
    loaded: LoadedRecipe, options: RunOptions, *, talk: Talk, accelerator: Accelerator
) -> Iterator[Session]:
    """Make or take up the run directory and keep its state true whatever happens inside.

    Raises:
        UsageError: the directory is taken, or there is nothing to resume.
        CheckpointError: another process works there, or the recipe differs from the one being resumed.
    """
    with ExitStack() as stack:
        stack.callback(leave_processes)
        run = _run_directory(loaded, options, accelerator)
        on_main_process(accelerator, lambda: _take_over(run, stack))
        changes = RecipeChanges()
        if options.resume:
            anyway = options.resume_anyway
            changes = on_main_process(accelerator, lambda: _compare_recipe(loaded, run, anyway=anyway))
        else:
            run.set_status("running")  # first of all: what is killed from here on can be resumed
            run.write_recipe(dump_resolved(loaded))
        if run.writes:
            talk.copy_to(run.log_path)
            stack.callback(talk.close)
        run.write_environment(describe_environment(devices=True, command=["albert", *sys.argv[1:]]))
        stop = stack.enter_context(stop_on_signals(lambda number: _say_stopping(talk, number)))
        session = Session(loaded, options, talk, accelerator, run, stop, changes=changes)
        if run.writes and isinstance(loaded.recipe, PretrainRecipe | FinetuneRecipe) and loaded.recipe.trackers:
            values = loaded.recipe.model_dump(mode="json", by_alias=True)
            session.trackers = open_trackers(
                loaded.recipe.trackers, folder=run.path, run_name=run.path.name, config=values
            )
            stack.callback(session.trackers.finish)
        talk.say(f"run directory: {run.path}")
        with _reported(run, talk), _honest_status(session), _stops_explained(run), losses_explained(accelerator):
            yield session


def _take_over(run: RunDir, stack: ExitStack) -> None:
    """Make the run directory this process's own until ``stack`` closes."""
    if run.writes:
        stack.enter_context(lock_directory(run.path))
        for folder in (run.path, run.checkpoints_path, run.path / "predictions"):
            sweep_partial(folder)  # what a killed process left unfinished


@contextmanager
def _reported(run: RunDir, talk: Talk) -> Iterator[None]:
    """Draw the curves at the end, however that came: those of a failed run are the ones people look at."""
    try:
        yield
    except BaseException:
        with suppress(OSError):  # a full disk must not hide why the run ended
            _draw(run, talk)
        raise
    _draw(run, talk)


def _draw(run: RunDir, talk: Talk) -> None:
    if run.writes and run.metrics.path.exists():
        write_html_report(run)
        if find_spec("matplotlib") is not None:
            write_plots(run, talk)


@contextmanager
def _stops_explained(run: RunDir) -> Iterator[None]:
    """A stop during the last scoring, when all steps are made and saved."""
    try:
        yield
    except EvaluationStopped as stopped:
        raise Interrupted(
            stopped.signal_number,
            f"stopped by a signal while scoring the trained model; the state is saved in {run.path}",
            hint=f"continue with --resume --out {run.path}",
        ) from None


@contextmanager
def _honest_status(session: Session) -> Iterator[None]:
    run = session.run
    run.set_status("running")
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # a full disk must not hide why the run ended
            run.set_status(*_how_it_ended(error))
        raise
    run.set_status("done", session.ended)


def _how_it_ended(error: BaseException) -> tuple[State, str]:
    if isinstance(error, Interrupted):
        return "interrupted", error.message
    if isinstance(error, AlbertError):
        return "failed", error.message
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "Ctrl-C before the first step was saved"
    return "failed", f"{type(error).__name__}: {error}"


def _run_directory(loaded: LoadedRecipe, options: RunOptions, accelerator: Accelerator) -> RunDir:
    """One directory for all processes; the first one makes it and its failure is everybody's."""
    out = Path(loaded.recipe.out) if loaded.recipe.out else None
    if accelerator.num_processes == 1:
        return RunDir.create(out, loaded.name, resume=options.resume)
    outcome: list[str | AlbertError | None] = [None]
    if accelerator.is_main_process:
        try:
            outcome[0] = str(RunDir.create(out, loaded.name, resume=options.resume).path)
        except AlbertError as error:
            outcome[0] = error
    broadcast_object_list(outcome)
    found = outcome[0]
    if isinstance(found, AlbertError):
        raise found
    return RunDir(Path(str(found)), writes=accelerator.is_main_process)


def _compare_recipe(loaded: LoadedRecipe, run: RunDir, *, anyway: bool) -> RecipeChanges:
    """Compare with the recipe in the run directory; one that is followed from now on takes its place, beside it."""
    if not run.recipe_path.exists():  # killed before anything began
        run.write_recipe(dump_resolved(loaded))
    changes = recipe_changes(load_recipe(run.recipe_path), loaded)
    check_recipe(changes, run=run.path, stage=loaded.recipe.stage, anyway=anyway)
    if changes.other:
        number = len(list(run.path.glob("recipe-before-*.yaml"))) + 1
        write_file(run.path / f"recipe-before-{number}.yaml", run.recipe_path.read_bytes())
        run.write_recipe(dump_resolved(loaded))
    return changes


def _say_stopping(talk: Talk, number: int) -> None:
    talk.say(f"{signal.Signals(number).name}: finishing this step and saving; a second one stops at once")
