"""What machines with texts of their own agree on, and how a process learns where it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from albert_cli.data.batching import PackedBatch
from albert_cli.data.text_share import WHOLE, Share
from albert_cli.errors import DataError, UsageError
from albert_cli.recipe.pretraining import CorpusData
from albert_cli.stages.each_node import (
    Machines,
    Told,
    machines_with_texts_of_their_own,
    put_together,
    seed_of,
    share_of,
)

LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE")


def launched(monkeypatch: pytest.MonkeyPatch, **values: int) -> None:
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))


def data(each_node: str = "part") -> CorpusData:
    return CorpusData(path="x", each_node=each_node)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # torchrun and accelerate launch: third process of the second machine of two
        (
            {
                "RANK": 6,
                "LOCAL_RANK": 2,
                "WORLD_SIZE": 8,
                "LOCAL_WORLD_SIZE": 4,
                "GROUP_RANK": 1,
                "GROUP_WORLD_SIZE": 2,
            },
            Machines(1, 2, 2, 4),
        ),
        # another launcher that says no more than the numbers of processes
        ({"RANK": 6, "LOCAL_RANK": 2, "WORLD_SIZE": 8, "LOCAL_WORLD_SIZE": 4}, Machines(1, 2, 2, 4)),
        # several processes on one machine, or one in all: nothing to divide
        ({"RANK": 1, "LOCAL_RANK": 1, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}, None),
        ({}, None),
    ],
)
def test_where_a_process_is_follows_from_the_variables_of_launchers(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, int], expected: Machines | None
) -> None:
    launched(monkeypatch, **values)
    assert machines_with_texts_of_their_own(data("part")) == expected
    assert machines_with_texts_of_their_own(data("own")) == expected
    assert machines_with_texts_of_their_own(data("whole")) is None


def test_a_launcher_that_does_not_say_which_machine_it_is_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    launched(monkeypatch, RANK=1, WORLD_SIZE=2)
    with pytest.raises(UsageError, match="must know which machine this is, and LOCAL_WORLD_SIZE is not set"):
        machines_with_texts_of_their_own(data())


def test_a_machine_reads_its_share_only_where_all_see_the_same_text() -> None:
    place = Machines(1, 3, 0, 1)
    assert share_of(data("part"), place) == Share(1, 3)
    assert share_of(data("own"), place) == WHOLE
    assert share_of(data("part"), None) == WHOLE


def test_machines_have_no_random_numbers_in_common() -> None:
    assert len({seed_of(42, "a"), seed_of(42, "b"), seed_of(43, "a"), 42}) == 4


def told(machine: int, process: int = 0, *, text: str | None = None, processes: int = 2, size: int = 100) -> Told:
    batch = PackedBatch(torch.tensor([machine]), torch.tensor([0]), (1,), torch.tensor([0]))
    return Told(
        place=Machines(machine, 2, process, processes),
        text=text or "ab"[machine],
        epoch_size=size + machine,
        counts=np.array([machine, 5]) if process == 0 else None,
        held_out=[batch] if process == 0 else [],
        totals={"tokens": 1000 + machine},
    )


def test_all_machines_count_once_whatever_their_order() -> None:
    said = [told(0), told(0, 1), told(1), told(1, 1)]
    agreed = put_together(said)
    assert agreed.epoch_size == 201
    assert agreed.counts.tolist() == [1, 10]
    assert agreed.totals == {"tokens": 2001}
    assert [int(batch.input_ids[0]) for batch in agreed.held_out] == [0, 1]
    assert agreed.remark == "2 machines, each with its own part of the text: 100 to 101 examples in an epoch"
    turned = [told(0, text="b"), told(0, 1, text="b"), told(1, text="a"), told(1, 1, text="a")]
    assert put_together(turned).fingerprint == agreed.fingerprint
    assert [int(batch.input_ids[0]) for batch in put_together(turned).held_out] == [1, 0]


def test_another_text_is_another_fingerprint() -> None:
    said = [told(0, processes=1), told(1, processes=1)]
    other = [told(0, processes=1), told(1, processes=1, text="c")]
    assert put_together(said).fingerprint != put_together(other).fingerprint


def test_machines_of_different_size_or_with_one_text_are_refused() -> None:
    with pytest.raises(UsageError, match="the same number of processes each"):
        put_together([told(0), told(0, 1), told(1, processes=1)])
    with pytest.raises(UsageError, match="the same number of processes each"):
        put_together([told(0), told(0, 1), told(1)])
    with pytest.raises(DataError, match="2 machines, but only 1 different texts"):
        put_together([told(0, processes=1), told(1, processes=1, text="a")])


def test_very_uneven_parts_are_remarked_on() -> None:
    said = [told(0, processes=1), told(1, processes=1, size=200)]
    assert "a small part is seen more often" in put_together(said).remark
