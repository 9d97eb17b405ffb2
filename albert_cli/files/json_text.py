"""How is JSON of unknown origin read, so that whatever is wrong with it is one kind of error?"""

from __future__ import annotations

import json
from typing import Any

_DECODER = json.JSONDecoder()


def parse_json(text: str | bytes) -> Any:
    """Read a text that holds one JSON value.

    Raises:
        JSONDecodeError: it holds none, or one that Python's reader refuses in other ways: brackets that are nested too
            deeply, whole numbers of thousands of digits.
        UnicodeDecodeError: bytes that are not UTF-8.
    """
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except (RecursionError, ValueError) as error:
        raise _refused(error, "", 0) from None


def json_value_at(text: str, place: int) -> tuple[Any, int]:
    """Read the JSON value that begins at a place of a text; returns it and the place after it.

    Raises:
        JSONDecodeError: as `parse_json`.
    """
    try:
        return _DECODER.raw_decode(text, place)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise _refused(error, text, place) from None


def _refused(error: Exception, text: str, place: int) -> json.JSONDecodeError:
    said = "brackets nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"
    return json.JSONDecodeError(said, text, place)
