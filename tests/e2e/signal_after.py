"""Run the command line and send this process a signal when training has made a step: ``STEP SIGNAL ARGUMENTS...``."""

from __future__ import annotations

import os
import sys
from typing import Any

from albert_cli.cli.app import main
from albert_cli.report.progress import Progress


def signal_at(step: int, number: int) -> None:
    """Make the progress bar send the signal."""
    update = Progress.update

    def update_and_signal(self: Progress, done: int, *rest: Any) -> None:
        update(self, done, *rest)
        if done == step:
            os.kill(os.getpid(), number)

    Progress.update = update_and_signal  # type: ignore[method-assign]


if __name__ == "__main__":
    signal_at(int(sys.argv[1]), int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
