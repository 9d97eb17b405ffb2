"""What the doctor says of a machine, and of steps that fail."""

from __future__ import annotations

import http.server
import json
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from albert_cli.errors import DataError, TrainingError
from albert_cli.report.checklist import Check
from albert_cli.stages import doctor, doctor_machine
from albert_cli.stages.doctor_machine import EXTRAS, hub_check, machine_checks

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the steps count."""
    monkeypatch.setattr(doctor, "machine_checks", lambda: iter([Check("disk", "note", "little")]))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, no_machine: None) -> dict[str, Any]:
    """Steps that do nothing, or what a test puts here: name -> exception."""
    faults: dict[str, Any] = {}

    def work(name: str) -> Any:
        def done(self: Any, talk: Any) -> str:
            if name in faults:
                raise faults[name]
            return "done"

        return done

    for name in ("tokenizer", "pretrain", "finetune", "evaluate", "predict", "fill_mask", "convert_there"):
        monkeypatch.setattr(doctor._Life, name, work(name))
    monkeypatch.setattr(doctor._Life, "convert_back", work("convert_back"))
    return faults


def _states(out: str) -> dict[str, str]:
    return {step["name"]: step["state"] for step in json.loads(out)["steps"]}


def test_all_well(steps: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("! disk")
    assert [line[0] for line in lines[1:]] == ["✓"] * 9
    assert lines[-1].startswith("✓ all well")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("no text here", hint="write some"), 3, "error: no text here; try: write some"),
        (TrainingError("the loss is nan"), 4, "error: the loss is nan"),
        (ZeroDivisionError("by zero"), 1, "error: ZeroDivisionError: by zero"),
    ],
)
def test_a_failed_step_is_told_and_what_needs_it_is_left_out(
    steps: dict[str, Any], capsys: pytest.CaptureFixture[str], error: Exception, code: int, said: str
) -> None:
    steps["pretrain"] = error
    assert doctor.run(json=True) == code
    out = capsys.readouterr().out
    states = _states(out)
    assert states.pop("train-tokenizer") == "ok"
    assert states.pop("pretrain") == "failed"
    assert set(states.values()) == {"skipped"}
    result = json.loads(out)
    assert result["ok"] is False
    assert said in next(step["said"] for step in result["steps"] if step["name"] == "pretrain")


def test_a_failed_step_does_not_hide_those_that_do_not_need_it(
    steps: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    steps["finetune"] = DataError("no rows")
    assert doctor.run(json=True) == 3
    states = _states(capsys.readouterr().out)
    assert states["eval"] == states["predict"] == "skipped"
    assert states["run fill-mask"] == states["convert back"] == "ok"


def test_the_first_failure_gives_the_code(steps: dict[str, Any]) -> None:
    steps["finetune"], steps["convert_there"] = RuntimeError("ours"), DataError("theirs")
    assert doctor.run(json=True) == 1


def test_debug_shows_the_traceback_on_stderr(steps: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    steps["predict"] = RuntimeError("ours")
    doctor.run(json=True, debug=True)
    assert "Traceback" in capsys.readouterr().err
    doctor.run(json=True)
    assert capsys.readouterr().err == ""


def test_the_machine_is_described_and_nothing_of_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = {check.name: check for check in machine_checks()}
    assert set(found) == {"albert", "processor", "matrix products", "accelerator", "memory", "disk", "extras", "hub"}
    assert all(check.state in ("ok", "note") for check in found.values())
    assert "GFLOP/s" in found["matrix products"].said
    assert "HF_HUB_OFFLINE" in found["hub"].said


def test_threads_that_leave_cores_idle_or_crowd_them_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "--threads 8" in doctor_machine._threads("cpu", 8, 1).said
    assert doctor_machine._threads("cpu", 2, 8).state == "note"
    monkeypatch.delenv("OMP_NUM_THREADS")
    # Torch leaves the second threads of cores alone; that is as it should be.
    assert doctor_machine._threads("cpu", 8, 4).state == "ok"


def test_little_memory_and_little_disk_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_machine._memory(2**34, 2**30).state == "note"
    assert doctor_machine._memory(2**34, 2**33).state == "ok"
    monkeypatch.setattr(doctor_machine, "free_bytes", lambda path: 2**30)
    assert doctor_machine._disk(Path(), Path()).state == "note"


def test_missing_extras_come_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "find_spec", lambda name: None if name == "matplotlib" else object())
    assert "pip install 'albert-cli[plot]'" in doctor_machine._extras().said


def test_every_extra_of_the_package_is_looked_for() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(declared) - {"dev"}


@pytest.fixture
def server() -> Iterator[str]:
    """An address on this machine that answers HEAD, and refuses it as hubs may."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_a_hub_that_answers(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", server)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert hub_check().state == "ok"


def test_a_hub_that_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = hub_check()
    assert found.state == "note"
    assert "out of reach" in found.said


def test_a_hub_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    answer = threading.Event()
    monkeypatch.setattr(doctor_machine, "_ask", lambda *_: answer.wait(30) and None)
    assert "no answer within 0.05 s" in hub_check(0.05).said
    answer.set()
