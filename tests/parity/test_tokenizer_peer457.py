"""transformers 4.57, in an environment of its own, loads our files: slow, fast and automatic classes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from subcases import each

from albert_cli.tokenization.tokenizer import AlbertTokenizer

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / ".venv-peer457" / "bin" / "python"
SCRIPT = ROOT / "tests" / "goldens" / "peer_tokenizer.py"
OWN = ROOT / "tests" / "goldens" / "tokenizer"

pytestmark = pytest.mark.peer457


@pytest.fixture(autouse=True)
def peer() -> None:
    """Skip where the environment is not set up."""
    if not PEER.is_file():
        pytest.skip("no environment of transformers 4.57: make peers")


def ask(folder: Path, texts: list[str], family: str = "Albert") -> dict[str, Any]:
    """What the three classes of transformers 4.57 make of a directory."""
    request = json.dumps({"directory": str(folder), "texts": texts, "family": family})
    done = subprocess.run([PEER, SCRIPT], input=request, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def check_sentencepiece(folder: Path) -> None:
    content = json.loads((OWN / "answers.json").read_text())
    tokenizer = AlbertTokenizer(OWN / "spiece.model")
    tokenizer.save_pretrained(folder)
    answers = ask(folder, content["texts"])
    ours = tokenizer.encode_batch(content["texts"], split_special_tokens=False)
    assert answers["AlbertTokenizer"]["ids"] == ours == content["transformers_4_57_1_slow"]["uncased"]
    for name, answer in answers.items():
        assert answer["model_input_names"] == ["input_ids", "token_type_ids", "attention_mask"], name
        assert answer["model_max_length"] == 512, name
        assert answer["pair"] == tokenizer("a road", "a river").data, name
        assert answer["special"] == tokenizer.special_tokens_map, name


def check_wordpiece(folder: Path) -> None:
    """Its slow class is the code that google published, in Python; with case and accents, and without."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *'.,!?()"-。，', *"今天气好北京上海大学中国", *letters]
    pieces += ["the", "road", "river", "Café", "cafe", "##ing", *(f"##{letter}" for letter in letters)]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    texts = ["今天天气好，a road", "Cafés CAFÉ cafe\u0301!", "北京bus大学 [MASK] (the)", "", "\t x\n"]
    texts.append("a" * 99 + " " + "a" * 101)
    for lower in (True, False):
        tokenizer = AlbertTokenizer(folder / "vocab.txt", do_lower_case=lower)
        place = folder / str(lower)
        tokenizer.save_pretrained(place)
        answers = ask(place, texts, "Bert")
        assert set(answers) == {"BertTokenizer", "BertTokenizerFast", "AutoTokenizer"}
        for name, answer in answers.items():
            assert answer["ids"] == tokenizer.encode_batch(texts, split_special_tokens=False), name
            assert answer["pair"] == tokenizer("a road", "a river").data, name
            assert answer["model_max_length"] == 512, name


@each("check", [check_sentencepiece, check_wordpiece])
def test_our_files_load_and_the_slow_class_agrees_everywhere(check: Callable[[Path], None], tmp_path: Path) -> None:
    check(tmp_path / check.__name__)


@pytest.mark.shared
@each("cleaning", ["uncased", "cased", "cased_accents"])
def test_every_class_gives_the_reference_ids_with_the_released_vocabulary(
    cleaning: str, shared_dir: Path, tmp_path: Path
) -> None:
    options = {"do_lower_case": cleaning == "uncased", "keep_accents": cleaning == "cased_accents"}
    AlbertTokenizer(shared_dir / "data/albert_spm/spiece.model", **options).save_pretrained(tmp_path)
    rows = json.loads((shared_dir / f"goldens/F_tokenizer/real30k/strings_{cleaning}.json").read_text())
    answers = ask(tmp_path, [row["text"] for row in rows])
    assert set(answers) == {"AlbertTokenizer", "AlbertTokenizerFast", "AutoTokenizer"}
    for name, answer in answers.items():
        assert answer["ids"] == [row["hf_slow"]["ids"] for row in rows], name
