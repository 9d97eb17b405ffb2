"""`albert doctor`: the whole life of a tiny model on this machine, and what is slow or missing here."""

from __future__ import annotations

from albert_cli.cli.options import DebugOption, JsonOption, ThreadsOption


def doctor(threads: ThreadsOption = None, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Try everything once with a tiny model, in a temporary directory, and say what is slow or missing."""
    from albert_cli.stages import doctor as stage

    return stage.run(threads=threads, json=json, debug=debug)
