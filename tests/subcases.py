"""Many cases of one law in one test: each is reported by itself, and the test counts once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any


def each(names: str, cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call a test for every case.

    Args:
        names: its argument, or several separated by commas, as ``pytest.mark.parametrize`` has them.
        cases: values of the argument, or tuples for several.
    """
    arguments = [name.strip() for name in names.split(",")]
    listed = list(cases)

    def wrap(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*, subtests: Any, **fixtures: Any) -> None:
            assert listed
            for case in listed:
                given = dict(zip(arguments, case if len(arguments) > 1 else (case,), strict=True))
                with subtests.test(**{name: str(value) for name, value in given.items()}):
                    function(**given, **fixtures)

        kept = [item for name, item in inspect.signature(function).parameters.items() if name not in arguments]
        named = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in kept]
        named.append(inspect.Parameter("subtests", inspect.Parameter.KEYWORD_ONLY))
        del run.__wrapped__  # type: ignore[attr-defined]
        run.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
        return run

    return wrap
