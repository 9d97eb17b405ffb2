"""`python -m albert_cli` and the console script `albert`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from albert_cli.cli.app import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
