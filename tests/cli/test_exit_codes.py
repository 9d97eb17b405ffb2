"""How each kind of failure leaves the program: two lines on stderr and its own exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from albert_cli import errors

ALBERT = [sys.executable, "-m", "albert_cli"]


def raises(error: BaseException) -> Callable[[], None]:
    def behaviour() -> None:
        raise error

    return behaviour


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("wrong", hint="do this"), 2),
        (errors.DataError("wrong", hint="do this"), 3),
        (errors.ModelError("wrong", hint="do this"), 3),
        (errors.CheckpointError("wrong", hint="do this"), 3),
        (errors.TrainingError("wrong", hint="do this"), 4),
        (errors.ThresholdError("wrong", hint="do this"), 5),
        (errors.Interrupted(signal.SIGINT, "wrong", hint="do this"), 130),
        (errors.Interrupted(signal.SIGTERM, "wrong", hint="do this"), 143),
    ],
)
def test_every_kind_of_error_has_its_code(albert: Any, stage: Any, recipes: Path, error: Exception, code: int) -> None:
    stage("albert_cli.stages.finetune", raises(error))
    outcome = albert("finetune", recipes / "finetune.yaml")
    assert outcome.code == code
    assert outcome.err == "error: wrong\ntry: do this\n"
    assert outcome.out == ""


def test_a_defect_is_said_in_two_lines_without_traceback(albert: Any, stage: Any, recipes: Path) -> None:
    stage("albert_cli.stages.finetune", raises(ZeroDivisionError("a\nb")))
    outcome = albert("finetune", recipes / "finetune.yaml")
    assert outcome.code == 1
    assert outcome.err == (
        "error: a defect in albert: ZeroDivisionError: a b\ntry: run again with --debug and report the traceback\n"
    )


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), errors.DataError("wrong")])
def test_debug_shows_the_traceback_too(albert: Any, stage: Any, recipes: Path, error: Exception) -> None:
    stage("albert_cli.stages.finetune", raises(error))
    outcome = albert("finetune", recipes / "finetune.yaml", "--debug")
    assert "Traceback (most recent call last)" in outcome.err
    assert "error: " in outcome.err


def test_ctrl_c_is_130_and_silent(albert: Any, stage: Any, recipes: Path) -> None:
    stage("albert_cli.stages.finetune", raises(KeyboardInterrupt()))
    outcome = albert("finetune", recipes / "finetune.yaml")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


def test_the_stages_own_code_is_kept(albert: Any, stage: Any, recipes: Path) -> None:
    stage("albert_cli.stages.finetune", lambda: 3)
    assert albert("finetune", recipes / "finetune.yaml").code == 3


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["finetun"], "no command 'finetun' (albert)", "did you mean `albert finetune`?"),
        (["xyzzy"], "no command 'xyzzy' (albert)", "albert --help"),
        (["recipe", "chek"], "no command 'chek' (albert recipe)", "did you mean `albert recipe check`?"),
        (["finetune"], "missing argument 'RECIPE' (albert finetune)", "albert finetune --help"),
        (["env", "x"], "got unexpected extra argument(s) (x) (albert env)", "albert env --help"),
        (
            ["eval", "x", "--fail-under", "f1"],
            "--fail-under must be METRIC=VALUE, found 'f1'",
            "--fail-under accuracy=0.9",
        ),
        (["run"], "no task named (albert run)", None),
        (["run", "--task", "fil-mask"], "no task 'fil-mask' (albert run)", None),
        (["train-tokenizer"], "neither a recipe nor --input (albert train-tokenizer)", None),
        (
            ["pretrain", "--nproc", "x", "r"],
            "invalid value for '--nproc': must be a valid integer (albert pretrain)",
            None,
        ),
        (["finetune", "glue/sst2", "--precision", "fp8"], None, "albert finetune --help"),
        (["env", "--nproc", "2"], "no option --nproc (albert env)", None),
    ],
)
def test_wrong_usage_is_two_lines_and_2(albert: Any, arguments: list[str], error: str | None, hint: str | None) -> None:
    outcome = albert(*arguments)
    lines = outcome.err.splitlines()
    assert outcome.code == 2
    assert outcome.out == ""
    assert len(lines) == 2
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("try: ")
    assert error is None or lines[0] == f"error: {error}"
    assert hint is None or lines[1] == f"try: {hint}"


def test_a_misspelt_option_is_recognised(albert: Any) -> None:
    outcome = albert("finetune", "glue/sst2", "--sed", "3")
    assert outcome.code == 2
    assert outcome.err.splitlines()[0] == "error: no option --sed (albert finetune)"
    assert "did you mean --seed" in outcome.err


def test_wrong_usage_with_escape_sequences_is_shown_harmless(albert: Any) -> None:
    outcome = albert("\x1b]0;title\x07")
    assert outcome.code == 2
    assert "\x1b" not in outcome.err
    assert "\x07" not in outcome.err


def test_every_problem_of_a_recipe_is_a_line(albert: Any, recipes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recipes)
    outcome = albert("finetune", "five_mistakes.yaml")
    assert outcome.code == 2
    lines = outcome.err.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["error:"] * 5 + ["try:"]
    assert [line.split(" ")[1].partition(":")[2] for line in lines[:5]] == ["2", "6", "8", "10", "13"]


def test_another_rank_stays_quiet(albert: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    outcome = albert("finetune", "no/such/recipe")
    assert (outcome.code, outcome.err) == (2, "")


@pytest.mark.parametrize("command", ["--help", "finetune --help", "recipe ls --json"])
def test_a_reader_that_is_gone_from_the_start_is_silent(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run([*ALBERT, *command.split()], stdout=pipe, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 141
    assert done.stderr == b""


def test_bytes_that_are_not_utf8_on_the_command_line_do_no_harm() -> None:
    done = subprocess.run(
        [*map(os.fsencode, ALBERT), b"finetune", b"\xff\xfe.yaml"], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: no recipe ")
    assert b"Traceback" not in done.stderr
