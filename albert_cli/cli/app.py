"""The command line as a whole: which commands there are, and what leaves the program when one ends.

Nothing heavy is imported here or in the modules of the commands: `albert --help` is as quick as Typer itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
import typer.core
from typer.exceptions import TyperException

from albert_cli import __version__
from albert_cli.cli import bench, convert, data, doctor, env, evaluate, recipe, run, runs, serve, train
from albert_cli.cli.errors import (
    INTERRUPTED,
    NAME_TOO_LONG,
    close_pipe_silently,
    drop_output,
    from_full_disk,
    from_long_name,
    from_wrong_usage,
    report,
    report_defect,
)
from albert_cli.cli.examples import epilog
from albert_cli.cli.options import DebugOption
from albert_cli.errors import AlbertError, UsageError

ABOUT = "The whole life of an ALBERT model: tokenizer, pretraining, fine-tuning, evaluation, prediction, inference."
EXIT_CODES = (
    "Exit codes: 0 ok; 1 a defect of albert; 2 usage or recipe; 3 data, model or checkpoint; 4 training failed; "
    "5 threshold missed; 130, 143 interrupted."
)


class Commands(typer.core.TyperGroup):
    """A group of commands that knows what a misspelt one was meant to be."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that ``args`` name.

        Raises:
            UsageError: there is no such command.
        """
        name = args[0]
        names = self.list_commands(ctx)
        if name not in names and not name.startswith("-"):
            from albert_cli.recipe.problems import nearest

            near = nearest(name, names)
            hint = f"did you mean `{ctx.command_path} {near[0]}`?" if near else f"{ctx.command_path} --help"
            raise UsageError(f"no command {name!r} ({ctx.command_path})", hint=hint)
        return super().resolve_command(ctx, args)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"albert {__version__}")
        raise typer.Exit


def _group(help_text: str, **settings: Any) -> typer.Typer:
    return typer.Typer(
        cls=Commands,
        help=help_text,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )


def build_app() -> typer.Typer:
    """Put the command line together."""
    app = _group(ABOUT, epilog=epilog("", before=EXIT_CODES), name="albert", invoke_without_command=True)
    app.callback()(_root)
    for function in (
        train.train_tokenizer,
        train.pretrain,
        train.finetune,
        evaluate.evaluate,
        evaluate.predict,
        run.run,
        convert.convert,
    ):
        name = {"evaluate": "eval"}.get(function.__name__, function.__name__.replace("_", "-"))
        app.command(name=name, epilog=epilog(name))(function)
    app.command(name="serve", epilog=epilog("serve"))(serve.serve)
    for name, module in (("recipe", recipe), ("data", data), ("runs", runs), ("bench", bench)):
        group = _group(module.HELP, epilog=epilog(name), invoke_without_command=True)
        group.callback()(_group_root)
        for command_name, function in module.COMMANDS.items():
            group.command(name=command_name, epilog=epilog(f"{name} {command_name}"))(function)
        app.add_typer(group, name=name)
    app.command(name="env", epilog=epilog("env"))(env.env)
    app.command(name="doctor", epilog=epilog("doctor"))(doctor.doctor)
    return app


def _root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: DebugOption = False,
) -> None:
    _help_when_bare(ctx)


def _group_root(ctx: typer.Context) -> None:
    _help_when_bare(ctx)


def _help_when_bare(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help().rstrip())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: what follows the program's name; None takes the process's own.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words[: words.index("--")] if "--" in words else "--debug" in words
    try:
        return _run(words)
    except AlbertError as error:
        return report(error, debug=debug)
    except TyperException as error:
        return report(from_wrong_usage(error), debug=debug)
    except BrokenPipeError:
        return close_pipe_silently()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except OSError as error:
        if error.errno == NAME_TOO_LONG:
            return report(from_long_name(error), debug=debug)
        full = from_full_disk(error)
        if full is None:
            return report_defect(error, debug=debug)
        code = report(full, debug=debug)
        drop_output()
        return code
    except Exception as error:
        return report_defect(error, debug=debug)


def _run(words: list[str]) -> int:
    try:
        code = typer.main.get_command(build_app()).main(words, prog_name="albert", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as error:
        # Typer turns a closed pipe into exit 1, and completion ends this way.
        if isinstance(error.__context__, BrokenPipeError):
            raise BrokenPipeError from None
        code = error.code
    return code if isinstance(code, int) else 0
