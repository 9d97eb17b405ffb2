"""`albert env`: what this machine and this installation are, for reports."""

from __future__ import annotations

from albert_cli.cli.options import DebugOption, JsonOption


def env(json: JsonOption = False, debug: DebugOption = False) -> None:
    """Report versions, devices and settings; no paths, no names, no tokens."""
    from albert_cli.report.console import result_json, result_table
    from albert_cli.report.environment import describe_environment, environment_table

    facts = describe_environment(devices=True)
    if json:
        result_json(facts)
    else:
        result_table(environment_table(facts))
