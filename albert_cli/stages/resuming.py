"""May a run go on as it was? What must be the same, what may differ, and what is said of it.

Three things are compared: the recipe with the one in the run directory, and data, tokenizer and versions with what the
checkpoint kept. A difference that changes the numbers is shown and refused; `--resume-anyway` goes on with it, and the
run says from then on, in its result, that it is not the one that was started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import albert_cli
from albert_cli.errors import CheckpointError
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.render import differences, one_line
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe
from albert_cli.training.checkpoint import TrainState

# What may differ when a run is continued: nothing here changes the numbers that come out.
FREE_ON_RESUME = (
    "out",
    "description",
    "trackers",
    "metrics",
    "runtime.workers",
    "runtime.recompute",
    "runtime.timeout",
    "train.log_every",
    "train.keep",
    "train.max_hours",
    "data.cache",
    "data.workers",
)
# How a step is divided; free as long as the examples of each step are the same. `division` is what decides that.
_DIVIDES = ("runtime.nproc", "train.batch_size", "train.accumulate", "train.effective_batch")


@dataclass(frozen=True)
class RecipeChanges:
    """How a recipe differs from the one that a run was started with, in the words of a diff.

    Attributes:
        other: keys that change the numbers.
        divided: keys that only divide a step otherwise, if its examples stay.
    """

    other: Sequence[str] = ()
    divided: Sequence[str] = ()


def recipe_changes(before: LoadedRecipe, now: LoadedRecipe) -> RecipeChanges:
    """Compare recipes, key by key, leaving out those that change no number."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for key, old, new in differences(before, now):
        if key not in FREE_ON_RESUME:
            found[key in _DIVIDES].append(f"{key}: {one_line(old)} -> {one_line(new)}")
    return RecipeChanges(found[False], found[True])


def check_recipe(changes: RecipeChanges, *, run: Path, stage: str, anyway: bool) -> None:
    """Refuse another recipe, unless it was asked for.

    Raises:
        CheckpointError: it differs in what changes the numbers.
    """
    if changes.other and not anyway:
        raise CheckpointError(
            f"the recipe is not the one this run was started with ({run / 'recipe.yaml'}): " + "; ".join(changes.other),
            hint=f"resume with its own recipe: albert {stage} {run} --resume --out {run}; or --resume-anyway",
        )


def versions() -> dict[str, str]:
    """Software that decides about the numbers, by name."""
    return {"albert": albert_cli.__version__, "torch": str(torch.__version__), "numpy": np.__version__}


def division(recipe: PretrainRecipe | FinetuneRecipe, *, effective_batch: int, accumulate: int, world: int) -> str:
    """What decides which examples a step sees, in words."""
    if isinstance(recipe, FinetuneRecipe) and recipe.train.batch_tokens is not None:
        return f"{accumulate * world} micro-batches of {recipe.train.batch_tokens} tokens"
    return f"{effective_batch} examples"


@dataclass(frozen=True)
class Identity:
    """What a run must have in common with the one that is resumed, apart from the recipe.

    Attributes:
        data: digests by what they are of (`training data`, `dev data`).
        tokenizer: its fingerprint.
        versions: of the software.
        step_holds: of `division`.
        processes: how many there are.
        places: where things are, for messages: by the names of ``data``, and ``tokenizer``.
    """

    data: Mapping[str, str]
    tokenizer: str
    versions: Mapping[str, str]
    step_holds: str
    processes: int
    places: Mapping[str, str]

    def kept(self) -> dict[str, Any]:
        """For a checkpoint; JSON values."""
        return {
            "data": dict(self.data),
            "tokenizer": self.tokenizer,
            "step_holds": self.step_holds,
            "processes": self.processes,
        }

    def changes(self, state: TrainState, divided: Sequence[str]) -> list[str]:
        """How the run of a checkpoint differs, in the words of a diff; what older checkpoints do not know is passed.

        Args:
            state: of the checkpoint.
            divided: keys of the recipe that divide a step otherwise.
        """
        kept: Mapping[str, Any] = state.extra.get("identity", {})
        found = []
        if kept.get("tokenizer", self.tokenizer) != self.tokenizer:
            found.append(f"{self._named('tokenizer')} is not the one this run was started with")
        before = {"training data": state.data_fingerprint, **kept.get("data", {})}
        for name, digest in self.data.items():
            if before.get(name, digest) != digest:
                found.append(f"{self._named(name)} are not those this run was started with")
        for name, version in self.versions.items():
            if state.versions.get(name, version) != version:
                found.append(f"{name} {state.versions[name]} -> {version}")
        if "step_holds" not in kept:
            found += divided
        elif kept["step_holds"] != self.step_holds:
            found.append(
                f"a step of {kept['step_holds']} -> {self.step_holds}" + "".join(f", {key}" for key in divided)
            )
        return found

    def other_processes(self, state: TrainState) -> str | None:
        """What to say where the number of processes is another; None where it is not."""
        before = state.extra.get("identity", {}).get("processes", self.processes)
        if before == self.processes:
            return None
        return (
            f"{self.processes} instead of {before} processes: each step sees the same examples in the same order; "
            "dropout and the last digits differ"
        )

    def _named(self, name: str) -> str:
        place = self.places.get(name)
        return f"the {name}" + (f" ({place})" if place else "")


def places_of(recipe: PretrainRecipe | FinetuneRecipe, more: Sequence[str] = ()) -> dict[str, str]:
    """Where a recipe's data and tokenizer are, by the names of `Identity.data`; ``more`` data are of the same place."""
    places = {"tokenizer": str(recipe.tokenizer or recipe.model)} if recipe.tokenizer or recipe.model else {}
    path = getattr(recipe.data, "path", None) or getattr(recipe.data, "dataset", None)
    if path is not None:
        told = ", ".join(map(str, path)) if isinstance(path, list) else str(path)
        places |= dict.fromkeys(("training data", *more), told)
    return places


def refuse(changes: Sequence[str]) -> CheckpointError:
    """The error for a run that has changed."""
    return CheckpointError(
        "; ".join(changes),
        hint="restore what it was, or start anew with another --out; --resume-anyway goes on all the same",
    )


def resumed_anyway(step: int, changes: Sequence[str]) -> str:
    """What is said, and kept, of a run that goes on although it has changed."""
    return f"resumed anyway after step {step}: {'; '.join(changes)}. From there on it is not the run that was started"
