"""`python -m albert_cli` and the console script `albert`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # Read once, when torch starts its threads. By default they wait for each other in busy loops, which is no faster on
    # an idle machine and many times slower where other programs want the same cores (docs/performance.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from albert_cli.cli.app import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
