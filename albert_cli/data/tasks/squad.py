"""From what a recipe says about its data to the checked splits of a task of questions about texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_cli.data.raw_table import RawTable
from albert_cli.data.sampler import epoch_permutation
from albert_cli.data.split_sources import SPLITS, Paths, SourceTables, read_hub_splits, read_paths, read_source_table
from albert_cli.data.squad_files import SpanQuestion
from albert_cli.data.squad_tables import build_span_dataset, questions_of_table, settle_impossible
from albert_cli.errors import DataError, UsageError
from albert_cli.files.text import safe_line

# Hub data set and version of the files by task; own questions have neither.
_HUB: Mapping[str, str] = {"squad": "rajpurkar/squad", "squad2": "rajpurkar/squad_v2"}
_VERSION: Mapping[str, str] = {"squad": "1", "squad2": "2", "question-answering": "2"}

# As for every other task: a tenth of the training rows, drawn with a fixed seed (data.tasks.load).
_DEV_SHARE = 10
_DEV_SEED = 1909_11942

Labelled = list[tuple[SpanQuestion, bool | None]]  # questions, and whether their texts have no answer


@dataclass(frozen=True)
class SpanData:
    """The splits of a task of questions about texts.

    Attributes:
        name: of the task.
        splits: ``datasets.Dataset`` by split (``train``, ``dev``, ``test``), with the columns of `data.squad_tables`.
        notes: what a user should hear: columns taken, answers that are not where they should be, a dev split taken
            from the training rows.
    """

    name: str
    splits: dict[str, Any]
    notes: tuple[str, ...] = ()


def load_spans(
    task_name: str,
    *,
    path: Paths | None = None,
    dataset: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    split: Mapping[str, str | None] | None = None,
    columns: Mapping[str, str | None] | None = None,
    limit: int | None = None,
) -> SpanData:
    """Load every split, from files or from the hub.

    Args:
        task_name: ``squad``, ``squad2`` or ``question-answering``.
        path: a SQuAD file, a folder of them (``train-v1.1.json``, ``dev-v1.1.json``), CSV, TSV, JSON, JSONL or parquet
            files with a question a row, a ``save_to_disk`` folder, or several files.
        dataset: name on the hub; without one and without a path ``squad`` and ``squad2`` take the official ones.
        config: configuration on the hub.
        revision: commit, tag or branch on the hub.
        split: names of the splits ``train``, ``dev``, ``test`` in the source.
        columns: names of the columns ``question``, ``context``, ``answers``, ``answer_start``, ``id``, ``title``.
        limit: keep only the first so many questions of each split.

    Returns:
        The splits that are there. Without a dev split, texts with about a tenth of the training questions become it.

    Raises:
        DataError: anything wrong with the data, located.
        UsageError: no such task.
    """
    if task_name not in _VERSION:
        raise UsageError(f"no task {safe_line(task_name)!r} of questions", hint=f"known: {', '.join(_VERSION)}")
    chosen, wanted = _given(split), _given(columns)
    if path is not None:
        inside = [config or "", "data", "squad"]
        source = read_paths(path, chosen=chosen, inside=inside, version=_VERSION[task_name])
    elif dataset is not None or task_name in _HUB:
        source = read_hub_splits(dataset or _HUB[task_name], config=config, revision=revision, chosen=chosen)
    else:
        raise DataError(
            f"{task_name} needs questions: neither data.path nor data.dataset is set",
            hint="--set data.path=DIR_OR_FILE",
        )
    _check_chosen(source, chosen)
    notes = list(source.notes)
    splits: dict[str, Labelled] = {}
    for name, tables in source.tables.items():
        rows = _questions(tables, name, wanted=wanted, notes=notes, needs_answers=name != "test")
        splits[name] = list(zip(rows, settle_impossible(rows), strict=True))
    for name in ("train", "dev"):
        _require_labels(splits.get(name, []), split=name)
    _add_dev_split(splits, notes)
    kept = {name: build_span_dataset(splits[name][:limit]) for name in SPLITS if name in splits}
    return SpanData(task_name, kept, tuple(notes))


def load_span_file(
    task_name: str, path: str | Path, *, columns: Mapping[str, str | None] | None = None, limit: int | None = None
) -> SpanData:
    """Load one file to predict, as the split ``test``; answers may be missing.

    Raises:
        DataError: it cannot be read, or holds no questions.
    """
    return _as_test(task_name, read_source_table(Path(path)), columns=columns, limit=limit)


def load_span_records(
    task_name: str,
    records: Sequence[Mapping[str, Any]],
    *,
    columns: Mapping[str, str | None] | None = None,
    source: str = "stdin",
) -> SpanData:
    """Take JSON objects to predict, each with ``question`` and ``context``, as the split ``test``.

    Raises:
        DataError: one has no question or no context.
    """
    names = dict.fromkeys(name for record in records for name in record)
    table = RawTable(source=source, columns={name: [record.get(name) for record in records] for name in names})
    return _as_test(task_name, table, columns=columns, limit=None)


def _as_test(
    task_name: str, table: RawTable, *, columns: Mapping[str, str | None] | None, limit: int | None
) -> SpanData:
    notes: list[str] = []
    rows = _questions([table], "test", wanted=_given(columns), notes=notes, needs_answers=False)
    labelled = list(zip(rows, settle_impossible(rows), strict=True))
    return SpanData(task_name, {"test": build_span_dataset(labelled[:limit])}, tuple(notes))


def _questions(
    tables: Sequence[RawTable], split: str, *, wanted: Mapping[str, str], notes: list[str], needs_answers: bool
) -> list[SpanQuestion]:
    """Questions of all tables of a split."""
    found: list[SpanQuestion] = []
    counts: Counter[str] = Counter()
    for table in tables:
        rows, taken = questions_of_table(table, chosen=wanted, needs_answers=needs_answers, counts=counts)
        found.extend(rows)
        note = f"columns of {split}: {taken}"
        if taken != "articles of SQuAD" and note not in notes:
            notes.append(note)
    notes.extend(f"{split}: {line}" for line in _findings(found, counts))
    return found


def _findings(questions: Sequence[SpanQuestion], counts: Counter[str]) -> list[str]:
    """What should be said about the rows of a split."""
    lines = []
    answers = sum(counts[kind] for kind in ("exact", "moved", "differs", "missing"))
    off = answers - counts["exact"]
    if off:
        lines.append(
            f"{off:,} of {answers:,} answers are not at their answer_start: {counts['moved']:,} are found elsewhere in "
            f"their text, of {counts['differs']:,} the characters there are taken, {counts['missing']:,} are nowhere"
        )
    if counts["contradictions"]:
        lines.append(
            f"{counts['contradictions']:,} questions are marked is_impossible and have answers: left unanswered"
        )
    ids = Counter(one.id for one in questions if one.id is not None)
    twice = [name for name, count in ids.items() if count > 1]
    if twice:
        lines.append(f"{len(twice):,} ids are there more than once, such as {safe_line(twice[0], limit=60)!r}")
    return lines


def _require_labels(rows: Labelled, *, split: str) -> None:
    """Refuse a question of a split to learn from or to score of which nobody knows the answer."""
    question = next((question for question, flag in rows if flag is None), None)
    if question is None:
        return
    raise DataError(
        f"a question of the {split} split without an answer, and not marked is_impossible ({question.place})",
        hint="questions to predict belong into the test split: --set data.split.test=NAME, or `albert predict`",
    )


def _add_dev_split(splits: dict[str, Labelled], notes: list[str]) -> None:
    """Take about a tenth of the training questions for scoring if there is no dev split; no text is in both."""
    if "train" not in splits or "dev" in splits:
        return
    train = splits["train"]
    if len(train) < 2:
        raise DataError("one question only", hint="training needs questions to learn from and to score")
    numbers: dict[str, int] = {}
    groups = [numbers.setdefault(question.context, len(numbers)) for question, _ in train]
    if len(numbers) == 1:  # nothing to keep apart
        groups = list(range(len(groups)))
    sizes = Counter(groups)
    left = max(1, round(len(groups) / _DEV_SHARE))
    held: set[int] = set()
    for group in epoch_permutation(len(sizes), seed=_DEV_SEED, epoch=0).tolist()[: len(sizes) - 1]:
        if left <= 0:
            break
        held.add(group)
        left -= sizes[group]
    splits["train"] = [row for row, group in zip(train, groups, strict=True) if group not in held]
    splits["dev"] = dev = [row for row, group in zip(train, groups, strict=True) if group in held]
    notes.append(
        f"no dev split found: {len(dev):,} of {len(groups):,} training questions, whole texts drawn once with a fixed "
        "seed, are it"
    )


def _check_chosen(source: SourceTables, chosen: Mapping[str, str]) -> None:
    for role, name in chosen.items():
        if role not in source.tables:
            raise DataError(
                f"no split {safe_line(name)!r} for data.split.{role}; found: {', '.join(source.tables)}",
                hint="name a file without its ending, or a split of the data set",
            )


def _given(values: Mapping[str, str | None] | None) -> dict[str, str]:
    return {name: value for name, value in (values or {}).items() if value is not None}
