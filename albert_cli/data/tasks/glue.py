"""The tasks of the GLUE benchmark: their columns, classes and official files.

Classes stand in the original's order, which for MNLI differs from that of the hub; labels are therefore mapped by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from albert_cli.data.tasks.spec import ColumnNames, TaskSpec
from albert_cli.errors import DataError
from albert_cli.files.atomic import write_file

_TWO = ("0", "1")
_NLI = ("contradiction", "entailment", "neutral")
DIAGNOSTIC_SPLIT = "test_ax"
"""Split of MNLI that holds the rows of the diagnostic set, which has none to learn from."""
_ENTAILMENT = ("entailment", "not_entailment")


def _aliases(**names: str) -> Mapping[str, str]:
    return MappingProxyType(names)


_COLA = TaskSpec(
    name="cola",
    kind="classification",
    columns=ColumnNames(texts=(("sentence", None),)),
    label_names=_TWO,
    label_aliases=_aliases(unacceptable="0", acceptable="1"),
    folder="CoLA",
    hub_config="cola",
    columns_without_header=("source", "label", "star", "sentence"),
    submission_files={"test": "CoLA.tsv"},
)
_SST2 = TaskSpec(
    name="sst2",
    kind="classification",
    columns=ColumnNames(texts=(("sentence", None),)),
    label_names=_TWO,
    label_aliases=_aliases(negative="0", positive="1"),
    folder="SST-2",
    hub_config="sst2",
    submission_files={"test": "SST-2.tsv"},
)
_MRPC = TaskSpec(
    name="mrpc",
    kind="classification",
    columns=ColumnNames(texts=(("sentence1", "sentence2"), ("#1 String", "#2 String")), label=("label", "Quality")),
    label_names=_TWO,
    label_aliases=_aliases(not_equivalent="0", equivalent="1"),
    folder="MRPC",
    hub_config="mrpc",
    submission_files={"test": "MRPC.tsv"},
)
_STSB = TaskSpec(
    name="stsb",
    kind="regression",
    columns=ColumnNames(texts=(("sentence1", "sentence2"),), label=("label", "score")),
    folder="STS-B",
    hub_config="stsb",
    unlabelled_score=-1.0,
    submission_files={"test": "STS-B.tsv"},
)
_QQP = TaskSpec(
    name="qqp",
    kind="classification",
    columns=ColumnNames(
        texts=(("question1", "question2"),), label=("label", "is_duplicate"), id=("idx", "index", "id")
    ),
    label_names=_TWO,
    label_aliases=_aliases(not_duplicate="0", duplicate="1"),
    folder="QQP",
    hub_config="qqp",
    skip_short_rows=True,
    submission_files={"test": "QQP.tsv"},
)
_MNLI = TaskSpec(
    name="mnli",
    kind="classification",
    columns=ColumnNames(texts=(("premise", "hypothesis"), ("sentence1", "sentence2")), label=("label", "gold_label")),
    label_names=_NLI,
    splits=("train", "dev_matched", "dev_mismatched", "test_matched", "test_mismatched", DIAGNOSTIC_SPLIT),
    folder="MNLI",
    hub_config="mnli",
    file_names={DIAGNOSTIC_SPLIT: ("diagnostic",)},
    submission_files={"test_matched": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv", DIAGNOSTIC_SPLIT: "AX.tsv"},
)
_QNLI = TaskSpec(
    name="qnli",
    kind="classification",
    columns=ColumnNames(texts=(("question", "sentence"),)),
    label_names=_ENTAILMENT,
    folder="QNLI",
    hub_config="qnli",
    submission_files={"test": "QNLI.tsv"},
)
_RTE = TaskSpec(
    name="rte",
    kind="classification",
    columns=ColumnNames(texts=(("sentence1", "sentence2"),)),
    label_names=_ENTAILMENT,
    folder="RTE",
    hub_config="rte",
    submission_files={"test": "RTE.tsv"},
)
_WNLI = TaskSpec(
    name="wnli",
    kind="classification",
    columns=ColumnNames(texts=(("sentence1", "sentence2"),)),
    label_names=_TWO,
    label_aliases=_aliases(not_entailment="0", entailment="1"),
    folder="WNLI",
    hub_config="wnli",
    submission_files={"test": "WNLI.tsv"},
)
_AX = TaskSpec(
    name="ax",
    kind="classification",
    columns=ColumnNames(texts=(("premise", "hypothesis"), ("sentence1", "sentence2"))),
    label_names=_NLI,
    splits=("test",),
    folder="AX",
    hub_config="ax",
    file_names={"test": ("diagnostic",)},
    submission_files={"test": "AX.tsv"},
)

GLUE_TASKS: Mapping[str, TaskSpec] = MappingProxyType(
    {spec.name: spec for spec in (_COLA, _SST2, _MRPC, _STSB, _QQP, _MNLI, _QNLI, _RTE, _WNLI, _AX)}
)


def find_diagnostic(path: str | Path | Sequence[str | Path]) -> Path | None:
    """The file of the diagnostic set, where MNLI's folder is that of all GLUE tasks or stands in it; else None."""
    if not isinstance(path, str | Path) or not Path(path).is_dir():
        return None
    folder = Path(path)
    tops = [folder, folder.parent] if folder.name.lower() == "mnli" else [folder]
    places = [top / name for top in tops for name in ("AX", "diagnostic", "ax")]
    return next((file for place in places if (file := place / "diagnostic.tsv").is_file()), None)


def write_submission(
    spec: TaskSpec,
    rows: Sequence[int] | np.ndarray,
    predictions: Sequence[float] | np.ndarray,
    folder: Path,
    *,
    split: str,
) -> Path:
    """Write predictions as the leaderboard takes them: ``index<TAB>prediction``, one file for each test split.

    Args:
        spec: a GLUE task.
        rows: (N,) the ``idx`` column of the split.
        predictions: (N,) class numbers, or scores for STS-B.
        folder: where the file goes; made if missing.
        split: the test split; it decides the file name (MNLI-m.tsv, MNLI-mm.tsv).

    Returns:
        Path of the file. Classes are written by name, scores with three decimals.

    Raises:
        DataError: the task or split has no official file.
        ValueError: different numbers of rows and predictions.
    """
    file_name = spec.submission_files.get(split)
    if file_name is None:
        raise DataError(
            f"{spec.name} has no official file for the split {split}",
            hint=f"official ones: {', '.join(spec.submission_files) or 'none; write JSONL or TSV instead'}",
        )
    if len(rows) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(rows)} rows")
    names = spec.label_names
    cells = (f"{float(value):.3f}" if names is None else names[int(value)] for value in predictions)
    lines = ["index\tprediction", *(f"{int(row)}\t{cell}" for row, cell in zip(rows, cells, strict=True))]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name
    write_file(path, "\n".join(lines) + "\n")
    return path
