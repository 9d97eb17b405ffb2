"""A search over settings: what is tried, what is kept, how it goes on."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from albert_cli.errors import Interrupted, RecipeError, TrainingError, UsageError
from albert_cli.recipe.load import LoadedRecipe, load_values
from albert_cli.recipe.requests import RunOptions
from albert_cli.stages import search
from albert_cli.stages.search import Space, read_space

RECIPE = {
    "stage": "finetune",
    "task": "sst2",
    "model": "albert-base-v2",
    "data": {"path": "rows"},
    "train": {"learning_rate": 1e-3, "max_steps": 10},
}
GRID = ["learning_rate=1e-5,2e-5,3e-5", "batch_size=8,16"]


class Runs:
    """Stands in for training: scores by a formula, fails and stops where it is told to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.made: list[tuple[str, float, int, bool]] = []
        self.stop_at: int | None = None
        self.higher_is_better = True
        monkeypatch.setattr(search, "execute", self.execute)

    def execute(self, loaded: LoadedRecipe, options: RunOptions, _talk: Any) -> dict[str, Any]:
        train = loaded.recipe.train  # type: ignore[union-attr]
        out = Path(str(loaded.recipe.out))
        self.made.append((out.name, train.learning_rate, train.batch_size, options.resume))  # type: ignore[arg-type]
        out.mkdir(exist_ok=True)
        if self.stop_at == len(self.made):
            raise Interrupted(signal.SIGTERM, "stopped")
        if train.learning_rate == 3e-5:
            raise TrainingError("the loss is not finite")
        value = train.learning_rate * 1e4 + train.batch_size / 100  # type: ignore[operator]
        chosen = {"split": "dev", "metric": "accuracy", "value": value, "higher_is_better": self.higher_is_better}
        return {"chosen_by": chosen, "scores": {"dev": {"accuracy": value}}, "best_step": 4, "collapse": None}

    def search(self, *words: str, resume: bool = False, trials: int | None = None, **shortcuts: Any) -> dict[str, Any]:
        said = {"out": str(self.folder), **shortcuts}

        def reload(more: Sequence[str] = ()) -> LoadedRecipe:
            return load_values(RECIPE, name="test", overrides=list(more), shortcuts=said)

        options = RunOptions(quiet=True, resume=resume)
        assert search.run(reload(), options, search=words, trials=trials, reload=reload) == 0
        return json.loads((self.folder / "trials.json").read_text())


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(tmp_path / "out", monkeypatch)


def test_a_grid_is_tried_point_by_point_and_the_best_on_dev_wins(runs: Runs) -> None:
    result = runs.search(*GRID)
    assert sorted((rate, batch) for _, rate, batch, _ in runs.made) == [
        (rate, batch) for rate in (1e-5, 2e-5, 3e-5) for batch in (8, 16)
    ]
    assert result["best"]["values"] == {"train.learning_rate": "2e-5", "train.batch_size": "16"}
    assert result["search"] == {"split": "dev", "metric": "accuracy"}
    assert (runs.folder / "best").resolve() == (runs.folder / result["best"]["run"]).resolve()
    scores = [trial["score"] for trial in result["trials"]]
    assert scores[:4] == sorted(scores[:4], reverse=True)
    assert [trial["problem"] for trial in result["trials"][4:]] == ["the loss is not finite"] * 2


def test_of_errors_the_smallest_wins(runs: Runs) -> None:
    runs.higher_is_better = False
    assert runs.search(*GRID)["best"]["values"] == {"train.learning_rate": "1e-5", "train.batch_size": "8"}


def test_fewer_trials_than_points_take_some_and_more_can_follow(runs: Runs) -> None:
    runs.search(*GRID, trials=2)
    assert len(runs.made) == 2
    assert len(runs.search(*GRID, trials=100, resume=True)["trials"]) == 6
    assert len({(rate, batch) for _, rate, batch, _ in runs.made}) == len(runs.made) == 6


def test_an_interrupted_trial_goes_on_in_its_folder(runs: Runs) -> None:
    runs.stop_at = 3
    with pytest.raises(Interrupted):
        runs.search(*GRID)
    runs.stop_at = None
    result = runs.search(*GRID, resume=True)
    stopped, again = runs.made[2], runs.made[3]
    assert again == (*stopped[:3], True)
    assert len(result["trials"]) == 6
    assert len({trial["run"] for trial in result["trials"]}) == 6
    assert len(runs.made) == 7
    runs.search(*GRID, resume=True)  # nothing is left to do
    assert len(runs.made) == 7


def test_a_range_is_drawn_from_and_resuming_does_not_draw_the_same_again(runs: Runs) -> None:
    words = ["learning_rate=1e-5..2e-5", "batch_size=4..64"]
    runs.search(*words, trials=4)
    runs.search(*words, trials=8, resume=True)
    rates = [rate for _, rate, _, _ in runs.made]
    assert len(set(rates)) == 8
    assert all(1e-5 <= rate <= 2e-5 for rate in rates)
    assert all(4 <= batch <= 64 for _, _, batch, _ in runs.made)


def test_all_trials_failing_is_a_failure(runs: Runs) -> None:
    with pytest.raises(TrainingError, match="no trial"):
        runs.search("learning_rate=3e-5")


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        (["learning_rte=1,2"], {}, "is not KEY=VALUE"),
        (["learning_rate"], {}, "is not KEY=VALUE"),
        (["batch_size=8,8"], {}, "one twice"),
        (["learning_rate=2e-5..1e-5"], {}, "not a range"),
        (["learning_rate=1e-5..2e-5"], {}, "needs --trials"),
        (["batch_size=8", "train.batch_size=16"], {}, "names a key twice"),
        (["batch_size=8,16"], {"runtime.nproc": 2}, "one process"),
        (["batch_size=8,16"], {"out": None}, "needs --out"),
    ],
)
def test_what_cannot_be_searched_is_refused(words: list[str], options: dict[str, Any], said: str, runs: Runs) -> None:
    with pytest.raises(UsageError, match=said):
        runs.search(*words, **options)
    assert runs.made == []


def test_a_value_that_the_recipe_cannot_take_is_found_before_training(runs: Runs) -> None:
    with pytest.raises(RecipeError, match=r"train\.batch_size must be a whole number or auto"):
        runs.search("batch_size=8,many")
    assert runs.made == []


def test_a_folder_in_use_is_not_written_over(runs: Runs) -> None:
    runs.search(*GRID)
    with pytest.raises(UsageError, match="already holds files"):
        runs.search(*GRID)
    with pytest.raises(UsageError, match="other values"):
        runs.search("learning_rate=1e-5,2e-5", resume=True)


def test_spaces_are_read() -> None:
    known = ["train.learning_rate", "train.batch_size", "seed", "data.max_length"]
    assert read_space("learning_rate=1e-5, 2e-5", known) == Space("train.learning_rate", ("1e-5", "2e-5"))
    assert read_space("data.max_length=64,128", known) == Space("data.max_length", ("64", "128"))
    assert read_space("batch_size=8..64", known) == Space("train.batch_size", low=8, high=64, whole=True)
    assert read_space("learning_rate=1e-5..3e-5", known) == Space("train.learning_rate", low=1e-5, high=3e-5)
