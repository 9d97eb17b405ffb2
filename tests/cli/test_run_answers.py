"""`albert run` as people use it: arguments, files and pipes, good lines and bad ones."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest


@pytest.fixture
def masked(tiny_model) -> Path:
    return tiny_model("AlbertForMaskedLM")


@pytest.fixture
def classifier(tiny_model) -> Path:
    return tiny_model("AlbertForSequenceClassification", id2label={0: "[bold]no", 1: "yes"})


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_arguments_are_answered_one_object_each(albert, masked):
    done = albert("run", "--task", "fill-mask", "--model", masked, "--top-k", "2", "a [MASK]", "[MASK] and [MASK]")
    assert (done.code, done.err) == (0, "")
    first, second = objects(done.out)
    assert [first["index"], second["index"]] == [0, 1]
    assert len(first["results"]) == 2
    assert set(first["results"][0]) == {"score", "token", "token_str", "sequence"}
    assert [len(words) for words in second["results"]] == [2, 2]


def test_a_bad_line_gets_an_error_and_the_exit_code_is_three(albert, masked):
    done = albert("run", "--task", "fill-mask", "--model", masked, "a [MASK]", "no mask", "[MASK]")
    assert done.code == 3
    assert [list(answer) for answer in objects(done.out)] == [
        ["index", "results"],
        ["index", "error"],
        ["index", "results"],
    ]
    assert done.err.splitlines()[0] == "error: 1 of 3 inputs have no answer"
    assert done.err.splitlines()[1].startswith("try: ")


@pytest.mark.parametrize(
    ("name", "content", "options", "count"),
    [
        ("in.txt", b"one text\nand\ta pair\n", [], 2),
        ("in.txt", b"and\ta pair", ["--format", "text"], 1),
        ("in.tsv", b"one\ttwo\n", [], 1),
        ("in.tsv", b"id\tquestion\tanswer\n1\twhy\tso\n", ["--column", "question,answer"], 1),
        ("in.csv", b'text,text_pair\n"a, b",c\n', [], 1),
        ("in.jsonl", b'{"text": "a"}\n"b"\n', [], 2),
        ("in.json", b'[{"q": "a"}, {"q": "b"}]', ["--column", "q"], 2),
        ("in.txt.gz", gzip.compress(b"a\nb\n", mtime=0), [], 2),
    ],
)
def test_every_format_is_read_and_the_output_file_written(albert, classifier, tmp_path, name, content, options, count):
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "out.jsonl"
    done = albert(
        "run",
        "--task",
        "text-classification",
        "--model",
        classifier,
        "--input",
        tmp_path / name,
        "--output",
        out,
        *options,
    )
    assert (done.code, done.out, done.err) == (0, "", "")
    answers = objects(out.read_text())
    assert [answer["index"] for answer in answers] == list(range(count))
    assert all(answer["results"][0]["label"] in ("[bold]no", "yes") for answer in answers)


def test_an_existing_output_is_kept_unless_overwriting_is_asked_for(albert, classifier, tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("precious")
    command = ["run", "--task", "text-classification", "--output", out]
    done = albert(*command, "--model", tmp_path / "no-such-model", "text")
    assert (done.code, done.out) == (2, "")
    assert "exists" in done.err
    assert "--overwrite" in done.err, "said before any work: the model does not even exist"
    assert albert(*command, "--model", tmp_path / "no-such-model", "--overwrite", "text").code == 3
    assert out.read_text() == "precious", "a failed start replaces nothing"
    assert albert(*command, "--model", classifier, "--overwrite", "text").code == 0
    assert objects(out.read_text())[0]["index"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--input", "in.txt", "--output", "in.txt", "--overwrite"], 2, "is the input itself"),
        (["--input", "none.txt"], 3, "cannot read none.txt"),
        (["--input", "in.txt", "--output", "none/out"], 2, "no directory"),
        (["--overwrite", "text"], 2, "--overwrite without --output"),
        (["--format", "csv", "text"], 2, "csv needs a heading"),
        (["--column", "a,b,c", "text"], 2, "does not fit"),
        (["--format", "text", "--column", "a", "text"], 2, "no meaning"),
        (["--input", "damaged.gz"], 3, "damaged or cut gzip"),
        (["--input", "bad.json"], 3, "not JSON"),
        (["--input", "in.csv", "--column", "missing"], 3, "no column missing"),
    ],
)
def test_mistakes_are_told_in_two_lines(albert, classifier, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("text\n")
    Path("in.csv").write_text("a,b\n1,2\n")
    Path("bad.json").write_text("[")
    Path("damaged.gz").write_bytes(gzip.compress(b"x" * 9999)[:-6])
    done = albert("run", "--task", "text-classification", "--model", classifier, *arguments)
    assert done.code == code
    assert said in done.err
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["error", "try"]


def test_an_untrained_head_is_refused(albert, masked):
    done = albert("run", "--task", "text-classification", "--model", masked, "text")
    assert (done.code, done.out) == (3, "")
    assert "no trained weights for text-classification" in done.err
    assert "albert finetune" in done.err


def test_an_unknown_hub_model_without_network_fails_in_one_line(albert, monkeypatch):
    def unreachable(*_: object, **__: object) -> None:
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    done = albert("run", "--task", "fill-mask", "a [MASK]")
    assert (done.code, done.out) == (3, "")
    lines = done.err.splitlines()
    assert lines[0].startswith("model: albert/albert-base-v2 (default")
    assert lines[1] == "error: albert/albert-base-v2 is not on this machine and there is no network"
    assert lines[2].startswith("try: give a local model directory")
    assert len(lines) == 3


def test_a_device_that_is_absent_is_replaced_with_a_warning(albert, masked, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = albert("run", "--task", "fill-mask", "--model", masked, "--device", "0", "a [MASK]")
    assert done.code == 0
    assert done.err == "warning: no device cuda:0 on this machine; computing on the cpu\n"


HOSTILE = [
    b"nul \x00 [MASK]",
    b"\xff\xfe invalid [MASK]",
    b"",
    b"[bold]markup[/x] :smile: [MASK]",
    b"\x1b]0;title\x07\x1b[31m [MASK]",
    "\u202ereversed \u2028 [MASK]".encode(),
    b'{"text": "json [MASK]"}',
    b'{"text": "lone \\ud800 [MASK]"}',
    b'{"text": 3}',
    b"the " * 500_000 + b"[MASK]",
    b"tab\t[MASK]\r",
    b"last without newline [MASK]",
]


def test_hostile_lines_each_get_their_own_safe_answer(albert, masked, tmp_path, monkeypatch):
    (tmp_path / "lines").write_bytes(b"\n".join(HOSTILE))
    with (tmp_path / "lines").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        done = albert("run", "--task", "fill-mask", "--model", masked, "--top-k", "1")
    lines = done.out.split("\n")[:-1]
    assert all(line.isprintable() for line in lines)
    answers = [json.loads(line) for line in lines]
    assert [answer["index"] for answer in answers] == list(range(len(HOSTILE)))
    assert [number for number, answer in enumerate(answers) if "error" in answer] == [2, 8]
    assert answers[9]["truncated"] is True, "a window around the mask is read"
    assert done.code == 3
    said = done.err.splitlines()
    assert said[0] == "warning: a text is longer than the model reads: only a part of it was read (said once)"
    assert said[1] == "error: 2 of 12 inputs have no answer"


def test_a_reader_that_has_enough_ends_the_run_in_silence(masked):
    """As in `albert run | head -1`: the pipe is closed after the first answer, many are still to come."""
    command = [sys.executable, "-m", "albert_cli", "run", "--task", "fill-mask", "--model", str(masked)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"a [MASK]\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["index"] == 0, "answered although stdin is still open"
        process.stdout.close()
        try:
            process.stdin.write(b"a [MASK]\n" * 50)
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert process.wait(timeout=100) == 141
        assert process.stderr.read() == b""


def test_no_input_is_no_answer(albert, masked, monkeypatch):
    with Path(os.devnull).open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        done = albert("run", "--task", "fill-mask", "--model", masked)
    assert (done.code, done.out, done.err) == (0, "", "")
