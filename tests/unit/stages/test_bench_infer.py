"""Do the benches of answers and of starts measure the same work on all sides, and say what they did?"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import typer

from albert_cli.cli.app import build_app
from albert_cli.errors import UsageError
from albert_cli.inference import products
from albert_cli.recipe.requests import BenchInferOptions, BenchStartOptions
from albert_cli.stages.bench import infer, start

SMALL: dict[str, Any] = {
    "size": "tiny", "batches": 1, "rounds": 1, "threads": 1, "device": "cpu", "quiet": True, "json": True
}  # fmt: skip


def result_of(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    assert infer.run(BenchInferOptions(**{**SMALL, **options})) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_all_sides_answer_alike(capsys: pytest.CaptureFixture[str]) -> None:
    others = ("transformers", "onnxruntime") if importlib.util.find_spec("onnxruntime") else ("transformers",)
    ours = ("fp32", "bf16", "int8") if products.int8_runs() else ("fp32", "bf16")
    found = result_of(capsys, sides=ours, versus=others)
    differences = {name: side["largest_difference_to_transformers"] for name, side in found["sides"].items()}
    assert differences["fp32"] < 1e-5
    assert differences["bf16"] < 2e-2
    assert all(value < 1e-5 for name, value in differences.items() if name == "onnxruntime")
    assert found["times_as_fast"]["fp32 / transformers"]["median"] > 0
    assert found["limit"]["fp32"] > 0
    assert found["texts"] == 32
    assert found["threads"] == 1
    assert set(found["products"]) == set(ours)


def test_one_text_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    found = result_of(capsys, workload="predict-1", memory=True)
    assert found["texts"] == 1
    assert found["memory"]["fp32"]["peak_bytes"] >= 0


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    infer.run(BenchInferOptions(**{**SMALL, "json": False, "workload": "predict-1"}))
    assert "texts/s" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [{"workload": "x"}, {"sides": ("x",)}, {"versus": ("x",)}])
def test_what_is_not_there_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        infer.run(BenchInferOptions(**{**SMALL, **wrong}))


def test_starts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
        ran.append(command)
        if "bare.py" in command[1]:  # the one that costs little
            return real(command, environment)
        if "run" in command:
            assert (Path(command[-2]) / "model.safetensors").is_file()
            assert (Path(command[-2]) / "spiece.model").is_file()
        return 1.0, 2.0

    real = start._seconds
    monkeypatch.setattr(start, "_seconds", timed)
    options = BenchStartOptions(rounds=1, size="tiny", threads=1, quiet=True, json=True)
    assert start.run(options, commands=typer.main.get_command(build_app())) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["starts"]) == 4
    assert len(ran) == 8
    assert found["starts"]["bare Typer app --help"]["wall_seconds"]["median"] > 0
    assert found["run_over_import_torch"] == {"wall": 0.0, "processor": 0.0}
