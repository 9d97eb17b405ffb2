"""A server under fire, with the command line alone: ``python tests/smoke/serve.py [MODEL] [REQUESTS]``.

Many requests at the same moment, each on a connection of its own, while others send headings and bodies drop by drop,
bodies that are too large, and nonsense. Every answer must be the one that `albert run` gives, every other client must
be refused. Without a MODEL one with random weights is made (four layers of width 256).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from steps import Failed, albert, check, documents, end, settings

READ_TIMEOUT = 3
ROUNDS = 3
SLOW, LARGE, BROKEN = 150, 30, 50  # clients of each bad kind


def make_model(folder: Path) -> Path:
    """A tokenizer of the texts that are asked, and random weights."""
    import torch

    from albert_cli import AlbertConfig, AlbertForMaskedLM, AlbertTokenizer

    text, model = folder / "text.txt", folder / "model"
    text.write_text("\n\n".join(documents(120, seed=4)))
    albert("train-tokenizer", "--input", text, "--out", model, *settings(tokenizer__vocab_size=130))
    torch.manual_seed(7)
    size = len(AlbertTokenizer.from_pretrained(model))
    AlbertForMaskedLM(AlbertConfig.named("small", vocab_size=size, initializer_range=0.1)).save_pretrained(model)
    return model


def texts(number: int) -> list[str]:
    """Different sentences with a mask each."""
    draw = random.Random(3)
    lines = [line for document in documents(number // 10 + 1, seed=8) for line in document.splitlines()]
    chosen = []
    for place in range(number):
        words = draw.choice(lines).split()
        words[draw.randrange(len(words))] = "[MASK]"
        chosen.append(f"{' '.join(words)} {place}")
    return chosen


def heading(length: int) -> bytes:
    """The beginning of a request whose body has so many bytes."""
    return (
        f"POST /fill-mask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n".encode()
    )


async def ask(port: int, text: str) -> tuple[dict[str, Any], float]:
    """An answer and how many seconds it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"text": text}).encode()
    begin = time.perf_counter()
    writer.write(heading(len(body)) + body)
    head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    check(head.startswith(b"HTTP/1.1 200"), f"answered {head[:60]!r}")
    return json.loads(answer), time.perf_counter() - begin


async def misbehave(port: int, kind: str) -> str:
    """What becomes of a client that does not do as it should."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if kind == "large":
            writer.write(heading(2_000_000) + b"x" * 2_000_000)
        elif kind == "broken":
            writer.write(random.Random(1).randbytes(300) + b"\r\n\r\n")
        else:
            for byte in b"POST /fill-mask HTT" if kind == "slow heading" else heading(100):
                writer.write(bytes([byte]))
            for _ in range(20):
                await asyncio.sleep(READ_TIMEOUT / 4)
                writer.write(b"x")
                await writer.drain()
                if reader.at_eof() or len(reader._buffer):
                    break
        head = await asyncio.wait_for(reader.read(), 60)
        return f"{kind}: {head.split(b' ')[1].decode() if head else 'cut'}"
    except OSError:
        return f"{kind}: cut"
    finally:
        writer.close()


async def fire(port: int, asked: list[str]) -> tuple[list[tuple[dict[str, Any], float]], Counter[str], float]:
    """Everything at once."""
    kinds = ["slow heading"] * SLOW + ["slow body"] * SLOW + ["large"] * LARGE + ["broken"] * BROKEN
    bad = [asyncio.create_task(misbehave(port, kind)) for kind in kinds]
    await asyncio.sleep(0.2)
    begin = time.perf_counter()
    answers = await asyncio.gather(*(ask(port, text) for text in asked))
    seconds = time.perf_counter() - begin
    return answers, Counter(await asyncio.gather(*bad)), seconds


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two answers name the same words, with the same scores up to rounding."""
    pairs = list(zip(one["results"], other["results"], strict=True))
    return all(a["token"] == b["token"] and abs(a["score"] - b["score"]) < 1e-5 for a, b in pairs)


def resident(process: int) -> float:
    """MiB of memory of a process (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def smoke(model: Path, number: int) -> None:
    """Ask a server, and compare with the command."""
    asked = texts(number)
    lines = albert("run", "--task", "fill-mask", "--model", model, input_text="\n".join(asked) + "\n")
    expected = [json.loads(line) for line in lines.splitlines()]
    command = [sys.executable, "-m", "albert_cli", "serve", "--model", str(model), "--port", "0", "--timeout", "600"]
    with subprocess.Popen(
        [*command, "--read-timeout", str(READ_TIMEOUT)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().strip().rstrip("/").rpartition(":")[2])
            memory = [resident(server.pid)]
            for _ in range(ROUNDS):
                answers, refused, seconds = asyncio.run(fire(port, asked))
                memory.append(resident(server.pid))
                report(answers, refused, seconds, expected)
            server.send_signal(signal.SIGTERM)
            check(server.wait(60) == 128 + signal.SIGTERM, f"the server ended with {server.returncode}")
        finally:
            server.kill()
    print(f"MiB of memory of the server before and after each round: {', '.join(f'{size:.0f}' for size in memory)}")


def report(
    answers: list[tuple[dict[str, Any], float]], refused: Counter[str], seconds: float, expected: list[dict[str, Any]]
) -> None:
    """Say what came of a round, and stop if it is not as it should be."""
    number = len(answers)
    wrong = sum(not is_same(one, other) for (one, _), other in zip(answers, expected, strict=True))
    times = sorted(taken for _, taken in answers)
    median, most, longest = times[number // 2], times[number * 99 // 100], times[-1]
    print(
        f"{number} requests at once: {number - wrong} right, {wrong} wrong, {seconds:.1f} s ({number / seconds:.0f}/s)"
    )
    print(f"time of a request: median {median:.2f} s, 99 % {most:.2f} s, longest {longest:.2f} s")
    print(f"refused: {', '.join(f'{what} ({count})' for what, count in sorted(refused.items()))}")
    check(not wrong, f"{wrong} answers differ from those of albert run")
    # A client that still sends when it is refused may see its connection cut before it reads why.
    fine = {"slow heading: 408", "slow body: 408", "slow heading: cut", "slow body: cut", "large: 413", "broken: 400"}
    check(set(refused) <= fine, f"refused: {refused}")


def main() -> int:
    """Serve in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = Path(sys.argv[1]) if len(sys.argv) > 1 else make_model(Path(folder))
            smoke(model, int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
        except Failed as error:
            return end(error)
    return end(None)


if __name__ == "__main__":
    sys.exit(main())
