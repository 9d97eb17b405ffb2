"""The zip that the GLUE leaderboard takes: eleven tables of predictions, under official names.

The leaderboard refuses an archive that lacks one, or a table with other rows than the test set has. Both are found out
here, before anybody spends one of the two uploads of a day.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from albert_cli.data.tasks.glue import GLUE_TASKS
from albert_cli.errors import DataError
from albert_cli.files.atomic import write_file
from albert_cli.files.text import safe_line

# Rows of the official test sets (Wang et al. 2019, and the diagnostic set).
TEST_ROWS: Mapping[str, int] = MappingProxyType(
    {
        "CoLA.tsv": 1063,
        "SST-2.tsv": 1821,
        "MRPC.tsv": 1725,
        "STS-B.tsv": 1379,
        "QQP.tsv": 390965,
        "MNLI-m.tsv": 9796,
        "MNLI-mm.tsv": 9847,
        "QNLI.tsv": 5463,
        "RTE.tsv": 3000,
        "WNLI.tsv": 146,
        "AX.tsv": 1104,
    }
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same tables make the same archive


def labels_of_file(name: str) -> tuple[str, ...] | None:
    """Classes that may stand in an official table; None for the scores of STS-B."""
    return next(spec.label_names for spec in GLUE_TASKS.values() if name in spec.submission_files.values())


def check_table(path: Path) -> None:
    """Compare a table of predictions with what the leaderboard wants under its name.

    Raises:
        DataError: located: another header, a wrong number of rows, an index out of order, an unknown class.
    """
    place = safe_line(str(path))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {place}: {error}", hint="predict the test rows again") from error
    if not lines or lines[0] != "index\tprediction":
        raise DataError(f"no header index<TAB>prediction ({place}:1)", hint="give a file that `albert predict` wrote")
    rows, wanted = len(lines) - 1, TEST_ROWS[path.name]
    if rows != wanted:
        raise DataError(
            f"{rows} predictions, and the official test set has {wanted} rows ({place})",
            hint="predict the whole official test file, without data.limit",
        )
    labels = labels_of_file(path.name)
    for number, line in enumerate(lines[1:]):
        index, _, said = line.partition("\t")
        if index != str(number):
            raise DataError(
                f"index {safe_line(index)!r} where {number} belongs ({place}:{number + 2})",
                hint="keep the order of the test file",
            )
        if not (_is_number(said) if labels is None else said in labels):
            raise DataError(
                f"{safe_line(said)!r} is no prediction of this task ({place}:{number + 2})",
                hint="predict the test rows again",
            )


def write_zip(tables: Iterable[Path], out: Path) -> Path:
    """Write the archive.

    Args:
        tables: files under their official names, each checked.
        out: where the archive goes; replaced if it is there.

    Raises:
        DataError: a table is missing, there twice, or not what the leaderboard takes.
    """
    by_name: dict[str, Path] = {}
    for path in tables:
        if path.name in by_name:
            raise DataError(
                f"two tables {path.name}: {safe_line(str(by_name[path.name]))}, {safe_line(str(path))}",
                hint="leave one of them out",
            )
        by_name[path.name] = path
    missing = [name for name in TEST_ROWS if name not in by_name]
    if missing:
        raise DataError(
            f"the leaderboard takes eleven tables, and {len(missing)} are missing: {', '.join(missing)}",
            hint="name a run of each task that had its test rows (AX.tsv comes with MNLI, or from glue/ax)",
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in TEST_ROWS:
            check_table(by_name[name])
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), by_name[name].read_bytes(), zipfile.ZIP_DEFLATED)
    try:
        write_file(out, content.getvalue())
    except OSError as error:
        raise DataError(
            f"cannot write {safe_line(str(out))}: {error.strerror or error}", hint="choose another --out"
        ) from error
    return out


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
