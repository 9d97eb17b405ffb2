"""`albert bench train`: how fast whole training steps are, what share of the machine they use, and how much memory.

Our side is the product's own step (`training.update.Updates`: packed batch, objective, gradient, clip, AdamW). The
other side, where asked for, is ALBERT of ``transformers`` on the same weights and the same examples.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.models import linear
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.layout import PackedLayout
from albert_cli.recipe.requests import BenchTrainOptions
from albert_cli.report.console import Talk, result_json, result_table
from albert_cli.report.tables import Table
from albert_cli.stages.bench.limit import layer_shapes, product_limit
from albert_cli.stages.bench.measure import Side, Spread, clock_for, facts, how_many_times, take_turns
from albert_cli.stages.bench.memory import peak_growth
from albert_cli.stages.bench.peer import bench_config, padded, peer_model, peer_step
from albert_cli.stages.bench.workloads import (
    CHOICES,
    Workload,
    build_model,
    build_objective,
    make_batch,
    operations,
    workload,
)
from albert_cli.training.device import make_accelerator, set_threads
from albert_cli.training.optim import AlbertAdamW, parameter_groups
from albert_cli.training.update import Updates

OURS, RECOMPUTED = "ours", "ours, recomputed"
PEER, PEER_MAXIMUM = "transformers", "transformers, padded to the maximum"
_RATE = 1e-5


@dataclass
class _Prepared:
    """Everything of one measurement that stays the same."""

    options: BenchTrainOptions
    work: Workload
    config: AlbertConfig
    batch: PackedBatch
    accelerator: Any
    losses: dict[str, float]


def run(options: BenchTrainOptions) -> int:
    """Measure training steps.

    Returns:
        Exit code 0.

    Raises:
        AlbertError: unknown workload, a device that is not there, or no transformers where it is asked for.
    """
    with Talk(quiet=options.quiet) as talk:
        set_threads(options.threads)
        made = _prepare(options)
        names = _sides(options)
        size = f"{made.batch.num_tokens} tokens in {len(made.batch.lengths)} sequences"
        talk.say(f"{made.work.name}, {size}; {', '.join(names)}")
        result = facts(
            "bench train", seed=options.seed, rounds=options.rounds, warmup=options.warmup, device=_device(made)
        )
        result |= _about(made) | {
            "limit": product_limit(layer_shapes(made.config, made.batch.num_tokens), device=_device(made))
        }
        if options.memory:
            result["memory"] = _memory(made, names, talk)
        else:
            result |= _speed(made, names)
        if options.json:
            result_json(result)
        else:
            result_table(_table(result))
    return 0


def _prepare(options: BenchTrainOptions) -> _Prepared:
    work = workload(options.workload, sequences=options.batch_size)
    config = bench_config(options.size, options.layers)
    accelerator = make_accelerator(options.device, options.precision).accelerator
    batch = make_batch(work, vocab_size=config.vocab_size, seed=options.seed)
    return _Prepared(options, work, config, batch, accelerator, {})


def _sides(options: BenchTrainOptions) -> list[str]:
    names = [OURS]
    if options.recompute:
        names.append(RECOMPUTED)
    if options.versus == "transformers":
        names.append(PEER)
        if options.pad_to_max:
            names.append(PEER_MAXIMUM)
    return names


def _device(made: _Prepared) -> torch.device:
    device: torch.device = made.accelerator.device
    return device


def _about(made: _Prepared) -> dict[str, Any]:
    options, lengths = made.options, made.batch.lengths
    return {
        "workload": made.work.name,
        "size": options.size,
        "layers": made.config.num_hidden_layers,
        "precision": options.precision,
        "linear": linear.choose_backend(options.linear).backend,
        "attention": options.attention,
        "compile": options.compile,
        "sequences": len(lengths),
        "tokens": made.batch.num_tokens,
        "slots_longest": len(lengths) * max(lengths) / made.batch.num_tokens,
        "slots_maximum": len(lengths) * made.work.longest / made.batch.num_tokens,
        "operations": operations(made.work, made.config, made.batch),
    }


def _step(made: _Prepared, name: str) -> Callable[[], torch.Tensor]:
    """One update of a side; gives its loss."""
    model = build_model(made.work, made.config, seed=made.options.seed)
    if name in (OURS, RECOMPUTED):
        return _our_step(made, model, recompute=name == RECOMPUTED)
    device = _device(made)
    theirs = peer_model(made.work, model, attention=made.options.peer_attention).to(device)
    inputs = padded(made.work, made.batch, to_maximum=name == PEER_MAXIMUM)
    inputs = {key: values.to(device) for key, values in inputs.items()}
    return peer_step(theirs, inputs, learning_rate=_RATE, autocast=made.accelerator.autocast)


def _our_step(made: _Prepared, model: AlbertPreTrainedModel, *, recompute: bool) -> Callable[[], torch.Tensor]:
    options = made.options
    model.set_attention(options.attention)
    linear.set_backend(model, options.linear)
    if options.compile:
        model.compile_layers()
    if recompute:
        model.gradient_checkpointing_enable()
    updates = Updates(
        model,
        build_objective(made.work),
        AlbertAdamW(parameter_groups(model), lr=_RATE),
        lambda _step: 1.0,
        made.accelerator,
        clip=1.0,
        seed=options.seed,
        stop=None,
    )
    done = iter(range(1_000_000))

    def step() -> torch.Tensor:
        return updates.step(next(done), [made.batch]).loss

    return step


def _speed(made: _Prepared, names: list[str]) -> dict[str, Any]:
    steps = {name: _step(made, name) for name in names}
    difference = _difference(made) if PEER in names else None
    first = {name: float(step()) for name, step in steps.items()}  # counts as warm-up
    device, options = _device(made), made.options
    times = take_turns(
        [Side(name, step) for name, step in steps.items()],
        rounds=options.rounds,
        warmup=max(0, options.warmup - 1),
        device=device,
    )
    clock = clock_for(device)
    tokens, work = made.batch.num_tokens, operations(made.work, made.config, made.batch)
    sides = {
        name: {
            "seconds": Spread.of(found.by(clock)).as_json(),
            "wall_seconds": Spread.of(found.wall).as_json(),
            "tokens_per_second": tokens / Spread.of(found.by(clock)).median,
            "gflops": work / Spread.of(found.by(clock)).median / 1e9,
            "first_loss": first[name],
        }
        for name, found in times.items()
    }
    ratios = {
        f"{one} / {other}": how_many_times(times, one, against=other, clock=clock).as_json()
        for one in names
        for other in names
        if one.startswith("ours") and other != one and not (one == OURS and other == RECOMPUTED)
    }
    return {"sides": sides, "times_as_fast": ratios, "largest_difference": difference}


@torch.no_grad()
def _difference(made: _Prepared) -> float:
    """Of the outputs of both sides, before training: logits of masked words, classes or choices."""
    device = _device(made)
    ours = build_model(made.work, made.config, seed=made.options.seed).to(device).eval()
    linear.set_backend(ours, made.options.linear)
    ours.set_attention(made.options.attention)
    theirs = peer_model(made.work, ours, attention=made.options.peer_attention).to(device).eval()
    batch = made.batch.to(device)
    more: dict[str, Any] = {"num_choices": CHOICES} if made.work.kind == "choose" else {}
    if made.work.kind == "pretrain":
        more = {"masked_positions": batch.targets["masked_positions"]}
    inputs = {key: values.to(device) for key, values in padded(made.work, made.batch).items()}
    with made.accelerator.autocast():
        mine = ours(
            batch.input_ids,
            token_type_ids=batch.token_type_ids,
            layout=PackedLayout.from_lengths(batch.lengths, device=device),
            **more,
        )
        other = theirs(**inputs)
    if made.work.kind != "pretrain":
        return float((mine.logits.float() - other.logits.float()).abs().max())
    words = other.prediction_logits.flatten(0, 1)[_padded_places(made).to(device)]
    return float((mine.prediction_logits.float() - words.float()).abs().max())


def _padded_places(made: _Prepared) -> torch.Tensor:
    layout = PackedLayout.from_lengths(made.batch.lengths)
    return layout.padded_index[made.batch.targets["masked_positions"]]


def _memory(made: _Prepared, names: list[str], talk: Talk) -> dict[str, dict[str, float]]:
    """Growth of the peak over what each side's process held after loading, optimiser and gradients included."""
    found: dict[str, dict[str, float]] = {}
    for name in names:
        grown = peak_growth(prepare_steps, copy.copy(made.options), name)
        found[name] = {"peak_bytes": grown, "bytes_per_token": grown / made.batch.num_tokens}
        talk.say(f"{name}: {grown / 1e6:.0f} MB")
    against = found.get(PEER)
    if against is not None:
        for values in found.values():
            values["share_of_transformers"] = values["peak_bytes"] / against["peak_bytes"]
    return found


def prepare_steps(options: BenchTrainOptions, name: str) -> Callable[[], None]:
    """Load one side in a process of its own; the work is two updates, so that the optimiser's state counts, too."""
    made = _prepare(options)
    step = _step(made, name)

    def work() -> None:
        step()
        step()

    return work


def _table(result: dict[str, Any]) -> Table:
    limit = result["limit"]
    best = limit["fp32" if result["precision"] == "fp32" else "bf16"]
    if "memory" in result:
        held = [
            (name, f"{values['peak_bytes'] / 1e6:.0f} MB", f"{values['bytes_per_token'] / 1e3:.0f} KB")
            + ((f"{values['share_of_transformers']:.2f}",) if "share_of_transformers" in values else ("",))
            for name, values in result["memory"].items()
        ]
        return Table(("side", "peak over load", "per token", "of transformers"), held)
    rows = []
    for name, values in result["sides"].items():
        ratio = result["times_as_fast"].get(f"{OURS} / {name}")
        rows.append(
            (
                name,
                f"{Spread(**values['seconds'])} s",
                f"{values['tokens_per_second']:.0f}",
                f"{values['gflops']:.0f} GFLOP/s, {values['gflops'] / best:.0%} of {best:.0f}",
                str(Spread(**ratio)) if ratio else "",
            )
        )
    return Table(("side", "step", "tokens/s", "useful operations", "ours is faster by"), rows)
