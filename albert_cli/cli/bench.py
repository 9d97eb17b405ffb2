"""`albert bench`: how fast this machine does the work."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from albert_cli.cli.options import (
    DebugOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    QuietOption,
    SeedOption,
    ThreadsOption,
)

HELP = "Measure how fast this machine does the work."


def data(
    tokenizer: Annotated[
        str, typer.Option("--tokenizer", metavar="TOKENIZER", help="Tokenizer directory or SentencePiece file.")
    ],
    text: Annotated[
        str | None, typer.Option("--text", metavar="PATH", help="Text to measure with; else the built-in python-docs.")
    ] = None,
    vs: Annotated[
        Literal["transformers"] | None, typer.Option("--vs", help="Also measure its masking collator.")
    ] = None,
    length: Annotated[int, typer.Option("--length", metavar="N", min=8, help="Longest example in tokens.")] = 512,
    batch_size: Annotated[int, typer.Option("--batch-size", metavar="N", min=1, help="Examples of a batch.")] = 32,
    megabytes: Annotated[
        float, typer.Option("--megabytes", metavar="MB", min=0.01, help="Text to encode in the comparison.")
    ] = 20.0,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=0, help="Processes of `data prepare`; 0 leaves it out.")
    ] = 4,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Measure text to ids and ids to masked batches on one core, and the memory of `albert data prepare`."""
    from albert_cli.recipe.requests import BenchDataOptions
    from albert_cli.stages import bench_data as stage

    return stage.run(
        BenchDataOptions(
            tokenizer=tokenizer,
            text=text,
            versus=vs,
            length=length,
            batch_size=batch_size,
            megabytes=megabytes,
            workers=workers,
            json=json,
            quiet=quiet,
            debug=debug,
        )
    )


def train(
    workload: Annotated[
        str,
        typer.Option(
            "--workload",
            metavar="NAME",
            help="pretrain-512, pretrain-128, finetune-sst2, finetune-mnli or finetune-race.",
        ),
    ] = "pretrain-512",
    size: Annotated[
        str, typer.Option("--size", metavar="SIZE", help="base, large, xlarge, xxlarge, small, tiny.")
    ] = "base",
    layers: Annotated[
        int | None,
        typer.Option("--layers", metavar="N", min=1, help="Fewer layers than the size has, for a short run."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", metavar="N", min=1, help="Sequences, instead of the workload's own.")
    ] = None,
    vs: Annotated[
        Literal["transformers"] | None, typer.Option("--vs", help="Also measure its ALBERT, sides in turn.")
    ] = None,
    pad_to_max: Annotated[
        bool, typer.Option("--pad-to-max", metavar="", help="With --vs: it also pads every sequence to the maximum.")
    ] = False,
    peer_attention: Annotated[
        Literal["sdpa", "eager"], typer.Option("--peer-attention", help="With --vs: its attn_implementation.")
    ] = "sdpa",
    precision: PrecisionOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    linear: Annotated[
        Literal["auto", "default", "onednn"], typer.Option("--linear", help="Which product of matrices we use.")
    ] = "auto",
    attention: Annotated[
        Literal["auto", "plain", "sdpa", "varlen"], typer.Option("--attention", help="How we compute attention.")
    ] = "auto",
    compile: Annotated[bool, typer.Option("--compile", metavar="", help="Compile our shared layer.")] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", metavar="", help="Also measure us computing every layer anew.")
    ] = False,
    memory: Annotated[
        bool, typer.Option("--memory", metavar="", help="Peak memory, each side in a process of its own.")
    ] = False,
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", min=1, help="Times each side is timed.")] = 3,
    warmup: Annotated[int, typer.Option("--warmup", metavar="N", min=1, help="Steps before that.")] = 1,
    seed: SeedOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Measure whole training steps: throughput, share of this machine's measured limit, peak memory."""
    from albert_cli.recipe.requests import BenchTrainOptions
    from albert_cli.stages.bench import train as stage

    return stage.run(
        BenchTrainOptions(
            workload=workload,
            size=size,
            layers=layers,
            batch_size=batch_size,
            precision=precision or "fp32",
            device=device or "auto",
            threads=threads,
            linear=linear,
            attention=attention,
            compile=compile,
            recompute=recompute,
            versus=vs,
            peer_attention=peer_attention,
            pad_to_max=pad_to_max,
            memory=memory,
            rounds=rounds,
            warmup=warmup,
            seed=42 if seed is None else seed,
            json=json,
            quiet=quiet,
            debug=debug,
        )
    )


def infer(
    workload: Annotated[
        str, typer.Option("--workload", metavar="NAME", help="predict-32 (batches of 32 short texts) or predict-1.")
    ] = "predict-32",
    size: Annotated[
        str, typer.Option("--size", metavar="SIZE", help="base, large, xlarge, xxlarge, small, tiny.")
    ] = "base",
    layers: Annotated[
        int | None,
        typer.Option("--layers", metavar="N", min=1, help="Fewer layers than the size has, for a short run."),
    ] = None,
    batches: Annotated[
        int | None, typer.Option("--batches", metavar="N", min=1, help="Batches of a round, each of other texts.")
    ] = None,
    sides: Annotated[
        str,
        typer.Option("--sides", metavar="A,B,...", help="Ways in which we compute: fp32, bf16, fp16, int8, compile."),
    ] = "fp32",
    vs: Annotated[
        str,
        typer.Option(
            "--vs", metavar="A,B", help="Also measure transformers, onnxruntime: same weights and texts, sides in turn."
        ),
    ] = "",
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    memory: Annotated[
        bool, typer.Option("--memory", metavar="", help="Peak memory, each side in a process of its own.")
    ] = False,
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", min=1, help="Times each side is timed.")] = 5,
    warmup: Annotated[int, typer.Option("--warmup", metavar="N", min=1, help="Rounds before that.")] = 1,
    seed: SeedOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Measure answers: texts a second, share of this machine's measured limit, peak memory."""
    from albert_cli.recipe.requests import BenchInferOptions
    from albert_cli.stages.bench import infer as stage

    return stage.run(
        BenchInferOptions(
            workload=workload,
            size=size,
            layers=layers,
            batches=batches,
            sides=tuple(name.strip() for name in sides.split(",")),
            versus=tuple(name.strip() for name in vs.split(",") if name.strip()),
            device=device or "auto",
            threads=threads,
            memory=memory,
            rounds=rounds,
            warmup=warmup,
            seed=42 if seed is None else seed,
            json=json,
            quiet=quiet,
            debug=debug,
        )
    )


def start(
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", min=1, help="Fresh processes of each kind.")] = 7,
    size: Annotated[
        str, typer.Option("--size", metavar="SIZE", help="Size of the model that answers one line.")
    ] = "base",
    threads: ThreadsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Measure how long fresh processes take: import torch, albert --help, albert run on one line."""
    from albert_cli.cli.app import build_app
    from albert_cli.recipe.requests import BenchStartOptions
    from albert_cli.stages.bench import start as stage

    return stage.run(
        BenchStartOptions(rounds=rounds, size=size, threads=threads, json=json, quiet=quiet, debug=debug),
        commands=typer.main.get_command(build_app()),
    )


COMMANDS = {"data": data, "train": train, "infer": infer, "start": start}
