"""`albert bench`: how fast this machine does the work."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from albert_cli.cli.options import DebugOption, JsonOption, QuietOption

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


COMMANDS = {"data": data}
