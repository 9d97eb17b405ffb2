"""`albert env`: what this machine and this installation are, for reports."""

from __future__ import annotations

from albert_cli.cli.options import DebugOption, JsonOption


def env(json: JsonOption = False, debug: DebugOption = False) -> None:
    """Report versions, devices and settings; no paths, no names, no tokens."""
    from albert_cli.report.console import result_json, result_table
    from albert_cli.report.environment import describe_environment, environment_table
    from albert_cli.stages.bench.limit import product_limit

    facts = describe_environment(devices=True)
    rates = product_limit([(128, 768, 768)])["routes"]  # some 50 ms; explains the choice, does not make it
    facts["devices"]["linear_gflops"] = {name: round(rate) for name, rate in rates.items()}
    if json:
        result_json(facts)
    else:
        result_table(environment_table(facts))
