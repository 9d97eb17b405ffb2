"""Does code written from the public ALBERT documentation run with one word changed?

The pages are read from the shared folder; nothing of them is kept here. PyTorch examples run with ``transformers``
replaced by ``albert_cli``; those of TensorFlow and Flax also lose the prefix of the class, and their array calls become
torch's. The names of released checkpoints are folders of a small local model.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.shared

COUNTS = {"pytorch": 23, "shell": 1, "tensorflow": 11, "flax": 7}
CHECKPOINTS = (
    "albert-base-v2",
    "albert/albert-base-v2",
    "albert/albert-xxlarge-v2",
    "textattack/albert-base-v2-imdb",
    "twmkn9/albert-base-v2-squad2",
    "vumichien/albert-base-v2-imdb",
    "vumichien/albert-base-v2-squad2",
)
# What docs/howto/from_tf_and_flax.md tells people to write instead; longest first.
ARRAY_CALLS = (
    ("import tensorflow as tf", "import torch"),
    ("import jax.numpy as jnp", "import torch"),
    ("import jax", "import torch"),
    ('return_tensors="tf"', 'return_tensors="pt"'),
    ('return_tensors="jax"', 'return_tensors="pt"'),
    ('return_tensors="np"', 'return_tensors="pt"'),
    # TensorFlow's `where` gives rows of places, torch's a place for each axis.
    ("== tokenizer.mask_token_id)[0][1]", "== tokenizer.mask_token_id)[1][0]"),
    ("tf.where", "torch.where"),
    ("tf.math.argmax", "torch.argmax"),
    ("tf.math.reduce_mean", "torch.mean"),
    ("tf.reduce_mean", "torch.mean"),
    ("tf.constant(1)", "torch.tensor([1])"),
    ("tf.constant", "torch.tensor"),
    ("tf.expand_dims", "torch.unsqueeze"),
    ("tf.argmax", "torch.argmax"),
    ("jnp.argmax", "torch.argmax"),
    ("TFAlbert", "Albert"),
    ("FlaxAlbert", "Albert"),
)


@dataclass(frozen=True)
class Example:
    """A code block of a page; ``follows`` says that it goes on from the one before."""

    page: str
    kind: str
    code: str
    follows: bool


def examples(folder: Path) -> list[Example]:
    found: list[Example] = []
    for page in sorted(folder.glob("*.md")):
        kind = "pytorch"
        for block in re.finditer(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
            text = block.group(1)
            if "transformers run" in text:
                found.append(Example(page.name, "shell", text, follows=False))
            elif "from transformers" in text:
                kind = "flax" if "FlaxAlbert" in text else "tensorflow" if "TFAlbert" in text else "pytorch"
                found.append(Example(page.name, kind, source(text), follows=False))
            elif ">>>" in text:
                found.append(Example(page.name, kind, source(text), follows=True))
    return found


def source(text: str) -> str:
    """The code of a session: what stands behind the prompts; a page without prompts is code throughout."""
    if ">>>" not in text:
        return text
    lines = [re.sub(r"^(>>>|\.\.\.) ?", "", line) for line in text.splitlines() if line.startswith((">>>", "... "))]
    return "\n".join(lines)


def adapted(example: Example) -> str:
    code = example.code.replace("from transformers", "from albert_cli")
    if example.kind in ("tensorflow", "flax"):
        for theirs, ours in ARRAY_CALLS:
            code = code.replace(theirs, ours)
        code = code.replace("axis=", "dim=")
    return code


@pytest.fixture
def home(tmp_path: Path, tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in CHECKPOINTS:
        shutil.copytree(tiny_model("AlbertForPreTraining", max_position_embeddings=256), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_example_of_the_documentation(shared_dir: Path, home: Path) -> None:
    found = examples(shared_dir / "spec" / "documentation")
    assert {kind: sum(one.kind == kind for one in found) for kind in COUNTS} == COUNTS
    names: dict[str, object] = {}
    for example in found:
        if example.kind == "shell":
            run_in_a_shell(example, home)
            continue
        code = adapted(example)
        assert "transformers" not in code
        names = names if example.follows else {}
        # A released size from scratch costs gigabytes; its shapes say the same.
        device = "meta" if "from_pretrained" not in code and "AlbertConfig()" in code else "cpu"
        with warnings.catch_warnings(), torch.device(device):
            warnings.simplefilter("ignore")  # new heads, float16 without a GPU
            try:
                exec(compile(code, f"{example.page} ({example.kind})", "exec"), names)
            except Exception as error:
                raise AssertionError(f"{example.page}, {example.kind}:\n{code}") from error


def run_in_a_shell(example: Example, home: Path) -> None:
    command = example.code.replace("transformers run", f"{sys.executable} -m albert_cli run")
    done = subprocess.run(["bash", "-c", command], cwd=home, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert '"token_str"' in done.stdout
