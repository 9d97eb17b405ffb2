"""`albert pretrain`: raw text in, model out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from albert_cli.data.live import LiveSource
from albert_cli.errors import TrainingError
from albert_cli.models.heads import AlbertForMaskedLM, AlbertForPreTraining
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import PretrainRecipe
from albert_cli.report.card import Score
from albert_cli.report.console import Talk, result_json
from albert_cli.stages.assemble import Assembled
from albert_cli.stages.finish import finish_run
from albert_cli.stages.follow import Measured, Window
from albert_cli.stages.optimisation import TrainPlan, micro_batches, plan_training
from albert_cli.stages.plan_report import say_plan
from albert_cli.stages.pretraining_data import PretrainingData, Team, open_text, pretraining_data
from albert_cli.stages.session import Session, open_session, start_processes
from albert_cli.stages.start import build_start
from albert_cli.stages.suspicions import Collapse, Suspicions, wilson_interval
from albert_cli.stages.tokenizers import load_tokenizer
from albert_cli.stages.training_run import Work, run_training
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.evaluation import Evaluation, evaluate
from albert_cli.training.objectives import PretrainingObjective

# Steps after the warm-up in which new weights may still come down to knowing nothing.
_STEPS_TO_SETTLE = 100


def run(loaded: LoadedRecipe, options: RunOptions) -> int:
    """Pretrain as a recipe says.

    Returns:
        Exit code 0.

    Raises:
        AlbertError: with the exit code that its kind has.
    """
    with Talk(quiet=options.quiet) as talk:
        result = execute(loaded, options, talk)
        if options.json and talk.is_main:
            result_json(result)
    return 0


def execute(loaded: LoadedRecipe, options: RunOptions, talk: Talk) -> dict[str, Any]:
    """Do the work of `run`; the result is what ``--json`` prints."""
    recipe = loaded.recipe
    assert isinstance(recipe, PretrainRecipe)
    accelerator = start_processes(recipe.runtime, talk, dry_run=options.dry_run)
    tokenizer = load_tokenizer(recipe)
    kind = AlbertForMaskedLM if recipe.objective.sentence == "none" else AlbertForPreTraining
    assembled = build_start(recipe, kind, tokenizer=tokenizer)
    with accelerator.local_main_process_first():
        shards = open_text(recipe, tokenizer, talk)
    world = recipe.runtime.nproc if options.dry_run else accelerator.num_processes
    on_gpu = accelerator.device.type == "cuda"
    batch_size, accumulate = micro_batches(recipe.train, world_size=world, on_gpu=on_gpu)
    data = pretraining_data(recipe, tokenizer, shards, Team(batch_size, accumulate, accelerator.process_index, world))
    plan = plan_training(recipe.train, epoch_size=data.epoch_size, world_size=world, on_gpu=on_gpu)
    say_plan(talk, assembled, plan, recipe.train, world_size=world, examples=data.epoch_size)
    for remark in data.remarks:
        talk.say(remark)
    if options.dry_run:
        return {"command": "pretrain", "dry_run": True, "max_steps": plan.max_steps}
    with open_session(loaded, options, talk=talk, accelerator=accelerator) as session:
        return _train(session, recipe, assembled, tokenizer, plan, data)


def _train(
    session: Session,
    recipe: PretrainRecipe,
    assembled: Assembled,
    tokenizer: AlbertTokenizer,
    plan: TrainPlan,
    data: PretrainingData,
) -> dict[str, Any]:
    objective = PretrainingObjective(sentence_order=recipe.objective.sentence != "none", unigram_log_probs=data.unigram)

    suspicions = Suspicions(continued=assembled.start is not None)

    def look(values: Mapping[str, float], pairs: float, step: int) -> None:
        for text in suspicions.about(values, pairs=pairs, step=step, final=step >= plan.max_steps):
            session.talk.warn(f"step {step}: {text}")

    def measure_held_out(step: int) -> Evaluation:
        found = evaluate(
            assembled.model, objective, batches=data.held_out, accelerator=session.accelerator, stop=session.stop
        )
        look(_values(found), found.counts.get("sop", 0.0), step)
        return found

    collapse = Collapse(recipe.train.start_warmup_step + recipe.train.warmup_steps + _STEPS_TO_SETTLE)

    def train_line(window: Window) -> dict[str, float]:
        line, sums, last = _train_line(window), window.read()[1], window.last
        assert last is not None
        pairs = sums.get("sop_count", 0.0)
        if not data.held_out:
            look(line, pairs, last.step)
        sign = collapse.sign(line, masked=sums["mlm_masked"], pairs=pairs, step=last.step)
        if sign is not None:  # from sums over all processes, so all of them end here
            raise _collapsed(sign, line, last.step)
        return line

    source = data.make_source(plan.max_steps)
    work = Work(
        model=assembled.model,
        tokenizer=tokenizer,
        objective=objective,
        source=source,
        plan=plan,
        data_fingerprint=data.fingerprint,
        evaluate=measure_held_out if data.held_out else None,
        measure=_measured,
        higher_is_better=False,
        train_line=train_line,
        evaluate_first=assembled.start is not None and bool(data.held_out),
        position=source.position if isinstance(source, LiveSource) else None,
        seek=source.seek if isinstance(source, LiveSource) else None,
    )
    trained = run_training(session, recipe, work)
    scores = _final_scores(measure_held_out(trained.course.step)) if data.held_out else []
    for score in scores:
        if score.name == "sop_accuracy" and score.low is not None and score.high is not None:
            session.talk.say(
                f"sentence order of {score.num_examples:,} held-out pairs: {score.value:.1%} "
                f"(95 % interval {score.low:.1%} to {score.high:.1%})"
            )
    return finish_run(
        session,
        work,
        assembled,
        trained,
        scores=[score for score in scores if "accuracy" in score.name],
        data=dict(data.facts),
        result={
            "held_out": {score.name: score.value for score in scores},
            "intervals": {score.name: [score.low, score.high] for score in scores if score.low is not None},
            "rollbacks": trained.guard.number,
            "skipped_steps": [[begin, end - 1] for begin, end in trained.guard.skipped],
            "data": {name: value for name, value in data.facts.items() if isinstance(value, int)},
        },
    )


def pretraining_values(losses: dict[str, float], sums: dict[str, float]) -> dict[str, float]:
    """Values of metrics.jsonl from mean losses and summed metrics.

    Args:
        losses: means of ``mlm`` and, with a sentence task, ``sop``.
        sums: metrics of `PretrainingObjective` and the denominators ``mlm_count`` and ``sop_count``.
    """
    values = {"loss": sum(losses.values()), "mlm_loss": losses["mlm"]}
    shown = max(sums["mlm_masked"], 1.0)
    values |= {
        "mlm_accuracy": sums["mlm_correct"] / max(sums["mlm_count"], 1.0),
        "mlm_loss_masked": sums["mlm_masked_loss"] / shown,
        "mlm_accuracy_masked": sums["mlm_masked_correct"] / shown,
        "mlm_loss_unigram": sums["mlm_masked_unigram_loss"] / shown,
        "mlm_accuracy_unigram": sums["mlm_masked_unigram_correct"] / shown,
    }
    if "sop" in losses:
        values |= {"sop_loss": losses["sop"], "sop_accuracy": sums["sop_correct"] / max(sums["sop_count"], 1.0)}
    return values


def _train_line(window: Window) -> dict[str, float]:
    losses, sums = window.read()
    last = window.last
    assert last is not None
    return {
        **pretraining_values(losses, sums),
        "learning_rate": last.learning_rate,
        "gradient_norm": float(last.gradient_norm),
    }


def _collapsed(sign: str, line: Mapping[str, float], step: int) -> TrainingError:
    return TrainingError(
        f"the model has collapsed by step {step}: {sign}; most likely the learning rate is too high "
        f"({line['learning_rate']:.3g} now)",
        hint="lower train.learning_rate (to a tenth, say) or lengthen train.warmup_steps",
    )


def _values(evaluation: Evaluation) -> dict[str, float]:
    counts = {f"{name}_count": value for name, value in evaluation.counts.items()}
    return pretraining_values(evaluation.losses, {**evaluation.metrics, **counts})


def _measured(evaluation: Evaluation) -> Measured:
    values = _values(evaluation)
    return Measured({"held_out": values}, score=values["loss"])


def _final_scores(evaluation: Evaluation) -> list[Score]:
    """Held-out values of the finished model; the order of segments, whose pairs are independent, with its interval."""
    scores = []
    for name, value in _values(evaluation).items():
        pairs = int(evaluation.counts.get("sop", 0)) if name == "sop_accuracy" else 0
        low, high = wilson_interval(value, pairs) if pairs else (None, None)
        scores.append(Score(name, value, "held_out", num_examples=pairs or None, low=low, high=high))
    return scores
