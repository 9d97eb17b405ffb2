"""`albert finetune --search learning_rate=1e-5,2e-5 --search batch_size=16,32`: which settings score best on dev?

Optuna draws the settings and keeps the study in OUT/search.db; each trial is a run like any other, in a directory of
its own. A list of values is a grid, every point once, in a random order. A range (1e-5..5e-5) is searched by its
tree-structured Parzen estimator, which learns from the trials before. ``--resume`` goes on with the trial that was
interrupted and adds those that are missing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from albert_cli.errors import TrainingError, UsageError
from albert_cli.files.atomic import point_link, write_file
from albert_cli.files.lock import lock_directory
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.report.console import Talk, result_json
from albert_cli.report.tables import Table
from albert_cli.stages.finetune import execute
from albert_cli.training.launch import world_size

Reload = Callable[[Sequence[str]], LoadedRecipe]
_STUDY = "search"


@dataclass(frozen=True)
class Space:
    """What one recipe key may be.

    Attributes:
        key: dotted.
        choices: YAML texts of a list of values; empty for a range.
        low: lower end of a range.
        high: upper end.
        whole: whether the range holds whole numbers.
    """

    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False

    @property
    def is_range(self) -> bool:
        """Whether values are drawn between two ends."""
        return not self.choices


def read_space(text: str, known: Sequence[str]) -> Space:
    """Read one ``--search KEY=V1,V2,...`` or ``--search KEY=LOW..HIGH``.

    Args:
        text: the option's value. The key may leave out ``train.``.
        known: dotted keys of the recipe.

    Raises:
        UsageError: it says something else.
    """
    key, _, values = (part.strip() for part in text.partition("="))
    full = key if key in known else f"train.{key}"
    if full not in known or not values:
        raise UsageError(
            f"--search {text!r} is not KEY=VALUE,VALUE,... with a key of the recipe",
            hint="--search learning_rate=1e-5,2e-5,3e-5, or a range: --search learning_rate=1e-5..5e-5",
        )
    if ".." in values:
        return _range(full, values)
    choices = tuple(part.strip() for part in values.split(","))
    if not all(choices) or len(set(choices)) < len(choices):
        raise UsageError(f"--search {text!r} has an empty value, or one twice", hint=f"--search {key}=A,B,C")
    return Space(full, choices)


def _range(key: str, values: str) -> Space:
    ends = values.split("..")
    try:
        low, high = (float(end) for end in ends)
    except ValueError:
        low = high = math.nan
    if not low < high or not math.isfinite(high - low):
        raise UsageError(f"--search {key}={values} is not a range of two numbers", hint=f"--search {key}=1e-5..5e-5")
    whole = all(end.strip().lstrip("-").isdigit() for end in ends)
    return Space(key, low=low, high=high, whole=whole)


def run(loaded: LoadedRecipe, options: RunOptions, *, search: Sequence[str], trials: int | None, reload: Reload) -> int:
    """Train once for each trial, and name the best.

    Args:
        loaded: the recipe as it is without the search.
        options: how to go about it.
        search: values of ``--search``.
        trials: how many; None takes the whole grid.
        reload: the recipe with more ``key=value`` overrides, checked.

    Returns:
        Exit code 0.

    Raises:
        UsageError: no folder, several processes, a range without ``trials``, or a folder that is taken.
        TrainingError: every trial failed.
        AlbertError: with the exit code that its kind has.
    """
    spaces = [read_space(text, list(loaded.origins)) for text in search]
    count = _count(spaces, trials)
    if loaded.recipe.out is None:
        raise UsageError("--search needs --out, a folder for the trials", hint="add --out DIR")
    if max(loaded.processes, world_size()) > 1:
        raise UsageError("--search trains in one process", hint="leave --nproc out")
    for space in spaces:
        for value in space.choices:
            reload([f"{space.key}={value}"])  # a value that the recipe cannot take is found before anything is trained
    with Talk(quiet=options.quiet) as talk:
        talk.say(f"search: {count} trials over {', '.join(space.key for space in spaces)}")
        if options.dry_run:
            result = execute(loaded, options, talk)
        else:
            result = _Search(Path(loaded.recipe.out), spaces, count, reload, options, talk, loaded.seed).run()
        if options.json:
            result_json(result)
    return 0


def _count(spaces: Sequence[Space], trials: int | None) -> int:
    keys = [space.key for space in spaces]
    if len(set(keys)) < len(keys):
        raise UsageError("--search names a key twice", hint="give each key once, with all its values")
    if any(space.is_range for space in spaces):
        if trials is None:
            raise UsageError("--search over a range needs --trials", hint="--trials 20")
        return trials
    grid = math.prod(len(space.choices) for space in spaces)
    return grid if trials is None else min(trials, grid)


@dataclass
class _Search:
    folder: Path
    spaces: Sequence[Space]
    count: int
    reload: Reload
    options: RunOptions
    talk: Talk
    seed: int

    def run(self) -> dict[str, Any]:
        """Make the trials that are missing and say what came out."""
        optuna = _optuna()
        database = self.folder / "search.db"
        if self.folder.exists() and any(self.folder.iterdir()) and not (self.options.resume and database.exists()):
            raise UsageError(
                f"{self.folder} already holds files",
                hint="choose another --out" + (", or continue with --resume" if database.exists() else ""),
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        with lock_directory(self.folder):
            study = self._study(optuna, database)
            self._take_up(optuna, study)
            done = sum(1 for trial in study.trials if _is_settled(trial))
            if done < self.count:
                study.optimize(self._trial, n_trials=self.count - done, catch=(TrainingError,))
            return self._report(study)

    def _study(self, optuna: Any, database: Path) -> Any:
        study = optuna.create_study(storage=f"sqlite:///{database}", study_name=_STUDY, load_if_exists=True)
        if any(space.is_range for space in self.spaces):
            # The seed moves on with the study, or resuming would draw the first trials' settings again.
            study.sampler = optuna.samplers.TPESampler(seed=(self.seed + len(study.trials)) % 2**32)
        else:
            grid = {space.key: list(space.choices) for space in self.spaces}
            study.sampler = optuna.samplers.GridSampler(grid, seed=self.seed % 2**32)
        asked = [json.loads(json.dumps(vars(space))) for space in self.spaces]
        before = study.user_attrs.get("spaces")
        if before is not None and before != asked:
            raise UsageError("--resume of a search over other values", hint="give the same --search options")
        study.set_user_attr("spaces", asked)
        return study

    def _take_up(self, optuna: Any, study: Any) -> None:
        """Put trials that were interrupted first in line, in the folders that they have."""
        waiting = {t.user_attrs.get("folder") for t in study.trials if t.state == optuna.trial.TrialState.WAITING}
        settled = {trial.user_attrs.get("folder") for trial in study.trials if _is_settled(trial)}
        for trial in study.trials:
            folder = trial.user_attrs.get("folder")
            if trial.state == optuna.trial.TrialState.RUNNING:
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            if folder and trial.params and not _is_settled(trial) and folder not in settled | waiting:
                study.enqueue_trial(trial.params, user_attrs={"folder": folder})
                waiting.add(folder)

    def _trial(self, trial: Any) -> float:
        values = {space.key: _suggest(trial, space) for space in self.spaces}
        name = trial.user_attrs.get("folder") or f"trial-{trial.number:03d}"
        trial.set_user_attr("folder", name)
        trial.set_user_attr("values", values)
        folder = self.folder / name
        loaded = self.reload([f"{key}={value}" for key, value in values.items()])
        loaded = replace(loaded, recipe=loaded.recipe.model_copy(update={"out": str(folder)}))
        self.talk.say(f"{name}: {'  '.join(f'{key}={value}' for key, value in values.items())}")
        try:
            result = execute(loaded, replace(self.options, resume=folder.exists()), self.talk)
        except TrainingError as error:
            trial.set_user_attr("failure", error.message)
            self.talk.warn(f"{name} failed: {error.message}")
            raise
        chosen = result["chosen_by"]
        trial.set_user_attr("result", {**chosen, "scores": result["scores"], "best_step": result["best_step"]})
        trial.set_user_attr("collapse", result["collapse"])
        trial.study.set_user_attr("chosen_by", chosen)
        # Optuna wants a number; the direction is in its sign, so that one study serves scores and errors.
        value = float(chosen["value"])
        return -value if chosen["higher_is_better"] else value

    def _report(self, study: Any) -> dict[str, Any]:
        trials = [_facts(trial) for trial in study.trials if _is_settled(trial)]
        scored = [trial for trial in trials if trial["score"] is not None and not math.isnan(trial["score"])]
        if not scored:
            raise TrainingError("no trial came to a score", hint=f"look at the runs in {self.folder}")
        chosen = study.user_attrs["chosen_by"]
        sign = -1 if chosen["higher_is_better"] else 1
        trials.sort(key=lambda trial: math.inf if trial["score"] is None else sign * trial["score"])
        best = min(scored, key=lambda trial: sign * trial["score"])
        point_link(self.folder / "best", best["run"])
        what = {"split": chosen["split"], "metric": chosen["metric"]}
        result = {"command": "finetune", "search": what, "trials": trials, "best": best, "out": str(self.folder)}
        write_file(self.folder / "trials.json", json.dumps(result, indent=1) + "\n")
        for line in _table(trials, self.spaces, what).text().splitlines():
            self.talk.say(line)
        self.talk.say(f"best: {self.folder / best['run']}, also as {self.folder / 'best'}")
        return result


def _suggest(trial: Any, space: Space) -> str:
    """The value of a key in this trial, as YAML."""
    if not space.is_range:
        return str(trial.suggest_categorical(space.key, list(space.choices)))
    if space.whole:
        return str(trial.suggest_int(space.key, int(space.low), int(space.high)))
    return f"{trial.suggest_float(space.key, space.low, space.high, log=space.low > 0):.3g}"


def _is_settled(trial: Any) -> bool:
    """Whether a trial has a score, or failed for a reason that another try would not change."""
    return trial.state.name == "COMPLETE" or "failure" in trial.user_attrs


def _facts(trial: Any) -> dict[str, Any]:
    result = trial.user_attrs.get("result", {})
    return {
        "run": trial.user_attrs["folder"],
        "values": trial.user_attrs["values"],
        "score": result.get("value"),
        "best_step": result.get("best_step"),
        "scores": result.get("scores"),
        "problem": trial.user_attrs.get("failure") or ("collapsed" if trial.user_attrs.get("collapse") else None),
    }


def _table(trials: Sequence[Mapping[str, Any]], spaces: Sequence[Space], what: Mapping[str, str]) -> Table:
    columns = ["run", *(space.key for space in spaces), f"{what['split']} {what['metric']}", "best step", "problem"]
    rows = []
    for trial in trials:
        values = [trial["values"][space.key] for space in spaces]
        score = "-" if trial["score"] is None else f"{trial['score']:.4f}"
        step = "-" if trial["best_step"] is None else str(trial["best_step"])
        rows.append([trial["run"], *values, score, step, trial["problem"] or ""])
    return Table(columns, rows, numeric=frozenset({len(spaces) + 1, len(spaces) + 2}))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError(
            "--search needs optuna, which is not installed", hint="pip install 'albert-cli[search]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
