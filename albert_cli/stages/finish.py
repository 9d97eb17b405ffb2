"""What a training run leaves behind: the model, its card, and one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from albert_cli.files.atomic import new_directory
from albert_cli.files.limits import require_free_space
from albert_cli.report.card import CardFacts, Score, model_card
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
    session.talk.say(f"model: {session.run.model_path}")
    return summary


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
