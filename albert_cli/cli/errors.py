"""How a failure becomes two lines on stderr and an exit code, whatever it is."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import Any

from albert_cli.errors import AlbertError, UsageError
from albert_cli.files.text import safe_line

PIPE_CLOSED = 141
INTERRUPTED = 130
NAME_TOO_LONG = errno.ENAMETOOLONG
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def from_wrong_usage(error: Any) -> UsageError:
    """Translate Typer's error about a command line.

    Args:
        error: a `typer.exceptions.TyperException`; its kinds have no public names, so they are told by attributes.
    """
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "albert"
    option = getattr(error, "option_name", None)
    if option is not None and error.format_message().startswith("No such option"):
        near = getattr(error, "possibilities", None) or []
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        return UsageError(f"no option {option} ({command})", hint=f"{meant}`{command} --help` lists the options")
    message = (
        " ".join(error.format_message().split())
        .rstrip(".")
        .replace("Value error, ", "")
        .replace("Input should", "must")
    )
    message = message.split(", unable to parse")[0]
    return UsageError(f"{message[:1].lower()}{message[1:]} ({command})", hint=f"{command} --help")


def report(error: AlbertError, *, debug: bool) -> int:
    """Say what went wrong and return the exit code."""
    from albert_cli.report.console import Talk

    if debug:
        traceback.print_exception(error)
    talk = Talk()
    if talk.is_main or not _said_by_all(error):
        talk.error(error)
    return error.exit_code


def _said_by_all(error: AlbertError) -> bool:
    """Whether every process of a distributed run fails alike, so that one voice is enough."""
    # What our own launcher starts may always speak: it keeps the others back and shows them only when they matter.
    return error.exit_code == UsageError.exit_code and "ALBERT_NPROC" not in os.environ


def report_defect(error: BaseException, *, debug: bool) -> int:
    """Say that albert itself is wrong; one line without a traceback, unless asked for."""
    if debug:
        traceback.print_exception(error)
    said = " ".join(str(error).split())[:300]
    what = f"a defect in albert: {type(error).__name__}" + (f": {said}" if said else "")
    hint = "report it with the traceback above" if debug else "run again with --debug and report the traceback"
    return report(AlbertError(what, hint=hint), debug=False)


def from_full_disk(error: OSError) -> AlbertError | None:
    """What to say where the place that was written to takes no more; None for other failures of the system."""
    if error.errno not in _NO_ROOM:
        return None
    place = f" ({safe_line(str(error.filename))})" if error.filename else ""
    return AlbertError(
        f"cannot write: {error.strerror}{place}", hint="free some space, or write to another place", exit_code=3
    )


def close_pipe_silently() -> int:
    """Stop writing to a pipe whose reader has gone, and return the exit code of that."""
    drop_output()
    return PIPE_CLOSED


def from_long_name(error: OSError) -> UsageError:
    """What to say of a name that no file can have."""
    name = safe_line(str(error.filename or ""), limit=60)
    return UsageError(f"a name of a file that is too long ({name})", hint="check what was given as a path")


def drop_output() -> None:
    """Send to nowhere what is still to be written."""
    # The interpreter flushes stdout once more at exit; without this it would complain then.
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(quiet, stream.fileno())
        except (OSError, ValueError):  # closed, or replaced by an object without a descriptor
            continue
