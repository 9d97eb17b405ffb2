"""What does a server say when it does not answer, and how much does it take on before it says so?

Everything here runs in the thread of the event loop, so that nothing needs a lock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from albert_cli.errors import AlbertError

# Bodies that are being read, of all requests together: many times the largest single one.
_BODY_BYTES = 64 * 1024 * 1024
# Answers that are being made or on their way, by the estimate of `sizes`: of one request, and of all together.
_REQUEST_ANSWER_BYTES = 64 * 1024 * 1024
_ANSWER_BYTES = 512 * 1024 * 1024
_LONGEST_RETRY = 60


class Refused(AlbertError):  # noqa: N818 - mostly the mistake of a stranger, sometimes of nobody
    """A request that gets no answer.

    Args:
        status: of HTTP.
        message: what is wrong.
        hint: what to do next.
        headers: further ones of the response.
    """

    def __init__(self, status: int, message: str, *, hint: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.headers = headers or {}


class Admission:
    """Counts what has been taken on and not been handed over yet.

    Args:
        max_inputs: inputs at most.
        seconds_for: how long so many inputs will take.

    Attributes:
        num_inputs: inputs whose answers have not left yet.
    """

    def __init__(self, max_inputs: int, seconds_for: Callable[[int], float]) -> None:
        self.num_inputs = 0
        self._max_inputs = max_inputs
        self._seconds_for = seconds_for
        self._body_bytes = 0
        self._answer_bytes = 0

    @contextmanager
    def inputs(self, sizes: Sequence[int]) -> Iterator[None]:
        """Take on some inputs until their answers have been sent.

        Args:
            sizes: bytes that the answer to each may have.

        Raises:
            Refused: 503, there are too many already; 422, there would always be.
        """
        count, size = len(sizes), sum(sizes)
        if (size > _REQUEST_ANSWER_BYTES and count > 1) or size > _ANSWER_BYTES:
            raise Refused(
                422,
                f"the answers might have {size / 2**20:,.0f} MiB",
                hint="send fewer inputs at once, or shorter ones",
            )
        if self.num_inputs + count > self._max_inputs:
            raise self._busy(f"{self.num_inputs:,} inputs are waiting, and at most {self._max_inputs:,} may")
        if self._answer_bytes + size > _ANSWER_BYTES:
            raise self._busy("too large answers are on their way")
        self.num_inputs += count
        self._answer_bytes += size
        try:
            yield
        finally:
            self.num_inputs -= count
            self._answer_bytes -= size

    @contextmanager
    def body(self, reserved: int) -> Iterator[None]:
        """Make room for a body that is being read.

        Raises:
            Refused: 503, too much is being read already.
        """
        if self._body_bytes + reserved > _BODY_BYTES:
            raise self._busy("too many requests are being read")
        self._body_bytes += reserved
        try:
            yield
        finally:
            self._body_bytes -= reserved

    def _busy(self, message: str) -> Refused:
        wait = max(1, min(_LONGEST_RETRY, math.ceil(self._seconds_for(self.num_inputs))))
        return Refused(503, message, hint=f"ask again in {wait} s", headers={"Retry-After": str(wait)})
