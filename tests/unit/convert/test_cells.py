"""Every cell of the table of conversions: a model of that head, truly converted or refused in one line."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_models

from albert_cli.cli.app import main
from albert_cli.convert import onnx_export
from albert_cli.convert.cells import HEADS, SOURCES, TARGETS, Cell, Head, cells, markdown, summary
from albert_cli.convert.content import Content
from albert_cli.convert.formats import read_checkpoint
from albert_cli.convert.verify import digest
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.stages.convert import convert

PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "convert.md"
CONVERTED = [cell for cell in cells() if cell.refused is None]
REFUSED = [cell for cell in cells() if cell.refused is not None]
KEPT = ("num_hidden_groups", "inner_group_num", "hidden_act", "id2label", "problem_type", "classifier_dropout_prob")


def name(cell: Cell) -> str:
    return f"{cell.source}-{cell.target}-{cell.head.key}"


@pytest.fixture(scope="module")
def source_of(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Path) -> Callable[[str, Head], Path]:
    """A directory of a head in a format: made in ``hf``, and converted from there."""
    folder = tmp_path_factory.mktemp("sources")

    def make(format_: str, head: Head) -> Path:
        place = folder / f"{format_}-{head.key}"
        if not place.exists() and format_ == "hf":
            sizes = {"hidden_size": 32, "intermediate_size": 48, "embedding_size": 16}
            layers = {"num_hidden_layers": 2, "num_hidden_groups": 2, "inner_group_num": 2}
            tiny_models.make_model(head.model_class, place, tokenizer=tiny_tokenizer, **sizes, **layers, **head.config)
        elif not place.exists():
            convert(ConvertRequest(source=str(make("hf", head)), target=str(place), to=format_, quiet=True))
        return place

    return make


def weights(folder: Path, format_: str, head: Head) -> dict[str, bytes]:
    return {name: digest(tensor) for name, tensor in read_checkpoint(folder, format_).state.items()}


def test_the_page_has_the_table() -> None:
    begin, end = "<!-- cells -->\n", "<!-- /cells -->"
    text = PAGE.read_text(encoding="utf-8")
    assert text.split(begin)[1].split(end)[0] == markdown(), "put cells.markdown() there"


def test_the_counts() -> None:
    listed = cells()
    assert len({name(cell) for cell in listed}) == len(listed)
    assert (len(CONVERTED), len(REFUSED)) == (272, 10)
    assert len(HEADS) * len(SOURCES) * len(TARGETS) == 272 + 10 + 18
    assert "272, none skipped. 10 more" in summary()
    assert Counter(cell.target for cell in REFUSED) == {"tf1": 4, "tf2": 3, "flax": 3}


@pytest.mark.parametrize("cell", [cell for cell in CONVERTED if cell.target != "onnx"], ids=name)
def test_a_cell_converts(cell: Cell, source_of: Callable[[str, Head], Path], tmp_path: Path) -> None:
    source, target = source_of(cell.source, cell.head), tmp_path / "out"
    report = convert(ConvertRequest(source=str(source), target=str(target), to=cell.target, quiet=True))
    assert (report.source_format, report.target_format) == (cell.source, cell.target)
    assert report.head == cell.head.model_class
    assert report.tensors
    assert all(line.is_equal and line.target for line in report.tensors)
    assert report.largest_difference == 0.0
    first = source_of("hf", cell.head)
    assert weights(target, cell.target, cell.head) == weights(first, "hf", cell.head)
    before = json.loads((first / "config.json").read_text())
    after = read_checkpoint(target, cell.target).config.to_dict()
    assert {key: after.get(key) for key in KEPT} == {key: before.get(key) for key in KEPT}


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.key)
def test_onnx_cells(
    head: Head, source_of: Callable[[str, Head], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From every format. The exporter works once for weights and a configuration that it has seen: it takes seconds."""
    exported: dict[str, Path] = {}
    write = onnx_export.write

    def once(content: Content, directory: Path, **options: Any) -> None:
        seen = {name: digest(tensor).hex() for name, tensor in content.state.items()}
        numbers = {
            key: value for key, value in content.config.to_dict().items() if key not in ("dtype", "architectures")
        }
        key = json.dumps([content.head, numbers, seen], sort_keys=True)
        if key in exported:
            shutil.copytree(exported[key], directory, dirs_exist_ok=True)
        else:
            write(content, directory, **options)
            exported[key] = shutil.copytree(directory, tmp_path / f"kept-{len(exported)}")

    monkeypatch.setattr(onnx_export, "write", once)
    mine = [cell for cell in CONVERTED if cell.target == "onnx" and cell.head is head]
    for cell in mine:
        source, target = source_of(cell.source, head), tmp_path / cell.source
        report = convert(ConvertRequest(source=str(source), target=str(target), to="onnx", quiet=True))
        assert (report.source_format, report.head) == (cell.source, head.model_class)
        assert report.largest_difference < 1e-4
        assert sum(line.is_equal for line in report.tensors) > len(report.tensors) // 4
    assert len(exported) == 1
    assert len(mine) == {"tokens": 4, "beam": 3}.get(head.key, 5)


@pytest.mark.parametrize("cell", REFUSED, ids=name)
def test_a_refused_cell_is_one_line_and_exit_code_3(
    cell: Cell, source_of: Callable[[str, Head], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = source_of(cell.source, cell.head)
    code = main(["convert", str(source), str(tmp_path / "out"), "--to", cell.target])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert code == 3
    assert len(errors) == 1
    assert cell.refused
    assert cell.refused in errors[0]
    assert not list(tmp_path.iterdir())
