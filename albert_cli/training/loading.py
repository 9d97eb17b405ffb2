"""How do batches reach the loop? Chosen places of a sequence, fetched ahead by other processes where asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

from torch.utils.data import DataLoader, Dataset

from albert_cli.training.interrupt import ignore_signals

Item = TypeVar("Item")
ItemOut = TypeVar("ItemOut", covariant=True)


class Indexed(Protocol[ItemOut]):
    """Anything that gives an item for a place; a pure function of the place."""

    def __len__(self) -> int:
        """Number of items."""
        ...

    def __getitem__(self, place: int, /) -> ItemOut:
        """The item at a place."""
        ...


def fetch(source: Indexed[Item], places: Indexed[int], *, workers: int = 0, pin: bool = False) -> Iterator[Item]:
    """Items in the order of their places.

    Args:
        source: where they come from; with workers it must pickle.
        places: which ones.
        workers: processes that fetch ahead; 0 fetches when asked.
        pin: put tensors into page-locked memory, from where a GPU copies without waiting.
    """
    loader: DataLoader[Any] = DataLoader(
        _Chosen(source, places),
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin,
        worker_init_fn=ignore_signals,
    )
    return iter(loader)


class _Chosen(Dataset[Any]):
    def __init__(self, source: Indexed[Any], places: Indexed[int]) -> None:
        self._source, self._places = source, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: int) -> Any:
        return self._source[self._places[place]]


def _as_it_is(item: Any) -> Any:
    return item
