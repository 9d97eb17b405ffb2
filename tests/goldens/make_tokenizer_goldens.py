"""Make tests/goldens/tokenizer: a small model of our own, and the ids that transformers 4.57 gives with it.

Run once, from the repository root, after `make peers`: ``.venv/bin/python tests/goldens/make_tokenizer_goldens.py``.
The text is made up here, so the folder holds nothing of anyone else's. The model is built to have what the released one
lacks: pieces like "23," without U+2581 in front, where the two algorithms part.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from albert_cli.tokenization.train import train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent / "tokenizer"
PEER = ROOT / ".venv-peer457" / "bin" / "python"

TEXT = (
    "the a of in and to was is it on by at from with for river road harbour letter winter garden naive cafe fiance "
    "train station morning evening bread ship coffee mountain forest bird bridge stone market window lantern captain "
    "doctor music paper house tower valley island well known mother father brother sister question answer"
)

WORDS = TEXT.split()

EDGES = [
    "",
    " ",
    "\t\n",
    "Hello World",
    "  both  ends  ",
    "``double'' and 'single' and ''''",
    "na\u00efve caf\u00e9 fianc\u00e9e \u00c5ngstr\u00f6m",
    "e\u0301 a\u030a\u0323 \u0301x",
    "\u0130stanbul \u0131 \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03a3 \u03a3",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab",
    "\ufb01ne \ufb03 \u00bd \u2460 \u00b2 x\u00b3, \u3392 \ufdfa",
    "zero\u200bwidth \u200ejoin\u200d \ufeffbom \u00adsoft",
    "c\u0085d \u00a0nbsp\u3000wide",
    "bell\x07 nul\x00 del\x7f",
    "emoji \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u0e19\u0e49\u0e33 \u0928\u092e\u0938\u094d\u0924\u0947",
    "a [MASK] b",
    "[MASK].",
    "the   [MASK]  road",
    "[CLS] hi [SEP]",
    "a<pad>b <unk> <PAD> [mask]",
    "\u2581under \u2581",
    'well-known (road) "bread" \u00a35 \u20ac7 3\u20134 u.s.',
    "1,000,000, and 2011, or 23, (123,) 84823,79 4,5",
    "12,345 then 9,000,000, ok 1,2,3,",
    "\u0661\u0662\u0663, \u00b2, \uff11\uff12\uff0c",
    "x" * 300,
    "can't won\u2019t \u201cquoted\u201d \u2014 \u2026",
]


def number(draw: random.Random) -> str:
    """A number as prose writes them."""
    kind = draw.random()
    if kind < 0.4:
        return str(draw.choice([1850, 1999, 2011, 2000, 1938]))
    if kind < 0.7:
        return f"{draw.randrange(1, 999)},{draw.choice(['000', '500', '123', '023']):0>3}"
    return f"{draw.randrange(1, 99)},{draw.choice(['000', '123'])},{draw.choice(['000', '023'])}"


def sentence(draw: random.Random) -> str:
    """A made-up sentence, rich in numbers before commas."""
    words = [number(draw) + "," if draw.random() < 0.25 else draw.choice(WORDS) for _ in range(draw.randint(5, 14))]
    if draw.random() < 0.3:
        words[draw.randrange(len(words))] = f"({draw.choice(WORDS)} {number(draw)},)"
    return " ".join(words) + "."


def strings(draw: random.Random) -> list[str]:
    """Edge cases, sentences, and mixtures of both."""
    made = [sentence(draw) for _ in range(60)]
    made += [sentence(draw).upper() for _ in range(10)]
    made += [f"{draw.choice(EDGES[3:])} {sentence(draw)}" for _ in range(40)]
    pool = "".join(EDGES) + "0123456789,,,, "
    made += ["".join(draw.choices(pool, k=draw.randint(1, 25))) for _ in range(120)]
    return EDGES + made


def peer_answers(model: Path, texts: list[str]) -> dict[str, list[dict[str, object]]]:
    """Ids and decoded text of the slow tokenizer of transformers 4.57."""
    script = Path(__file__).with_name("peer_tokenizer.py")
    request = {"model": str(model), "texts": texts}
    done = subprocess.run(
        [PEER, script], input=json.dumps(request), capture_output=True, text=True, check=True, timeout=300
    )
    answers: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return answers


def main() -> None:
    """Train, ask the peer, write."""
    draw = random.Random(20)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        lines = [sentence(draw) for _ in range(4000)]
        train_tokenizer(lines, Path(scratch) / "made", vocab_size=420, character_coverage=1.0, threads=1)
        shutil.copy(Path(scratch) / "made" / "spiece.model", FOLDER / "spiece.model")
    texts = strings(draw)
    answers = peer_answers(FOLDER / "spiece.model", texts)
    content = {"texts": texts, "transformers_4_57_1_slow": answers}
    (FOLDER / "answers.json").write_text(json.dumps(content, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
