"""Run `albert predict` in small parts and kill this process when some rows are done: ``ROWS DONE ARGUMENTS...``."""

from __future__ import annotations

import sys
from signal import SIGKILL

from signal_after import signal_at

from albert_cli.cli.app import main
from albert_cli.stages import predict_file

if __name__ == "__main__":
    predict_file.ROWS_AT_ONCE = int(sys.argv[1])
    signal_at(int(sys.argv[2]), SIGKILL)
    sys.exit(main(sys.argv[3:]))
