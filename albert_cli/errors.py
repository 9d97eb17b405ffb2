"""Every failure a user can cause, and the exit code the command line gives it.

Exit codes: 0 ok, 1 a defect of ours, 2 usage or recipe, 3 data, model or checkpoint, 4 training failed,
5 threshold missed, 130/143 interrupted with the state saved.
"""

from __future__ import annotations


class AlbertError(Exception):
    """A failure with one line that says what is wrong and one that says what to do next.

    Args:
        message: what is wrong, with the place (file, line, key) in it.
        hint: what to do next, an imperative sentence or a command; None when nothing sensible can be said.
        exit_code: exit status of the command; None takes the class's own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(AlbertError):
    """A wrong command line."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe that says something it may not say.

    Args:
        problems: every problem found, one line each, already located as ``file:line key.path problem``.
        hint: what to do next.
    """

    def __init__(self, problems: list[str], *, hint: str | None = None) -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems


class DataError(AlbertError):
    """Data that cannot be read or does not say what it should."""

    exit_code = 3


class ModelError(AlbertError):
    """A model or tokenizer that cannot be found, loaded or used this way."""

    exit_code = 3


class CheckpointError(AlbertError):
    """A checkpoint or run directory that is incomplete, damaged, locked or of another run."""

    exit_code = 3


class TrainingError(AlbertError):
    """Training that cannot go on: a loss that is not finite, a collapsed model."""

    exit_code = 4


class ThresholdError(AlbertError):
    """A score below ``--fail-under``."""

    exit_code = 5


class Interrupted(AlbertError):  # noqa: N818 - not an error of anyone: the user asked
    """The user or the system asked us to stop; the state is saved.

    Args:
        signal_number: the signal that arrived; the exit code is 128 + it.
        message: where the state is.
    """

    def __init__(self, signal_number: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, exit_code=128 + signal_number)
