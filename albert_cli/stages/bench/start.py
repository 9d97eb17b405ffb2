"""`albert bench start`: how long fresh processes take until they have answered.

Four kinds in turn: importing torch alone; ``albert --help``; a bare Typer app with the same commands and options;
``albert run`` on one line with a model of random weights. Seconds on the wall and of the processor, whole processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads_sequence import AlbertForSequenceClassification
from albert_cli.recipe.requests import BenchStartOptions
from albert_cli.report.console import Talk, result_json, result_table
from albert_cli.report.tables import Table
from albert_cli.stages.bench.measure import Spread, Times, facts
from albert_cli.tokenization.train import train_tokenizer

_TORCH, _HELP, _BARE, _RUN = "import torch", "albert --help", "bare Typer app --help", "albert run, one line"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LINE = "a fine film"


def run(options: BenchStartOptions, *, commands: Any) -> int:
    """Measure starts.

    Args:
        options: what to measure.
        commands: the command line's tree of commands (click), to make a bare one of.

    Returns:
        Exit code 0.

    Raises:
        ModelError: a measured process failed.
    """
    with Talk(quiet=options.quiet) as talk, tempfile.TemporaryDirectory(prefix="albert-bench-") as name:
        folder = Path(name)
        (folder / "bare.py").write_text(bare_app(commands), encoding="utf-8")
        write_model(folder / "model", options.size)
        python, albert = [sys.executable], [sys.executable, "-m", "albert_cli"]
        kinds = {
            _TORCH: [*python, "-c", "import torch"],
            _HELP: [*albert, "--help"],
            _BARE: [*python, str(folder / "bare.py"), "--help"],
            _RUN: [*albert, "run", "--task", "text-classification", "--model", str(folder / "model"), _LINE],
        }
        talk.say(f"{options.rounds} fresh processes of each kind, in turn")
        times = _take_turns(kinds, rounds=options.rounds, environment=_environment(options.threads))
        result = facts("bench start", seed=0, rounds=options.rounds, warmup=1) | {"clock": "wall"} | _result(times)
        if options.json:
            result_json(result)
        else:
            result_table(_table(result))
    return 0


def _environment(threads: int | None) -> dict[str, str]:
    return {**os.environ, **({} if threads is None else {"OMP_NUM_THREADS": str(threads)})}


def _take_turns(kinds: dict[str, list[str]], *, rounds: int, environment: dict[str, str]) -> dict[str, Times]:
    """Each kind once to warm the file cache, then all in turn."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for number in range(rounds + 1):
        for name, command in kinds.items():
            seconds = _seconds(command, environment)
            if number:
                found[name].append(seconds)
    return {name: Times(*map(tuple, zip(*seconds, strict=True))) for name, seconds in found.items()}


def _seconds(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Of the processor and on the wall, of one process."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise ModelError(f"`{' '.join(command)}` failed: {done.stderr.decode(errors='replace').strip()}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, wall


def _result(times: dict[str, Times]) -> dict[str, Any]:
    best = {name: min(found.wall) for name, found in times.items()}
    spent = {name: min(found.processor) for name, found in times.items()}
    return {
        "starts": {
            name: {
                "wall_seconds": Spread.of(found.wall).as_json(),
                "processor_seconds": Spread.of(found.processor).as_json(),
            }
            for name, found in times.items()
        },
        "help_against_bare": {"wall": best[_HELP] / best[_BARE], "processor": spent[_HELP] / spent[_BARE]},
        "run_over_import_torch": {"wall": best[_RUN] - best[_TORCH], "processor": spent[_RUN] - spent[_TORCH]},
    }


def _table(result: dict[str, Any]) -> Table:
    rows = [
        (name, str(Spread(**found["wall_seconds"])), str(Spread(**found["processor_seconds"])))
        for name, found in result["starts"].items()
    ]
    more, ratio = result["run_over_import_torch"], result["help_against_bare"]
    rows.append(("albert run over import torch, best of each", f"{more['wall']:+.2f}", f"{more['processor']:+.2f}"))
    rows.append(
        ("albert --help over the bare app, best of each", f"{ratio['wall']:.2f} x", f"{ratio['processor']:.2f} x")
    )
    return Table(("process", "seconds on the wall", "of the processor"), rows)


def write_model(folder: Path, size: str) -> None:
    """A classifier of random weights with a tokenizer of its own, as small as its text."""
    words = ["".join(_LETTERS[(i * j + k) % 26] for k in range(3 + (i + j) % 5)) for i in range(40) for j in range(40)]
    lines = [" ".join(words[place : place + 8]) for place in range(0, len(words), 8)]
    train_tokenizer([*lines, _LINE], folder, vocab_size=120)
    torch.manual_seed(0)
    AlbertForSequenceClassification(AlbertConfig.named(size, num_labels=2)).save_pretrained(folder)


def bare_app(root: Any) -> str:
    """A program with nothing but Typer and stubs of our commands.

    Args:
        root: the command line's tree of commands.
    """
    lines = ["import typer", "", f"app = typer.Typer(help={root.help!r}, epilog={root.epilog!r})"]
    for name, command in root.commands.items():
        commands = getattr(command, "commands", None)
        if commands is None:
            lines += _stub("app", name, command)
            continue
        group = f"group_{name}"
        lines += [f"{group} = typer.Typer(help={command.help!r})", f"app.add_typer({group}, name={name!r})"]
        for inner_name, inner in commands.items():
            lines += _stub(group, inner_name, inner)
    return "\n".join([*lines, "", "app()", ""])


def _stub(app: str, name: str, command: Any) -> list[str]:
    arguments = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        kind = "bool" if getattr(parameter, "is_flag", False) else "str"
        default = "False" if kind == "bool" else "None"
        if parameter.param_type_name == "option":
            value = f"typer.Option({default}, {parameter.opts[0]!r}, help={parameter.help!r})"
        else:
            value = f"typer.Argument({default}, help={parameter.help!r})"
        arguments.append(f"{parameter.name}: {kind} = {value}")
    function = f"{app}_{name}".replace("-", "_")
    return ["", f"@{app}.command({name!r})", f"def {function}({', '.join(arguments)}):", f"    {command.help!r}"]
