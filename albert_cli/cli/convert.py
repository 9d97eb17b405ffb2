"""`albert convert`."""

from __future__ import annotations

from typing import Annotated

import typer

from albert_cli.cli.completion import complete_format, complete_model
from albert_cli.cli.options import (
    DebugOption,
    JsonOption,
    OutOption,
    QuietOption,
    SetOption,
    load,
    shortcuts,
)
from albert_cli.errors import UsageError


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="Checkpoint: directory or hub id. Alone: a recipe.",
            autocompletion=complete_model,
            show_default=False,
        ),
    ],
    target: Annotated[str | None, typer.Argument(metavar="DST", help="Directory to write.", show_default=False)] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="FORMAT", help="hf, hf-bin, tf1, tf2, flax, onnx.", autocompletion=complete_format
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="The same; auto (the default) recognises it.",
            autocompletion=complete_format,
        ),
    ] = None,
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
    set_: SetOption = None,
    out: OutOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace DST if it exists.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Turn a checkpoint of one format into another, and verify it."""
    from albert_cli.recipe.load import load_values
    from albert_cli.recipe.requests import ConvertRequest
    from albert_cli.recipe.schema import ConvertRecipe

    if target is not None and out is not None:
        raise UsageError("DST and --out exclude each other (albert convert)", hint="give one of them")
    given = {"from": from_, "to": to, "head": head, "hidden_act": hidden_act, "tokenizer": tokenizer}
    said = {key: value for key, value in given.items() if value is not None} | ({"int8": True} if int8 else {})
    if target is None and out is None and to is not None:
        raise UsageError("no directory to write (albert convert)", hint="albert convert SRC DST --to FORMAT")
    if target is not None and to is None:
        raise UsageError("no format to write (albert convert)", hint="add --to hf|hf-bin|tf1|tf2|flax|onnx")
    if to is None:
        loaded = load(source, stage="convert", overrides=set_, said=shortcuts(out=out) | said)
    else:
        values = {"stage": "convert", "source": source, "out": target or out, **said}
        loaded = load_values(values, name="convert", overrides=set_ or [], shortcuts={})
    recipe = loaded.recipe
    assert isinstance(recipe, ConvertRecipe)
    if recipe.out is None:
        raise UsageError("no directory to write (albert convert)", hint="add DST, or --out DIR")
    if recipe.int8 and recipe.to != "onnx":
        raise UsageError("int8 is for onnx alone (albert convert)", hint="leave it out, or add --to onnx")
    from albert_cli.stages import convert as stage

    return stage.run(
        ConvertRequest(
            source=recipe.source,
            target=recipe.out,
            to=recipe.to,
            from_=recipe.from_,
            head=recipe.head,
            hidden_act=recipe.hidden_act,
            tokenizer=recipe.tokenizer,
            int8=recipe.int8,
            overwrite=overwrite,
            json=json,
            quiet=quiet,
        )
    )
