"""How is a data set of the hub loaded, and what is said when that fails?

The client retries for about twenty seconds where there is no network, and its messages name neither the cause nor a way
out. So the hub is asked one short question first; if it does not answer, only the local cache is looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from albert_cli.data.raw_table import RawTable
from albert_cli.data.readers_arrow import table_of_dataset
from albert_cli.data.text_share import WHOLE, Share
from albert_cli.errors import DataError
from albert_cli.files.text import safe_line

_PROBE_SECONDS = 3.0
_LOCAL_HINT = "get the files yourself and name them: --set data.path=DIR_OR_FILE"


def read_hub(name: str, *, config: str | None = None, revision: str | None = None) -> dict[str, RawTable]:
    """Load every split of a hub data set, or of its copy in the local cache.

    Args:
        name: such as ``nyu-mll/glue``.
        config: its configuration, such as ``sst2``.
        revision: commit, tag or branch.

    Returns:
        Table by the hub's split name.

    Raises:
        DataError: not reachable, not found, gated, a script instead of data, damaged; the hint names ``data.path``.
    """
    import datasets

    shown = safe_line(name if config is None else f"{name} ({config})")
    reason = _why_unreachable(name)
    try:
        with _offline(reason is not None):
            found = datasets.load_dataset(name, config, revision=revision)
    except Exception as error:  # builtin and library errors of many kinds; each is translated below
        raise _translated(error, shown=shown, unreachable=reason) from error
    if not isinstance(found, dict):
        raise DataError(f"the hub data set {shown} has no splits", hint=_LOCAL_HINT)
    return {str(split): table_of_dataset(part, source=f"{shown}/{split}") for split, part in found.items()}


def fetch_hub(name: str, folder: Path, *, config: str | None = None, revision: str | None = None) -> dict[str, int]:
    """Write every split of a hub data set into a folder, as ``<split>.parquet``, which `data.path` reads.

    Args:
        name: such as ``nyu-mll/glue``.
        folder: where to; it exists.
        config: its configuration.
        revision: commit, tag or branch.

    Returns:
        Rows by split.

    Raises:
        DataError: as ``read_hub``.
    """
    import datasets

    shown = safe_line(name if config is None else f"{name} ({config})")
    reason = _why_unreachable(name)
    try:
        with _offline(reason is not None):
            found = datasets.load_dataset(name, config, revision=revision)
        for split, rows in found.items():
            rows.to_parquet(str(folder / f"{split}.parquet"))
    except Exception as error:  # builtin and library errors of many kinds; each is translated below
        raise _translated(error, shown=shown, unreachable=reason) from error
    return {str(split): len(rows) for split, rows in found.items()}


def hub_commit(name: str, revision: str | None) -> str | None:
    """The commit that a revision of a hub data set is now, or None where the hub cannot be asked."""
    import huggingface_hub

    try:
        return huggingface_hub.HfApi().dataset_info(name, revision=revision, timeout=_PROBE_SECONDS).sha
    except Exception:  # whatever the transport raises: the rows are there, only their commit is not known
        return None


def stream_hub(
    name: str, *, config: str | None, revision: str | None, split: str, share: Share = WHOLE
) -> Iterator[dict[str, Any]]:
    """Rows of one split of a hub data set, fetched as they are read; of its copy in the cache where there is no hub.

    Args:
        name: such as ``Salesforce/wikitext``.
        config: its configuration.
        revision: commit, tag or branch.
        split: of the data set.
        share: the part to read: whole files if their number can be divided so, else every so-manieth row.

    Raises:
        DataError: as ``read_hub``, also when the connection breaks on the way.
    """
    import datasets

    shown = safe_line(name if config is None else f"{name} ({config})")
    reason = _why_unreachable(name)
    try:
        with _offline(reason is not None):
            rows = datasets.load_dataset(name, config, revision=revision, split=split, streaming=reason is None)
        yield from _own_rows(rows, share)
    except Exception as error:  # builtin and library errors of many kinds; each is translated below
        raise _translated(error, shown=shown, unreachable=reason) from error


def _own_rows(rows: Any, share: Share) -> Iterator[dict[str, Any]]:
    from datasets import IterableDataset
    from datasets.distributed import split_dataset_by_node

    if share == WHOLE:
        return iter(rows)
    if isinstance(rows, IterableDataset):
        return iter(split_dataset_by_node(rows, rank=share.number, world_size=share.count))
    return islice(rows, share.number, None, share.count)


def _why_unreachable(name: str) -> str | None:
    """Why the hub cannot be asked, or None if it answers, if only to say that it knows no such data set."""
    import huggingface_hub
    from huggingface_hub import constants, errors

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        huggingface_hub.HfApi().dataset_info(name, timeout=_PROBE_SECONDS)
    except (errors.HfHubHTTPError, errors.HFValidationError):
        return None  # it answered; the loader below says what is wrong
    except Exception as error:  # the transport (requests, httpx) has its own families of errors
        return f"no answer from {constants.ENDPOINT}: {safe_line(str(error), limit=80)}"
    return None


@contextmanager
def _offline(active: bool) -> Iterator[None]:
    """Let the client look into its cache only; both libraries read their switch from these two places."""
    import datasets
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    if active:
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


def _translated(error: Exception, *, shown: str, unreachable: str | None) -> DataError:
    """One line that says what is wrong, for what the client raises."""
    from datasets import exceptions

    text = safe_line(str(error))
    if isinstance(error, DataError):
        return error
    if unreachable is not None:
        return DataError(f"the data set {shown} is not on this machine, and {unreachable}", hint=_LOCAL_HINT)
    if isinstance(error, ConnectionError):
        return DataError(f"the hub did not answer for {shown}: {text}", hint=_LOCAL_HINT)
    if "script" in text.lower() and isinstance(error, RuntimeError):
        hint = f"try --set data.revision=refs/convert/parquet, or {_LOCAL_HINT}"
        return DataError(f"the hub data set {shown} is a script, and scripts of others are not run", hint=hint)
    if isinstance(error, exceptions.DatasetNotFoundError):
        hint = f"check data.dataset and data.revision (a gated one needs `hf auth login`), or {_LOCAL_HINT}"
        return DataError(f"no data set {shown} on the hub, or no permission to read it", hint=hint)
    if isinstance(error, ValueError):  # an unknown configuration or split; the message lists the known ones
        return DataError(f"the hub data set {shown}: {text}", hint="check data.config")
    if isinstance(error, StopIteration):
        return DataError(f"the hub data set {shown} has an empty file", hint=_LOCAL_HINT)
    cause = error.__cause__ if isinstance(error, exceptions.DatasetGenerationError) and error.__cause__ else error
    kind = type(cause).__name__
    return DataError(f"loading {shown} from the hub failed: {kind}: {safe_line(str(cause))}", hint=_LOCAL_HINT)
