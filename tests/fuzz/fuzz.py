"""Hostile files against every reader: ``python tests/fuzz/fuzz.py TARGET --seconds N --seed S``.

Inputs are seeded changes of sound files, or, where ``atheris`` is installed and ``--atheris`` is given, its own. A
reader may refuse (any kind of `AlbertError`) or take what it gets; anything else is a finding: another exception, more
than five seconds, more memory than four times the input and 256 MB, a process that dies. Each finding is said once, by
exception and line, and its input is kept below ``--out``. The exit code is 1 if there are findings. ``all`` names every
target.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

SECONDS = 5.0
SPARE_BYTES = 256 << 20
TIMES = 4


class Hang(BaseException):
    pass


def check(target: Any, path: Path, data: bytes) -> str | None:
    """Put one input before a reader.

    Returns:
        None if it behaved, else what it did: the exception and the last line of ours.
    """
    from albert_cli.errors import AlbertError

    path.write_bytes(data)
    try:
        with _bounded(len(data)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(path)
    except AlbertError as error:
        return None if error.message else "an error without a message"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return _described(error)
    return None


@contextmanager
def _bounded(size: int) -> Iterator[None]:
    """Limit time and memory of what runs inside."""

    def stop(*_: object) -> None:
        raise Hang

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + TIMES * size + SPARE_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _described(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "albert_cli" in frame.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "outside"
    return f"{type(error).__name__} at {place}: {str(error)[:120]}"


def key_of(finding: str) -> str:
    """What makes two findings one."""
    return finding.split(": ")[0]


def work(name: str, *, seconds: float, most: int, seed: int, out: Path, use_atheris: bool) -> None:
    """Fuzz in this process; counts and findings go to ``out``."""
    import torch
    from targets import make_targets

    torch.set_num_threads(1)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk would take most of the time
    with tempfile.TemporaryDirectory(dir=memory) as folder:  # what a process that died leaves, `supervise` removes
        with _instrumented() if use_atheris else nullcontext():
            target = make_targets(Path(folder))[name]
        path, draw, known = Path(folder) / name / target.file, random.Random(seed), set[str]()
        end, count = time.monotonic() + seconds, 0
        (out / "where").write_text(folder)
        (out / "now").unlink(missing_ok=True)
        (out / "now").symlink_to(path)

        def one(data: bytes) -> None:
            nonlocal count
            finding = check(target, path, data)
            count += 1
            if finding is not None and key_of(finding) not in known:
                known.add(key_of(finding))
                _keep(out, finding, data)
            if count % 50 == 0 or finding is not None:
                (out / "count").write_text(str(count))
            if use_atheris and (time.monotonic() > end or count >= most):
                shutil.rmtree(folder, ignore_errors=True)
                os._exit(0)  # its loop never returns

        if use_atheris:
            _with_atheris(one, seconds, seed, target, out)
        while not use_atheris and time.monotonic() < end and count < most:
            one(target.broken(draw))
        (out / "count").write_text(str(count))


def _instrumented() -> Any:
    import atheris

    return atheris.instrument_imports(include=["albert_cli"])


def _with_atheris(one: Any, seconds: float, seed: int, target: Any, out: Path) -> None:
    import atheris

    corpus = out / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, content in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(content)
    options = [
        f"-max_total_time={int(seconds)}",
        f"-seed={seed}",
        "-max_len=65536",
        "-rss_limit_mb=0",
        "-handle_alrm=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def _keep(out: Path, finding: str, data: bytes) -> None:
    with (out / "findings").open("a") as file:
        file.write(json.dumps(finding) + "\n")
    number = len((out / "findings").read_text().splitlines())
    (out / f"finding-{number}").write_bytes(data)


def supervise(
    name: str, *, seconds: float, most: int, seed: int, out: Path, use_atheris: bool
) -> tuple[int, list[str]]:
    """Fuzz in children, one after the other if they die; returns executions and findings."""
    out.mkdir(parents=True, exist_ok=True)
    end, total, attempt = time.monotonic() + seconds, 0, 0
    while (left := end - time.monotonic()) > 1 and total < most:
        (out / "count").write_text("0")
        command = [
            sys.executable,
            __file__,
            name,
            "--worker",
            "--seconds",
            str(left),
            "--seed",
            str(seed + 1000 * attempt),
            "--most",
            str(most - total),
        ]
        command += ["--out", str(out), *(["--atheris"] if use_atheris else [])]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left + 60, check=False)
            died = done.returncode < 0 or (done.returncode != 0 and not use_atheris)
            last = done.stderr.strip().splitlines()[-1:] or [""]
            how = f"the process died ({done.returncode}) {last[0][:100]}"
        except subprocess.TimeoutExpired:
            died, how = True, "the process hung"
        total, attempt = total + int((out / "count").read_text()), attempt + 1
        if died:
            _keep(out, how, (out / "now").read_bytes() if (out / "now").exists() else b"")
            shutil.rmtree((out / "where").read_text() if (out / "where").exists() else "", ignore_errors=True)
        elif use_atheris:
            break
    listed = (out / "findings").read_text().splitlines() if (out / "findings").exists() else []
    return total, sorted({key_of(text): text for text in map(json.loads, listed)}.values())


def _all_targets() -> list[str]:
    from targets import make_targets

    with tempfile.TemporaryDirectory() as folder:
        return list(make_targets(Path(folder)))


def main() -> int:
    """Read the command line and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="+")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--most", type=int, default=10**12, help="executions after which a target is done")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "fuzz")
    parser.add_argument("--atheris", action="store_true", help="coverage guides it (pip install atheris)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        os.environ["ALBERT_CACHE"] = str(given.out / "cache")
        work(
            given.target[0],
            seconds=given.seconds,
            most=given.most,
            seed=given.seed,
            out=given.out,
            use_atheris=given.atheris,
        )
        return 0
    found = 0
    for name in _all_targets() if given.target == ["all"] else given.target:
        settings = {"seconds": given.seconds, "most": given.most, "seed": given.seed, "use_atheris": given.atheris}
        count, findings = supervise(name, out=given.out / name, **settings)
        sys.stdout.write("\n    ".join([f"{name}\t{count}\t{len(findings)}", *findings]) + "\n")
        sys.stdout.flush()
        found += len(findings)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
