"""What follows when a run has collapsed: begin anew from another seed, warn, or fail.

All attempts share the run directory. `attempts.json` says which were given up and why, and its last seed is the one at
work, so that an interrupted run goes on with the attempt it was in. Curves of an attempt that was given up stay as
metrics-attempt-1.jsonl and so on; its checkpoints go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from albert_cli.errors import TrainingError
from albert_cli.files.atomic import remove_directory, write_file
from albert_cli.recipe.schema import FinetuneRecipe
from albert_cli.stages.collapse import REMEDY
from albert_cli.stages.follow import Course
from albert_cli.stages.session import Session
from albert_cli.training.checkpoint import list_checkpoints, on_main_process

_FILE = "attempts.json"
_RESTART = 0x616E6577  # tells these seeds from all others that follow from the recipe's


def seed_of_attempt(seed: int, number: int) -> int:
    """Seed of an attempt: the recipe's for the first (0), then others that follow from it."""
    if number == 0:
        return seed
    return int(np.random.SeedSequence([seed, _RESTART, number]).generate_state(1)[0])


class Attempts:
    """The attempts of a run.

    Args:
        session: its run directory may hold attempts that an interrupted run gave up.
        recipe: as the user said it.
    """

    def __init__(self, session: Session, recipe: FinetuneRecipe) -> None:
        self.session = session
        self.asked = recipe
        path = session.run.path / _FILE
        self.given_up: list[Mapping[str, Any]] = []
        if session.options.resume and path.exists():
            self.given_up = json.loads(path.read_text(encoding="utf-8"))["given_up"]
            on_main_process(session.accelerator, self._clear_old)
        self._set_seed()

    @property
    def recipe(self) -> FinetuneRecipe:
        """The recipe with the seed of the attempt at work."""
        return self.asked.model_copy(update={"seed": seed_of_attempt(self.asked.seed, len(self.given_up))})

    @property
    def may_begin_anew(self) -> bool:
        """Whether another attempt is left."""
        return len(self.given_up) < self.asked.train.restarts and self.session.ended is None

    def begin_anew(self, course: Course) -> bool:
        """Decide what a finished attempt is worth; call it on all processes.

        Args:
            course: how the attempt went.

        Returns:
            Whether to train again, with the new seed of ``recipe``.

        Raises:
            TrainingError: collapsed, no attempt left, and the recipe wants that to be a failure.
        """
        if not course.collapsed:
            return False
        talk, tried = self.session.talk, len(self.given_up) + 1
        if self.may_begin_anew:
            self.given_up = [*self.given_up, {"seed": self.recipe.seed, "collapse": course.collapse}]
            on_main_process(self.session.accelerator, self._give_up)
            self._set_seed()
            talk.warn(f"collapsed: {course.collapse}; beginning anew with seed {self.recipe.seed}")
            return True
        times = f" in all {tried} attempts" if tried > 1 else ""
        if self.asked.train.collapse == "fail":
            raise TrainingError(f"the model collapsed{times}: {course.collapse}", hint=REMEDY)
        talk.warn(f"collapsed{times}: {course.collapse}; {REMEDY}")
        return False

    def _set_seed(self) -> None:
        self.session.loaded = replace(self.session.loaded, recipe=self.recipe)

    def _give_up(self) -> None:
        run = self.session.run
        facts = {"given_up": self.given_up, "seed": self.recipe.seed}
        write_file(run.path / _FILE, (json.dumps(facts, indent=1) + "\n").encode())
        if run.metrics.path.exists():
            run.metrics.path.rename(run.path / f"metrics-attempt-{len(self.given_up)}.jsonl")
        self._remove_checkpoints()

    def _clear_old(self) -> None:
        """Finish giving up where a run was killed in the middle of it: checkpoints of another seed must go."""
        seeds = set()
        for path in list_checkpoints(self.session.run.checkpoints_path):
            try:
                seeds.add(json.loads((path / "state.json").read_text(encoding="utf-8"))["seed"])
            except (OSError, ValueError, KeyError):
                continue  # damaged; the run finds out by itself
        if seeds - {self.recipe.seed}:
            self._remove_checkpoints()

    def _remove_checkpoints(self) -> None:
        folder = self.session.run.checkpoints_path
        for name in ("last", "best"):
            (folder / name).unlink(missing_ok=True)
        for path in list_checkpoints(folder):
            remove_directory(path)
