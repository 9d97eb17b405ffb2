"""`albert convert`."""

from __future__ import annotations

from typing import Annotated

import typer

from albert_cli.cli.options import DebugOption, JsonOption, QuietOption
from albert_cli.errors import UsageError


def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", help="Checkpoint: directory or hub id.", show_default=False)],
    target: Annotated[str, typer.Argument(metavar="DST", help="Directory to write.", show_default=False)],
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="hf, hf-bin, tf1, tf2, flax, onnx.", show_default=False)
    ],
    from_: Annotated[str, typer.Option("--from", metavar="FORMAT", help="The same; auto recognises it.")] = "auto",
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="CLASS", help="Model class, where the files leave it open (RACE from tf1)."),
    ] = None,
    hidden_act: Annotated[
        str | None,
        typer.Option("--hidden-act", metavar="NAME", help="Activation, where the checkpoint's config is wrong."),
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option("--tokenizer", metavar="DIR", help="Tokenizer, if not beside the weights.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="With --to onnx: weights of 8 bits.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace DST if it exists.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Turn a checkpoint of one format into another, and verify it."""
    from albert_cli.recipe.requests import CONVERT_FORMATS, ConvertRequest

    written, read = (*CONVERT_FORMATS, "onnx"), ("auto", *CONVERT_FORMATS)
    for option, name, known in (("--to", to, written), ("--from", from_, read)):
        if name not in known:
            raise UsageError(f"no format {name!r} for {option} (albert convert)", hint=f"one of {', '.join(known)}")
    if int8 and to != "onnx":
        raise UsageError("--int8 is for --to onnx alone (albert convert)", hint="leave --int8 out")
    from albert_cli.stages import convert as stage

    return stage.run(
        ConvertRequest(
            source=source,
            target=target,
            to=to,
            from_=from_,
            head=head,
            hidden_act=hidden_act,
            tokenizer=tokenizer,
            int8=int8,
            overwrite=overwrite,
            json=json,
            quiet=quiet,
        )
    )
