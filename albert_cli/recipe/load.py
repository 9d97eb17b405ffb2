"""From a recipe's name to checked, resolved values, with the place where each was said.

Order, lowest first: the schema's defaults, the chain of `extends`, the file, options and ``--set``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from albert_cli.errors import RecipeError, UsageError
from albert_cli.recipe.findings import defaults_of, findings
from albert_cli.recipe.laws import broken_laws, missing_inputs
from albert_cli.recipe.layers import Layer, Merged, Origin, command_line_layer, file_layer
from albert_cli.recipe.problems import Path as KeyPath
from albert_cli.recipe.problems import Problem, did_you_mean, dotted, in_order, nearest
from albert_cli.recipe.schema import RECIPES, Recipe
from albert_cli.recipe.sections import ModelFields, Runtime
from albert_cli.recipe.shipped import find_parent, find_recipe, short_name, shown_path
from albert_cli.recipe.yaml_strict import read_yaml


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe that says only what it may say.

    Args:
        recipe: the checked values.
        origins: by dotted key, where the value was said: ``default``, ``file:line``, ``--set``, ``--seed``, ...
        path: the file; None for a recipe made of options alone.
        raw: the merged values as they were said, without defaults.
        name: short name, for the run directory.
        needs: keys that a run needs and the recipe leaves to its user; empty unless they were allowed to be open.
    """

    recipe: Recipe
    origins: dict[str, str]
    path: Path | None
    raw: dict[str, Any] = field(repr=False)
    name: str = "recipe"
    needs: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """What everything random follows from; 0 where nothing is random (a conversion)."""
        return getattr(self.recipe, "seed", 0)

    @property
    def processes(self) -> int:
        """Processes that the run wants on this machine."""
        runtime = getattr(self.recipe, "runtime", None)
        return runtime.nproc if isinstance(runtime, Runtime) else 1


def load_recipe(
    name: str | Path,
    *,
    overrides: Sequence[str] = (),
    shortcuts: Mapping[str, Any] | None = None,
    stage: str | None = None,
    inputs_may_be_open: bool = False,
) -> LoadedRecipe:
    """Load a recipe file, a shipped recipe or a run directory's recipe.

    Args:
        name: file, name of a shipped recipe, or run directory.
        overrides: ``key.path=value`` texts (``--set``); the values are read as YAML.
        shortcuts: values by dotted key that have options of their own (``--seed``); None values are ignored.
        stage: the stage that the recipe must be for; None takes any.
        inputs_may_be_open: accept a recipe that leaves its data or tokenizer to whoever runs it.

    Raises:
        UsageError: there is no such recipe, or it is for another stage.
        RecipeError: the recipe or the options say something wrong; it lists every problem.
    """
    path = find_recipe(str(name))
    problems: list[Problem] = []
    layers = _file_layers(path, problems)
    merged = _merge_all(layers, overrides, shortcuts or {}, problems)
    if not problems and stage is not None and merged.values.get("stage", stage) in RECIPES.keys() - {stage}:
        raise _other_stage(str(name), merged.values["stage"], stage)
    recipe, needs = _check(merged, problems, inputs_may_be_open)
    return LoadedRecipe(recipe, merged.leaf_origins(), path, merged.said, short_name(path), needs)


def load_values(
    values: Mapping[str, Any],
    *,
    name: str,
    overrides: Sequence[str] = (),
    shortcuts: Mapping[str, Any] | None = None,
) -> LoadedRecipe:
    """Make a recipe of plain values, as `albert train-tokenizer --input` does.

    Args:
        values: nested plain mapping.
        name: short name, for the run directory.
        overrides: as for `load_recipe`.
        shortcuts: as for `load_recipe`.

    Raises:
        RecipeError: the values or the options say something wrong.
    """
    problems: list[Problem] = []
    layers = [Layer(dict(values), lambda _: Origin("command line"))]
    merged = _merge_all(layers, overrides, shortcuts or {}, problems)
    recipe, _ = _check(merged, problems, False)
    return LoadedRecipe(recipe, merged.leaf_origins(), None, merged.said, name)


def _file_layers(path: Path, problems: list[Problem]) -> list[Layer]:
    """Read a file and the chain of its parents, parents first."""
    layers: list[Layer] = []
    seen: list[Path] = []
    while True:
        seen.append(path.resolve())
        source = shown_path(path)
        layer, extends = _read_file(path, source, problems)
        if layer is not None:
            layers.insert(0, layer)
        if extends is None:
            return layers
        parent_name, line = extends
        parent = find_parent(parent_name, path)
        if parent is None:
            problems.append(Problem(f"{source}:{line}", "extends", f"no recipe {parent_name!r} here or shipped", line))
            return layers
        if parent.resolve() in seen:
            problems.append(
                Problem(f"{source}:{line}", "extends", f"a circle: {parent_name!r} extends this file", line)
            )
            return layers
        path = parent


def _read_file(path: Path, source: str, problems: list[Problem]) -> tuple[Layer | None, tuple[str, int] | None]:
    try:
        content = path.read_bytes()
    except OSError as error:
        problems.append(Problem(source, "", f"cannot be read: {error.strerror}"))
        return None, None
    document = read_yaml(content, source=source)
    problems += document.problems
    if not isinstance(document.value, dict):
        if not document.problems:
            line = document.lines.get((), 1)
            problems.append(Problem(f"{source}:{line}", "", "must be a mapping of keys, with `stage` among them", line))
        return None, None
    line = document.lines.get(("extends",), 1)
    extends = document.value.pop("extends", None)
    if extends is not None and (not isinstance(extends, str) or not extends):
        problems.append(Problem(f"{source}:{line}", "extends", "must be the name or the file of one recipe", line))
        extends = None
    return file_layer(document, source), (extends, line) if extends else None


@dataclass
class _All(Merged):
    said: dict[str, Any] = field(default_factory=dict)


def _merge_all(
    layers: Sequence[Layer], overrides: Sequence[str], shortcuts: Mapping[str, Any], problems: list[Problem]
) -> _All:
    merged = _All()
    for layer in layers:
        merged.add(layer)
    said = command_line_layer(overrides, shortcuts, problems=problems)
    problems += _parts_of_names(merged.values, said.values, overrides)
    merged.add(said)
    merged.said = _copy(merged.values)
    return merged


def _parts_of_names(below: Mapping[str, Any], said: Mapping[str, Any], overrides: Sequence[str]) -> Iterator[Problem]:
    """`--set model.hidden_size=64` where the recipe says `model: base`: the rest of base would silently be gone."""
    for key, value in said.items():
        name = below.get(key)
        parts = sorted({text.partition("=")[0] for text in overrides if text.startswith(f"{key}.")})
        is_whole = any(text.startswith(f"{key}=") for text in overrides)
        if isinstance(name, str) and name and isinstance(value, Mapping) and parts and not is_whole:
            yield Problem(
                "--set",
                parts[0],
                f"{key} is the name {name!r} and has no parts to change; say all of it: --set '{key}={{...}}'",
            )


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _other_stage(name: str, found: str, wanted: str) -> UsageError:
    return UsageError(f"{name} is a recipe for {found}, not for {wanted}", hint=f"albert {found} {name}")


def _check(merged: _All, problems: list[Problem], inputs_may_be_open: bool) -> tuple[Recipe, tuple[str, ...]]:
    found_stage = merged.values.get("stage")
    schema = RECIPES.get(found_stage) if isinstance(found_stage, str) else None
    if schema is None:
        if merged.values or not problems:
            problems.append(_stage_problem(merged))
        raise _error(problems)
    train = merged.values.get("train")
    if isinstance(train, dict) and train.get("batch_tokens") is not None:
        merged.fill({"train": {"batch_size": None}})  # the one of the two that nobody said
    merged.fill(defaults_of(schema))
    if isinstance(merged.values.get("model"), dict):
        merged.fill({"model": defaults_of(ModelFields)})
    open_inputs = list(missing_inputs(merged.values))
    found: list[tuple[KeyPath, str]] = list(broken_laws(merged.values))
    if not inputs_may_be_open:
        found += open_inputs
    recipe: Recipe | None = None
    try:
        recipe = schema.model_validate(merged.values)
    except ValidationError as error:
        found += findings(error, schema)
    taken = {problem.where for problem in problems}
    located = (Problem(o.where, dotted(path), text, o.rank) for path, text in found for o in [merged.origin(path)])
    # A line that YAML could not read right has its problem already.
    problems += [problem for problem in located if problem.where not in taken or problem.where.startswith("--")]
    needs = tuple(dotted(path) for path, _ in open_inputs)
    if problems or recipe is None:
        raise _error(problems, needs)
    return recipe, needs


def _stage_problem(merged: _All) -> Problem:
    choices = ", ".join(RECIPES)
    if "stage" not in merged.values:
        origin = merged.origin(())
        near = nearest("stage", merged.values, count=1)
        misspelt = f"; is {near[0]!r} misspelt?" if near else ""
        return Problem(origin.where, "stage", f"is required, one of {choices}{misspelt}", origin.rank)
    origin, value = merged.origin(("stage",)), merged.values["stage"]
    meant = did_you_mean(value, RECIPES) if isinstance(value, str) else ""
    return Problem(origin.where, "stage", f"must be one of {choices}, found {value!r}{meant}", origin.rank)


def _error(problems: Sequence[Problem], needs: Sequence[str] = ()) -> RecipeError:
    if problems and all(problem.key in needs for problem in problems):
        return RecipeError(in_order(problems), hint="add " + " ".join(f"--set {key}=..." for key in needs))
    if all(problem.where.startswith("--") for problem in problems):
        return RecipeError(in_order(problems), hint="correct the options; docs/reference/recipe.md has every key")
    hint = "correct the line" + ("s" if len(problems) > 1 else "") + "; docs/reference/recipe.md has every key"
    return RecipeError(in_order(problems), hint=hint)
