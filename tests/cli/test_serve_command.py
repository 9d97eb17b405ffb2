"""`albert serve` from the command line: what is refused at once, what is printed, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def served(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """`albert serve` in a process of its own."""
    command = [sys.executable, "-m", "albert_cli", "serve", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(url: str, value: Any, **headers: str) -> tuple[int, Any]:
    wanted = urllib.request.Request(url, json.dumps(value).encode(), headers)
    try:
        with urllib.request.urlopen(wanted, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    process.send_signal(number)
    code = process.wait(30)
    assert process.stderr is not None
    return code, process.stderr.read()


def test_it_serves_the_models_own_task_and_ends_politely(tiny_model: Callable[..., Path]) -> None:
    model = tiny_model("AlbertForMaskedLM")
    with served("--model", model, "--port", "0") as one, served("--model", model, "--port", "0", "--json") as other:
        url, said = first_line(one), json.loads(first_line(other))
        assert said == {"schema_version": 1, "url": said["url"], "task": "fill-mask", "model": model.name}
        status, answer = ask(f"{url}fill-mask", {"text": "the [MASK] of france"})
        assert (status, answer["index"], len(answer["results"])) == (200, 0, 5)
        assert ask(f"{said['url']}fill-mask", "no mask")[0] == 422
        assert ask(f"{url}fill-mask", "a [MASK]", Host="evil.example")[0] == 403
        assert str(model.parent) not in json.dumps(ask(f"{url}nowhere", "x")[1])
        code, talk = end(one, signal.SIGTERM)
        assert (code, talk.splitlines()[-1]) == (143, "error: stopped by SIGTERM; what was asked before is answered")
        assert "answers fill-mask" in talk
        assert end(other, signal.SIGINT)[0] == 130


def test_the_help_has_examples(albert: Any) -> None:
    outcome = albert("serve", "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert "albert serve --model runs/sst2" in outcome.out
    assert "curl -d" in outcome.out


def test_without_the_extra_it_says_how_to_get_it(albert: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "uvicorn" else real(name, *rest)
    )
    outcome = albert("serve", "--model", "anything")
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        "error: albert serve needs uvicorn, which is not installed",
        "try: pip install 'albert-cli[serve]'",
    ]


def test_what_cannot_work_is_refused_before_anything_is_served(
    albert: Any, tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    masked, classifier = tiny_model("AlbertForMaskedLM"), tiny_model("AlbertForSequenceClassification")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = [
            (["--model", masked, "--task", "fill-musk"], 2, "no task 'fill-musk' (albert serve)", "fill-mask"),
            (["--model", masked, "--pooling", "cls"], 2, "--pooling is for feature-extraction", "leave --pooling out"),
            (["--model", masked, "--port", port], 2, f"cannot listen on 127.0.0.1:{port}", "--port 0"),
            (["--model", masked, "--host", "203.0.113.7"], 2, "cannot listen on 203.0.113.7:8000", "--port 0"),
            (["--model", masked, "--port", "70000"], 2, "less than or equal to 65535", "--help"),
            (["--model", masked, "--timeout", "0"], 2, "--timeout", "--help"),
            (["--model", tmp_path], 3, str(tmp_path), ""),
            (["--model", classifier, "--task", "fill-mask", "--port", "0"], 3, "no trained weights", "pretrain"),
            (
                ["--model", classifier, "--task", "zero-shot-classification", "--port", "0", "--labels", "a,b"],
                3,
                "a class called entailment",
                "glue/mnli",
            ),
        ]
        for arguments, code, wrong, hint in cases:
            outcome = albert("serve", *arguments)
            assert (outcome.code, outcome.out) == (code, ""), arguments
            what, then = [line for line in outcome.err.splitlines() if not line.startswith("warning")]
            assert what.startswith("error: "), arguments
            assert wrong in what, arguments
            assert then.startswith("try: "), arguments
            assert hint in then, arguments
