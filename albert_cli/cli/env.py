"""`albert env`: what this machine and this installation are, for reports."""

from __future__ import annotations

from typing import Annotated

import typer

from albert_cli.cli.options import DebugOption, JsonOption
from albert_cli.errors import UsageError

MarkdownOption = Annotated[
    bool, typer.Option("--markdown", metavar="", help="Print a Markdown table, to be pasted into a bug report.")
]


def env(json: JsonOption = False, markdown: MarkdownOption = False, debug: DebugOption = False) -> None:
    """Report versions, devices and settings; no paths, no names, no tokens."""
    if json and markdown:
        raise UsageError("--json and --markdown exclude each other (albert env)", hint="give one of them")
    from albert_cli.report.console import result_json, result_table, result_text
    from albert_cli.report.environment import describe_environment, environment_table
    from albert_cli.stages.bench.limit import product_limit

    facts = describe_environment(devices=True)
    rates = product_limit([(128, 768, 768)])["routes"]  # some 50 ms; explains the choice, does not make it
    facts["devices"]["linear_gflops"] = {name: round(rate) for name, rate in rates.items()}
    if json:
        result_json(facts)
    elif markdown:
        result_text(environment_table(facts).markdown())
    else:
        result_table(environment_table(facts))
