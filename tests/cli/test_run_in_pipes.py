"""`albert run` in pipes: endless input, impatient readers and writers, signals, bytes of any kind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SMOKE = Path(__file__).resolve().parents[1] / "smoke" / "run_stream.py"
QUIET = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def masked(tiny_model) -> Path:
    return tiny_model("AlbertForMaskedLM")


@contextmanager
def started(model: Path, *more: str | Path, task: str = "fill-mask") -> Iterator[subprocess.Popen[bytes]]:
    words = ["run", "--task", task, "--model", str(model), "--threads", "1", *map(str, more)]
    command = [sys.executable, "-m", "albert_cli", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=QUIET, bufsize=0) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_ends_the_run_at_once_and_in_silence(masked, number, code):
    with started(masked) as process:
        process.stdin.write(b"a [MASK]\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["index"] == 0
        process.send_signal(number)
        assert process.wait(timeout=60) == code
        assert process.stderr.read() == b""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("more", [[], ["--pretty"]])
def test_an_endless_writer_is_no_reason_to_go_on_when_nobody_reads(masked, more):
    """As in `yes | albert run | head -1`."""
    with started(masked, *more) as process:

        def write() -> None:
            try:
                while True:
                    process.stdin.write(b"a [MASK]\n" * 1000)
            except OSError:  # the pipe broke: the run has ended
                pass

        threading.Thread(target=write, daemon=True).start()
        assert process.stdout.readline().startswith(b'{"index": 0' if not more else b"[0] a [MASK]")
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""


@pytest.mark.timeout(120)
def test_a_named_pipe_is_answered_as_lines_come(masked, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with started(masked, "--input", pipe) as process, pipe.open("wb", buffering=0) as writer:
        for number in range(3):
            writer.write(b"a [MASK]\n")
            assert json.loads(process.stdout.readline())["index"] == number, "before the next line is there"
        writer.close()
        assert process.stdout.read() == b""
        assert process.wait(timeout=60) == 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ("> /dev/full", 3, "error: cannot write: No space left on device\ntry: free some space"),
        (">&-", 2, "error: stdout is closed (albert run)\ntry: add --output FILE"),
        ("<&-", 0, ""),
    ],
)
def test_a_full_disk_and_closed_streams_are_told_or_are_no_input(masked, shell, code, said):
    words = ("'a [MASK]'" if ">" in shell else "") + f" {shell}"
    command = f"'{sys.executable}' -m albert_cli run --task fill-mask --model '{masked}' {words}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=QUIET, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == (2 if said else 0)


def test_bytes_of_any_kind_get_an_answer_for_each_line(albert, tiny_model, tmp_path):
    model = tiny_model("AlbertForSequenceClassification")
    draw = random.Random(5)
    data = bytes(draw.choices(range(256), weights=[8 if byte in b'\n{}"\t\\' else 1 for byte in range(256)], k=20_000))
    (tmp_path / "junk").write_bytes(data)
    done = albert("run", "--task", "text-classification", "--model", model, "--input", tmp_path / "junk")
    lines = done.out.split("\n")[:-1]
    assert len(lines) == data.count(b"\n") + (not data.endswith(b"\n"))
    answers = [json.loads(line) for line in lines]
    assert [answer["index"] for answer in answers] == list(range(len(lines)))
    assert all(set(answer) <= {"index", "results", "truncated", "error"} for answer in answers)
    assert all(line.isprintable() for line in lines)
    errors = sum("error" in answer for answer in answers)
    assert done.code == (3 if errors else 0)


@pytest.mark.parametrize("size", ["1", "20", "5000"])
def test_answers_do_not_depend_on_the_size_of_batches(albert, masked, size, tmp_path):
    lines = [" ".join(["the", "river"] * number) + " [MASK]" for number in (1, 9, 2, 0, 30, 3, 4)]
    whole, cut = (
        albert("run", "--task", "fill-mask", "--model", masked, "--top-k", "2", *more, *lines)
        for more in ((), ("--batch-size", size))
    )
    for one, other in zip(whole.out.splitlines(), cut.out.splitlines(), strict=True):
        for first, second in zip(json.loads(one)["results"], json.loads(other)["results"], strict=True):
            assert first["token"] == second["token"]
            assert first["score"] == pytest.approx(second["score"], abs=1e-5)
    assert albert("run", "--task", "fill-mask", "--model", masked, "--batch-size", "0", "x").code == 2


@pytest.mark.timeout(300)
def test_thousands_of_lines_are_answered_in_constant_memory_and_only_the_broken_ones_refused():
    done = subprocess.run(
        [sys.executable, str(SMOKE), "--lines", "3000", "--task", "fill-mask"],
        capture_output=True,
        text=True,
        env=QUIET,
        check=False,
    )
    assert done.returncode == 0, done.stderr
