"""How are parquet files and folders of ``datasets.save_to_disk`` read?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from albert_cli.data.raw_table import RawTable, empty_table_error
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line


def read_parquet(path: Path) -> RawTable:
    """Read one parquet file; the classes that ``datasets`` notes in its schema are kept.

    Raises:
        DataError: not parquet, damaged, or without rows.
    """
    import datasets
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
        features = datasets.Features.from_arrow_schema(table.schema)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"cannot read parquet: {safe_line(str(error))} ({safe_line(str(path))})",
            hint="check that the file is parquet and complete",
        ) from error
    return table_of_arrow(table, features, source=str(path))


def is_saved_dataset(folder: Path) -> bool:
    """Whether ``datasets`` saved a data set, or a dictionary of them, into this folder."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def read_saved(folder: Path) -> dict[str, RawTable]:
    """Read a folder of ``datasets.save_to_disk``.

    Returns:
        Table by split name; a lone data set stands under its own split's name, or else the folder's.

    Raises:
        DataError: a damaged folder.
    """
    import datasets

    try:
        found = datasets.load_from_disk(str(folder))
        if isinstance(found, datasets.Dataset):
            found = {str(found.split) if found.split is not None else folder.name: found}
        return {str(name): table_of_dataset(part, source=f"{folder}/{name}") for name, part in found.items()}
    except DataError:
        raise
    except Exception as error:  # json, pyarrow, OSError and errors of the library: all mean a folder it did not finish
        raise DataError(
            f"cannot read the saved data set: {safe_line(str(error))} ({safe_line(str(folder))})",
            hint="save it again with save_to_disk, and copy the whole folder",
        ) from error


def table_of_dataset(dataset: Any, *, source: str) -> RawTable:
    """Columns of a ``datasets.Dataset``, with a selection or shuffle that it carries applied."""
    flat = dataset.with_format(None)
    if flat._indices is not None:
        flat = flat.flatten_indices(keep_in_memory=True)
    return table_of_arrow(flat.data, flat.features, source=source)


def table_of_arrow(table: Any, features: Any, *, source: str) -> RawTable:
    """Columns of an Arrow table; class numbers become class names, and -1 becomes None.

    Args:
        table: ``pyarrow.Table``, or the table of a ``datasets.Dataset``.
        features: ``datasets.Features`` of it.
        source: file or name for messages.

    Raises:
        DataError: no rows, or a class number without a name.
    """
    if table.num_rows == 0:
        raise empty_table_error(source)
    columns: dict[str, list[Any]] = {}
    class_names: dict[str, tuple[str, ...]] = {}
    for name in table.column_names:
        values = _values(table.column(name), place=f"{safe_line(source)}, column {safe_line(name)}")
        names = _class_names(features[name])
        if names is not None:
            class_names[name] = names
            values = [_named(value, names, place=f"{safe_line(source)}, row {row}") for row, value in enumerate(values)]
        columns[name] = values
    return RawTable(source=source, columns=columns, class_names=class_names)


def _values(column: Any, *, place: str) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError) as error:  # texts of other bytes, dates beyond the calendar
        raise DataError(
            f"values that cannot be read: {safe_line(str(error))} ({place})", hint="check how the file was written"
        ) from None
    return values


def _class_names(feature: Any) -> tuple[str, ...] | None:
    """Names of a ClassLabel column, or of a column of lists of them."""
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    return None if names is None else tuple(names)


def _named(value: Any, names: tuple[str, ...], *, place: str) -> Any:
    if isinstance(value, list):
        return [_named(item, names, place=place) for item in value]
    if value is None or value == -1:
        return None
    if not 0 <= value < len(names):
        raise DataError(f"class {value} of {len(names)} ({place})", hint="check how the data set was written")
    return names[value]
