"""`albert pretrain`: raw text in, model out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.data.held_out import split_documents
from albert_cli.data.pretraining import PretrainingSource, held_out_batches
from albert_cli.data.shards import Shards
from albert_cli.models.heads import AlbertForMaskedLM, AlbertForPreTraining
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import PretrainRecipe
from albert_cli.report.card import Score
from albert_cli.report.console import Talk, result_json
from albert_cli.stages.assemble import Assembled
from albert_cli.stages.corpus_source import token_shards
from albert_cli.stages.example_law import example_law
from albert_cli.stages.finish import finish_run
from albert_cli.stages.follow import Measured, Window
from albert_cli.stages.optimisation import TrainPlan, micro_batches, plan_training
from albert_cli.stages.plan_report import say_plan
from albert_cli.stages.session import Session, open_session, start_processes
from albert_cli.stages.start import build_start
from albert_cli.stages.tokenizers import load_tokenizer
from albert_cli.stages.training_run import Work, run_training
from albert_cli.tokenization.tokenizer import AlbertTokenizer
from albert_cli.training.evaluation import Evaluation, evaluate
from albert_cli.training.objectives import PretrainingObjective

# Examples that a held-out measurement looks at, so that it stays short beside the training.
_HELD_OUT_EXAMPLES = 4096
_HELD_OUT_BATCH = 64


@dataclass(frozen=True)
class PretrainingData:
    """The text of a run, cut into what is trained on and what is measured on.

    Attributes:
        shards: token ids.
        source: training batches of this process.
        held_out: batches to measure on; empty when nothing is held out.
        unigram: (V,) log-probability of each piece in the training text, one added to each count.
    """

    shards: Shards
    source: PretrainingSource
    held_out: list[PackedBatch]
    unigram: torch.Tensor


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
        shards = token_shards(recipe.data, tokenizer, talk)
    world = recipe.runtime.nproc if options.dry_run else accelerator.num_processes
    rank = accelerator.process_index
    on_gpu = accelerator.device.type == "cuda"
    plan, data = _prepare(recipe, shards, tokenizer, world_size=world, rank=rank, on_gpu=on_gpu)
    say_plan(talk, assembled, plan, recipe.train, world_size=world, examples=_epoch_size(data))
    if options.dry_run:
        return {"command": "pretrain", "dry_run": True, "max_steps": plan.max_steps}
    with open_session(loaded, options, talk=talk, accelerator=accelerator) as session:
        return _train(session, recipe, assembled, tokenizer, plan, data)


def _prepare(
    recipe: PretrainRecipe, shards: Shards, tokenizer: AlbertTokenizer, *, world_size: int, rank: int, on_gpu: bool
) -> tuple[TrainPlan, PretrainingData]:
    law = example_law(recipe, tokenizer)
    train, kept = split_documents(shards, held_out=recipe.data.held_out, seed=recipe.seed)
    batch_size, accumulate = micro_batches(recipe.train, world_size=world_size, on_gpu=on_gpu)
    batches = {"batch_size": batch_size, "accumulate": accumulate}
    first = PretrainingSource(shards, train, law=law, max_steps=1, rank=rank, world_size=world_size, **batches)
    plan = plan_training(recipe.train, epoch_size=len(first.plan(0)), world_size=world_size, on_gpu=on_gpu)
    source = PretrainingSource(
        shards, train, law=law, max_steps=plan.max_steps, rank=rank, world_size=world_size, **batches
    )
    counts = shards.piece_counts(train) + 1.0
    unigram = torch.from_numpy(np.log(counts / counts.sum())).float()
    held_out = held_out_batches(
        shards, kept, law=law, batch_size=min(batch_size, _HELD_OUT_BATCH), limit=_HELD_OUT_EXAMPLES
    )
    return plan, PretrainingData(shards, source, held_out, unigram)


def _epoch_size(data: PretrainingData) -> int:
    return len(data.source.plan(0))


def _train(
    session: Session,
    recipe: PretrainRecipe,
    assembled: Assembled,
    tokenizer: AlbertTokenizer,
    plan: TrainPlan,
    data: PretrainingData,
) -> dict[str, Any]:
    objective = PretrainingObjective(sentence_order=recipe.objective.sentence != "none", unigram_log_probs=data.unigram)

    def measure_held_out(_step: int) -> Evaluation:
        return evaluate(
            assembled.model,
            objective,
            batches=data.held_out,
            accelerator=session.accelerator,
            stop=session.stop,
        )

    work = Work(
        model=assembled.model,
        tokenizer=tokenizer,
        objective=objective,
        source=data.source,
        plan=plan,
        data_fingerprint=data.shards.manifest.key,
        evaluate=measure_held_out if data.held_out else None,
        measure=_measured,
        higher_is_better=False,
        train_line=_train_line,
    )
    trained = run_training(session, recipe, work)
    final = _measured(measure_held_out(trained.course.step)).lines["held_out"] if data.held_out else {}
    manifest = data.shards.manifest
    return finish_run(
        session,
        work,
        assembled,
        trained,
        scores=[Score(name, value, "held_out") for name, value in final.items() if "accuracy" in name],
        data={
            "documents": manifest.documents,
            "sentences": manifest.sentences,
            "tokens": manifest.tokens,
            "unknown pieces": f"{manifest.unknown_rate:.4%}",
        },
        result={
            "held_out": dict(final),
            "data": {"documents": manifest.documents, "sentences": manifest.sentences, "tokens": manifest.tokens},
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


def _measured(evaluation: Evaluation) -> Measured:
    counts = {f"{name}_count": value for name, value in evaluation.counts.items()}
    values = pretraining_values(evaluation.losses, {**evaluation.metrics, **counts})
    return Measured({"held_out": values}, score=values["loss"])
