"""Small tokenizers and models with random weights, made where they are needed; no test needs a download."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import sentencepiece
import torch

from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import MODEL_CLASSES
from albert_cli.tokenization.tokenizer import AlbertTokenizer

TEXT = (
    "the capital of france is paris and a river runs through it while people walk along its old stone bridges every "
    "morning some of them carry bread others read letters from friends in london or berlin where winter comes early "
    "snow covers roofs gardens streets children build castles dogs bark trains leave stations at nine ships bring "
    "coffee tea sugar salt to harbours near mountains lakes forests birds sing in spring summer autumn"
)


def make_tokenizer(directory: Path) -> Path:
    """Train a tokenizer of about 100 pieces with the original's settings, and save it in the ``hf`` layout."""
    directory.mkdir(parents=True, exist_ok=True)
    draw = random.Random(7)
    words = TEXT.split()
    weights = [1 / (rank + 3) for rank in range(len(words))]  # as in real text: else no whole word earns a piece
    lines = [" ".join(draw.choices(words, weights, k=12)) + "." for _ in range(2000)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(directory / "trained"),
        vocab_size=300,
        hard_vocab_limit=False,
        model_type="unigram",
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols="[CLS],[SEP],[MASK]",
        user_defined_symbols=list('()"-.–£€'),
        minloglevel=2,
        num_threads=1,
    )
    tokenizer = AlbertTokenizer(vocab_file=str(directory / "trained.model"))
    for trained in directory.glob("trained.*"):
        trained.unlink()
    tokenizer.save_pretrained(directory)
    return directory


def make_model(kind: str, directory: Path, *, tokenizer: Path, seed: int = 3, **config: Any) -> Path:
    """Save a model of a head class with large random weights, so that its answers differ clearly, with a tokenizer.

    Args:
        kind: name of the class ("AlbertForMaskedLM").
        directory: where.
        tokenizer: directory of its tokenizer, whose files are copied.
        seed: of the weights.
        config: fields of the config to set otherwise.
    """
    shutil.copytree(tokenizer, directory, dirs_exist_ok=True)
    vocab_size = len(AlbertTokenizer.from_pretrained(tokenizer))
    fields = {"vocab_size": vocab_size, "max_position_embeddings": 64, "initializer_range": 0.2, **config}
    sizes = AlbertConfig.named("tiny", **fields)
    torch.manual_seed(seed)
    model: Any = MODEL_CLASSES[kind](sizes)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3)
    model.save_pretrained(directory)
    return directory
