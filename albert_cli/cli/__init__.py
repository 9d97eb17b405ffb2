"""The command line: arguments only; the work is in ``stages`` and ``inference``."""
