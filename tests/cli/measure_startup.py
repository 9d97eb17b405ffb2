"""How long `albert --help` takes beside a bare Typer app with the same commands and options.

Run it by hand (it is a measurement, not a test): ``python tests/cli/measure_startup.py [ROUNDS]``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import typer

from albert_cli.cli.app import build_app

ROUNDS = 15


def bare_app_source() -> str:
    """Write a program with nothing but Typer and stubs of our commands."""
    root: Any = typer.main.get_command(build_app())
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


def seconds(command: list[str]) -> float:
    """Time one run of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Time both in turn, so that a busy moment meets both, and print the best and the median of each."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(bare_app_source(), encoding="utf-8")
        commands = {
            "bare": [sys.executable, str(bare), "--help"],
            "albert": [sys.executable, "-m", "albert_cli", "--help"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(seconds(command))
    for name, found in times.items():
        print(f"{name:8} best {min(found):.3f} s  median {sorted(found)[rounds // 2]:.3f} s")
    print(f"ratio    best {min(times['albert']) / min(times['bare']):.2f}")


if __name__ == "__main__":
    main()
