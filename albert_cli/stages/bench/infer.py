"""`albert bench infer`: how fast answers are, from ids to logits, beside others on the same weights and texts.

Our sides are models as `albert run` prepares them (`inference.prepared`) on packed batches. ``transformers`` and
ONNX Runtime get the same batches in the same order, padded to the longest of each as their pipelines do.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from albert_cli.data.batching import PackedBatch
from albert_cli.errors import UsageError
from albert_cli.inference.device import choose_device
from albert_cli.inference.prepared import Products, choose_products, describe, prepare
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.layout import PackedLayout
from albert_cli.recipe.requests import BenchInferOptions
from albert_cli.report.console import Talk, result_json, result_table
from albert_cli.report.tables import Table
from albert_cli.stages.bench.limit import layer_shapes, product_limit
from albert_cli.stages.bench.measure import Side, Spread, Times, clock_for, facts, how_many_times, take_turns
from albert_cli.stages.bench.memory import peak_growth
from albert_cli.stages.bench.peer import bench_config, padded, peer_model
from albert_cli.stages.bench.workloads import Workload, build_model, make_batch, operations

TRANSFORMERS, ONNXRUNTIME = "transformers", "onnxruntime"
SIDES = ("fp32", "bf16", "fp16", "int8", "compile")
_TO_TRAIN = 3  # operations of a training step for one of a forward pass

# Lengths as in SST-2: mean 27 tokens with the special ones. Batches of a round.
WORKLOADS = {
    "predict-32": (Workload("predict-32", "classify", 32, 128, 27, 0.48), 4),
    "predict-1": (Workload("predict-1", "classify", 1, 128, 27, 0.48), 16),
}

Answer = Callable[[PackedBatch], Tensor]
"""Logits (B, C) of a batch."""


@dataclass(frozen=True)
class _Setting:
    """Everything of one measurement that stays the same."""

    options: BenchInferOptions
    work: Workload
    config: AlbertConfig
    batches: list[PackedBatch]
    device: torch.device


def run(options: BenchInferOptions) -> int:
    """Measure answers.

    Returns:
        Exit code 0.

    Raises:
        AlbertError: an unknown workload or side, or another that is not installed where it is asked for.
    """
    with Talk(quiet=options.quiet) as talk, tempfile.TemporaryDirectory(prefix="albert-bench-") as folder:
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        made = _set_up(options, talk)
        names = [*options.sides, *options.versus]
        tokens = sum(batch.num_tokens for batch in made.batches)
        talk.say(f"{made.work.name}, {tokens} tokens in {len(made.batches)} batches; {', '.join(names)}")
        if ONNXRUNTIME in names:
            _export(made, Path(folder))
        result = facts(
            "bench infer", seed=options.seed, rounds=options.rounds, warmup=options.warmup, device=made.device
        ) | _about(made)
        result |= _memory(made, names, folder, talk) if options.memory else _speed(made, names, folder)
        if options.json:
            result_json(result)
        else:
            result_table(_memory_table(result) if options.memory else _speed_table(result))
    return 0


def _set_up(options: BenchInferOptions, talk: Talk) -> _Setting:
    if options.workload not in WORKLOADS:
        raise UsageError(f"no workload {options.workload!r}", hint=f"one of: {', '.join(WORKLOADS)}")
    unknown = [name for name in options.sides if name not in SIDES]
    if unknown:
        raise UsageError(f"no side {unknown[0]!r}", hint=f"--sides takes {', '.join(SIDES)}")
    strange = [name for name in options.versus if name not in (TRANSFORMERS, ONNXRUNTIME)]
    if strange:
        raise UsageError(f"nothing to compare with is called {strange[0]!r}", hint=f"{TRANSFORMERS}, {ONNXRUNTIME}")
    work, count = WORKLOADS[options.workload]
    config = bench_config(options.size, options.layers)
    batches = [
        make_batch(work, vocab_size=config.vocab_size, seed=options.seed + number)
        for number in range(options.batches or count)
    ]
    device = choose_device(options.device, talk.warn)
    if device.type != "cpu" and ONNXRUNTIME in options.versus:
        raise UsageError("ONNX Runtime is measured on the processor", hint="add --device cpu")
    return _Setting(options, work, config, [batch.to(device) for batch in batches], device)


def _about(made: _Setting) -> dict[str, Any]:
    lengths = [length for batch in made.batches for length in batch.lengths]
    slots = sum(len(batch.lengths) * max(batch.lengths) for batch in made.batches)
    return {
        "workload": made.work.name,
        "size": made.options.size,
        "layers": made.config.num_hidden_layers,
        "batches": len(made.batches),
        "texts": len(lengths),
        "tokens": sum(lengths),
        "slots_longest": slots / sum(lengths),
        "operations": _operations(made),
        "products": {name: describe(_products(made, name), made.device) for name in made.options.sides},
    }


def _operations(made: _Setting) -> float:
    return sum(operations(made.work, made.config, batch) for batch in made.batches) / _TO_TRAIN


def _products(made: _Setting, name: str) -> Products:
    precision = name if name in ("bf16", "fp16") else "fp32"
    return choose_products(made.device, precision, int8=name == "int8", compiles=name == "compile")


def _model(made: _Setting) -> AlbertPreTrainedModel:
    return build_model(made.work, made.config, seed=made.options.seed).to(made.device).eval()


def _answering(made: _Setting, name: str, folder: str) -> Answer:
    """One side, ready."""
    if name == TRANSFORMERS:
        theirs = peer_model(made.work, _model(made)).to(made.device).eval()
        return lambda batch: theirs(**_inputs(made.work, batch)).logits
    if name == ONNXRUNTIME:
        return _onnx(made.work, Path(folder))
    model = prepare(_model(made), _products(made, name))

    def answer(batch: PackedBatch) -> Tensor:
        layout = PackedLayout.from_lengths(batch.lengths, device=made.device)
        logits: Tensor = model(batch.input_ids, token_type_ids=batch.token_type_ids, layout=layout).logits
        return logits

    return answer


def _inputs(work: Workload, batch: PackedBatch) -> dict[str, Tensor]:
    return {name: values for name, values in padded(work, batch).items() if name != "labels"}


def _export(made: _Setting, folder: Path) -> None:
    from albert_cli.convert.content import Content
    from albert_cli.convert.onnx_export import write

    model = _model(made)
    content = Content(type(model).__name__, model.config, dict(model.state_dict()))
    example = _inputs(made.work, make_batch(WORKLOADS["predict-32"][0], vocab_size=made.config.vocab_size, seed=1))
    write(content, folder, example=example, int8=False)


def _onnx(work: Workload, folder: Path) -> Answer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def answer(batch: PackedBatch) -> Tensor:
        feed = {name: values.numpy() for name, values in _inputs(work, batch).items()}
        return torch.from_numpy(session.run(["logits"], feed)[0])

    return answer


def _over(batches: Sequence[PackedBatch], answer: Answer) -> list[Tensor]:
    with torch.inference_mode():
        return [answer(batch) for batch in batches]


def _speed(made: _Setting, names: Sequence[str], folder: str) -> dict[str, Any]:
    options = made.options
    sides = {name: _answering(made, name, folder) for name in names}
    said = {name: torch.cat(_over(made.batches, answer)).float().cpu() for name, answer in sides.items()}
    times = take_turns(
        [Side(name, lambda answer=answer: _over(made.batches, answer)) for name, answer in sides.items()],  # type: ignore[misc]
        rounds=options.rounds,
        warmup=max(0, options.warmup - 1),  # what was said above counts
        device=made.device,
    )
    middle = sum(batch.num_tokens for batch in made.batches) // len(made.batches)
    clock = clock_for(made.device)
    return {
        "limit": product_limit(layer_shapes(made.config, middle), device=made.device),
        "sides": _figures(made, times, said, against=TRANSFORMERS if TRANSFORMERS in names else names[0]),
        "times_as_fast": {
            f"{one} / {other}": how_many_times(times, one, against=other, clock=clock).as_json()
            for one in options.sides
            for other in names
            if one != other
        },
    }


def _figures(
    made: _Setting, times: Mapping[str, Times], said: Mapping[str, Tensor], *, against: str
) -> dict[str, dict[str, Any]]:
    """What is told of each side: its times, its speed, and how far its logits are from another's."""
    clock, texts = clock_for(made.device), sum(len(batch.lengths) for batch in made.batches)
    found: dict[str, dict[str, Any]] = {}
    for name, seconds in times.items():
        spread = Spread.of(seconds.by(clock))
        found[name] = {
            "seconds": spread.as_json(),
            "wall_seconds": Spread.of(seconds.wall).as_json(),
            "texts_per_second": texts / spread.median,
            "gflops": _operations(made) / spread.median / 1e9,
            f"largest_difference_to_{against}": float((said[name] - said[against]).abs().max()),
        }
    return found


def _memory(made: _Setting, names: Sequence[str], folder: str, talk: Talk) -> dict[str, Any]:
    found = {}
    for name in names:
        found[name] = {"peak_bytes": peak_growth(prepare_side, copy.copy(made.options), name, folder)}
        talk.say(f"{name}: {found[name]['peak_bytes'] / 1e6:.0f} MB")
    return {"memory": found}


def prepare_side(options: BenchInferOptions, name: str, folder: str) -> Callable[[], object]:
    """Load one side in a process of its own; the work is one pass over the batches."""
    with Talk(quiet=True) as talk:
        made = _set_up(options, talk)
    answer = _answering(made, name, folder)
    return lambda: _over(made.batches, answer)


def _memory_table(result: dict[str, Any]) -> Table:
    rows = [(name, f"{values['peak_bytes'] / 1e6:.0f} MB") for name, values in result["memory"].items()]
    return Table(("side", "peak over what is held after loading"), rows)


def _speed_table(result: dict[str, Any]) -> Table:
    best = result["limit"]["fp32"]
    others = [name for name in result["sides"] if name in (TRANSFORMERS, ONNXRUNTIME)]
    rows = []
    for name, values in result["sides"].items():
        ratios = [result["times_as_fast"].get(f"{name} / {other}") for other in others]
        difference = next(value for key, value in values.items() if key.startswith("largest_difference"))
        rows.append(
            (
                name,
                f"{Spread(**values['seconds'])} s",
                f"{values['texts_per_second']:.1f}",
                f"{values['gflops']:.0f} GFLOP/s, {values['gflops'] / best:.0%} of {best:.0f}",
                f"{difference:.1e}",
                *(str(Spread(**ratio)) if ratio else "" for ratio in ratios),
            )
        )
    heads = ("side", "round", "texts/s", "useful operations", "difference", *(f"against {name}" for name in others))
    return Table(heads, rows)
