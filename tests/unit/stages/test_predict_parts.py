"""Parts of a file of predictions: where they end follows from the rows alone, and what is whole is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from albert_cli.errors import DataError
from albert_cli.stages.predict_file import CHARACTERS_AT_ONCE, ROWS_AT_ONCE, costs_of, part_ends
from albert_cli.stages.unfinished import open_unfinished

WITH = {"model": "m1", "input": "i1"}


@pytest.mark.parametrize(
    ("costs", "ends"),
    [
        ([], []),
        ([1], [1]),
        ([0] * (ROWS_AT_ONCE + 1), [ROWS_AT_ONCE, ROWS_AT_ONCE + 1]),
        ([CHARACTERS_AT_ONCE], [1]),
        ([3 * CHARACTERS_AT_ONCE, 1, CHARACTERS_AT_ONCE - 1, 1], [1, 3, 4]),
        ([CHARACTERS_AT_ONCE // 2] * 5, [2, 4, 5]),
    ],
)
def test_parts_are_bounded_in_rows_and_characters(costs, ends):
    assert part_ends(iter(costs)) == ends


def test_a_row_costs_what_a_model_reads_of_it():
    rows = datasets.Dataset.from_dict({"text": ["abc", ""], "text_pair": ["de", None], "label": [0, 1]})
    assert list(costs_of(rows)) == [5, 0]
    choices = {"context": ["1234"], "question": ["12"], "choices": [["a", "bb", "c"]], "id": ["long identifier"]}
    assert list(costs_of(datasets.Dataset.from_dict(choices))) == [3 * 6 + 4]
    assert list(costs_of(datasets.Dataset.from_dict({"tokens": [["ab", "c"], []]}))) == [3, 0]


def test_records_are_read_again_as_they_were(tmp_path: Path):
    records = [{"index": 0, "text": "\u2028 \x00 ß"}, {"index": 1, "score": 0.1 + 0.2}, {"index": 2}]
    with open_unfinished(tmp_path / "out", WITH, resume=False) as file:
        file.append(records[:2])
        file.append(records[2:])
        assert list(file.records()) == list(file.records()) == records
    with open_unfinished(tmp_path / "out", WITH, resume=True) as file:
        assert file.count() == 3
        file.keep(2)
        file.append([{"index": 9}])
        assert list(file.records()) == [*records[:2], {"index": 9}]
        file.discard()
    assert list(tmp_path.iterdir()) == []
    with open_unfinished(None, WITH, resume=False) as file:
        file.append(records)
        assert list(file.records()) == records


def test_who_comes_with_something_else_or_second_is_refused(tmp_path: Path):
    out = tmp_path / "out"
    with open_unfinished(out, WITH, resume=False) as file:
        file.append([{"index": 0}])
        program = (
            "import sys; from pathlib import Path; from albert_cli.stages.unfinished import open_unfinished\n"
            "open_unfinished(Path(sys.argv[1]), {}, resume=False)"
        )
        second = subprocess.run([sys.executable, "-c", program, str(out)], capture_output=True, text=True, check=False)
        assert "another process is writing" in second.stderr
    for changed, said in (({"model": "m2"}, "another model than"), ({"model": "x", "input": "y"}, "and another input")):
        with pytest.raises(DataError, match=said):
            open_unfinished(out, {**WITH, **changed}, resume=True)
    with open_unfinished(out, WITH, resume=True) as file:
        assert file.count() == 1, "refusals changed nothing"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot write"):
        open_unfinished(tmp_path / "file" / "out", WITH, resume=False)
