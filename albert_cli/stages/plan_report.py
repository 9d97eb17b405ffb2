"""What is going to happen, said before it happens."""

from __future__ import annotations

from albert_cli.recipe.training import FinetuneTrain, Train
from albert_cli.report.console import Talk
from albert_cli.stages.assemble import Assembled
from albert_cli.stages.optimisation import TrainPlan

# Width from which users of the second release report runs that collapse, and the rate below which they do not.
_FRAGILE_FROM, _SAFE_RATE = 1024, 1e-5


def say_plan(
    talk: Talk, assembled: Assembled, plan: TrainPlan, train: Train, *, world_size: int, examples: int | None
) -> None:
    """Say model, batch, steps and rate; the first lines of every training command."""
    config = assembled.model.config
    start = f"weights of {assembled.start}" if assembled.start else "new weights"
    talk.say(
        f"model: {config.num_hidden_layers} layers x {config.hidden_size}, embeddings {config.embedding_size}, "
        f"{config.vocab_size:,} pieces, {assembled.model.num_parameters():,} parameters, {start}"
    )
    if assembled.new_weights and assembled.start:
        talk.say(f"drawn anew, not taken from {assembled.start}: {', '.join(assembled.new_weights)}")
    for note in assembled.notes:
        talk.say(f"taken over from {assembled.start}: {note}")
    frozen = sum(weight.numel() for weight in assembled.model.parameters() if not weight.requires_grad)
    if frozen:
        talk.say(f"frozen: {', '.join(train.freeze)} ({frozen:,} parameters)")
    cut = f"{plan.accumulate} micro-batches x {world_size} processes"
    if plan.batch_size * plan.accumulate * world_size == plan.effective_batch:
        talk.say(f"batch: {plan.effective_batch} = {plan.batch_size} x {cut}")
    else:
        talk.say(f"batch: up to {plan.batch_size:,} tokens x {cut}, {plan.effective_batch} sequences on average")
    rate = f"{plan.learning_rate:.3g}"
    if train.learning_rate_for_batch not in (None, plan.effective_batch):
        rate += f" ({train.learning_rate:.3g} is for a batch of {train.learning_rate_for_batch:,})"
    passes = (
        "" if examples is None else f" ({plan.max_steps / plan.steps_per_epoch:.2f} passes over {examples:,} examples)"
    )
    talk.say(
        f"steps: {plan.max_steps:,}{passes}, "
        f"{train.optimizer} at {rate} after {train.warmup_steps:,} steps of warm-up, "
        f"{train.schedule} decay"
    )
    if 0 < plan.max_steps <= train.warmup_steps:
        talk.say(
            f"note: every step is one of warm-up, the rate never comes to {plan.learning_rate:.3g}; "
            f"--set train.warmup_steps={plan.max_steps // 10}"
        )
    is_fragile = isinstance(train, FinetuneTrain) and assembled.start and config.hidden_size >= _FRAGILE_FROM
    if is_fragile and plan.learning_rate > _SAFE_RATE:
        talk.say(
            f"note: large and bigger models may collapse above {_SAFE_RATE:g}; "
            "--set train.learning_rate=1e-5, or --set train.restarts=2"
        )


def best_rule(train: Train, plan: TrainPlan, *, split: str, metric: str, higher_is_better: bool) -> str:
    """How the best checkpoint is chosen, in words."""
    which = "highest" if higher_is_better else "lowest"
    rule = f"the {which} {metric} on {split}, measured every {plan.eval_every:,} steps; of equals the first"
    if train.early_stop is not None:
        rule += f"; training stops after {train.early_stop} evaluations without a better one"
    return rule
