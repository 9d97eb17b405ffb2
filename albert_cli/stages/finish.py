"""What a training run leaves behind: the model, its card, and one result."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from albert_cli.files.atomic import new_directory
from albert_cli.files.limits import require_free_space
from albert_cli.recipe.schema import FinetuneRecipe, Recipe
from albert_cli.report.card import CardFacts, Score, model_card
from albert_cli.report.run_dir import RunDir
from albert_cli.stages.assemble import Assembled
from albert_cli.stages.session import Session
from albert_cli.stages.training_run import Trained, Work
from albert_cli.training.checkpoint import on_main_process


def finish_run(
    session: Session,
    work: Work,
    assembled: Assembled,
    trained: Trained,
    *,
    scores: Sequence[Score],
    data: Mapping[str, Any],
    result: Mapping[str, Any],
    explained: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write ``model/``, ``README.md`` and ``result.json``.

    Args:
        session: of the run.
        work: what was trained; its model holds the best weights.
        assembled: where the weights came from.
        trained: how it went.
        scores: of the best weights.
        data: facts about the data for the card.
        result: what the command reports besides step, time and place.
        explained: what else the report of the run shows: breakdowns, mistakes.

    Returns:
        The command's result, ready for JSON.
    """
    course = trained.course
    summary = {
        "command": session.loaded.recipe.stage,
        "run": str(session.run.path),
        "model": str(session.run.model_path),
        "steps": course.step,
        "best_step": course.best_step,
        "seconds": round(trained.seconds, 1),
        **({"resumed_with_changes": course.changes} if course.changes else {}),
        **result,
    }
    on_main_process(session.accelerator, lambda: _write(session, work, assembled, trained, scores, data))
    session.run.write_result({**summary, **(explained or {})})
    for line in where_everything_is(session.run, recipe=session.loaded.recipe):
        session.talk.say(line)
    return summary


def where_everything_is(run: RunDir, *, recipe: Recipe) -> list[str]:
    """The last lines of a run: its model, its report, its predictions, and what to type next."""
    shown = shlex.quote(str(run.path))
    lines = [f"model: {run.model_path}", f"report: {run.report_path}"]
    predictions = run.path / "predictions"
    if predictions.is_dir() and any(predictions.iterdir()):
        lines.append(f"predictions: {predictions}")
    if isinstance(recipe, FinetuneRecipe):
        return [*lines, f"next: albert predict {shown} FILE, albert runs show {shown}, or albert serve --model {shown}"]
    mask = "The text says [MASK]."
    return [
        *lines,
        f'next: albert run --task fill-mask --model {shown} "{mask}", or albert finetune RECIPE --set model={shown}',
    ]


def _write(
    session: Session,
    work: Work,
    assembled: Assembled,
    trained: Trained,
    scores: Sequence[Score],
    data: Mapping[str, Any],
) -> None:
    size = sum(weight.numel() * weight.element_size() for weight in work.model.parameters())
    require_free_space(session.run.path, size * 11 // 10 + 2**22, what="the model")  # the tokenizer too
    with new_directory(session.run.model_path) as folder:
        work.model.save_pretrained(folder)
        work.tokenizer.save_pretrained(folder)
    recipe = session.loaded.recipe
    training = {
        "recipe": session.loaded.name,
        "steps": trained.course.step,
        "best step": trained.course.best_step,
        **({"best by": work.rule} if work.rule is not None else {}),
        "effective batch": work.plan.effective_batch,
        "learning rate": work.plan.learning_rate,
        "seed": session.loaded.seed,
        **({"not one run": " · ".join(trained.course.changes)} if trained.course.changes else {}),
    }
    session.run.write_card(
        model_card(
            CardFacts(
                name=session.run.path.name,
                stage=recipe.stage,
                task=getattr(recipe, "task", None),
                base_model=assembled.start,
                data=data,
                training=training,
                scores=scores,
                environment=session.run.environment(),
            )
        )
    )
