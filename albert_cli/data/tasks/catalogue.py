"""Which tasks are there, and how may their names be spelt?"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from albert_cli.data.tasks.glue import GLUE_TASKS
from albert_cli.data.tasks.own import OWN_TASKS
from albert_cli.data.tasks.python_docs import PYTHON_DOCS
from albert_cli.data.tasks.spec import TaskSpec
from albert_cli.errors import UsageError
from albert_cli.files.text import safe_line

TASKS: Mapping[str, TaskSpec] = MappingProxyType({**GLUE_TASKS, **OWN_TASKS, PYTHON_DOCS.name: PYTHON_DOCS})


def find_task(name: str) -> TaskSpec:
    """The task of a name; case, dashes and underscores do not matter (``SST-2``, ``sts-b``).

    Raises:
        UsageError: no such task; the hint names the closest.
    """
    by_spelling = {_folded(known): spec for known, spec in TASKS.items()}
    spec = by_spelling.get(_folded(name))
    if spec is None:
        close = get_close_matches(name.lower(), list(TASKS), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known tasks: {', '.join(TASKS)}"
        raise UsageError(f"no task {safe_line(name, limit=60)!r}", hint=hint)
    return spec


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
