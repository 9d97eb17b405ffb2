"""How does the tokenizer travel with the weights, and what should its user know?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from albert_cli.convert.config_findings import SpecialIds
from albert_cli.convert.tokenizer_differences import Difference, differences, under_the_original_recipe
from albert_cli.models.config import AlbertConfig
from albert_cli.tokenization.settings import MODEL_INPUT_NAMES, find_files
from albert_cli.tokenization.tokenizer import AlbertTokenizer

ORIGINAL_MODEL_FILE = "30k-clean.model"


@dataclass(frozen=True)
class TokenizerReport:
    """What became of the tokenizer.

    Attributes:
        kind: ``sentencepiece`` or ``wordpiece``.
        pieces: size of the vocabulary, added tokens included.
        source: file that it was read from.
        files: files written.
        notes: what a user should know, one sentence each.
        differences: where the peers make other ids.
    """

    kind: str
    pieces: int
    source: str | None
    files: tuple[str, ...]
    notes: tuple[str, ...]
    differences: tuple[Difference, ...] = ()


def tokenizer_place(source: Path, named: str | None) -> str | Path | None:
    """Where the tokenizer is that a user names, or that lies beside the weights; None if there is none."""
    return source if named is None and find_files(source) is not None else named


def special_ids(place: str | Path | None) -> SpecialIds | None:
    """Ids that a configuration repeats; None without a tokenizer.

    Raises:
        ModelError: it cannot be read.
    """
    if place is None:
        return None
    tokenizer = AlbertTokenizer.from_pretrained(place)
    return SpecialIds(tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id)


def send(place: str | Path, folder: Path, config: AlbertConfig, *, to: str) -> TokenizerReport:
    """Write a tokenizer beside the weights, in the files that the target's readers look for.

    Args:
        place: of the tokenizer.
        folder: of the target.
        config: of the model.
        to: format of the target.
    """
    tokenizer = AlbertTokenizer.from_pretrained(place)
    notes = _notes(tokenizer, config)
    tokenizer.model_max_length = min(tokenizer.model_max_length, config.max_position_embeddings)
    tokenizer.model_input_names = list(MODEL_INPUT_NAMES)
    if to == "tf1":
        path = Path(tokenizer.save_vocabulary(folder)[0])
        written = [path.rename(folder / ORIGINAL_MODEL_FILE) if tokenizer.kind == "sentencepiece" else path]
        notes.append("google's code takes lower-casing from a flag (--do_lower_case), no file says it")
    else:
        written = [Path(one) for one in tokenizer.save_pretrained(folder)]
    return TokenizerReport(
        kind=tokenizer.kind,
        pieces=len(tokenizer),
        source=tokenizer.vocab_file,
        files=tuple(sorted(path.name for path in written)),
        notes=tuple(notes),
    )


def ask_the_peers(report: TokenizerReport, place: str | Path, folder: Path) -> TokenizerReport:
    """Try the known differences on a tokenizer that was sent; takes memory, so best once the weights are gone.

    Args:
        report: what `send` gave.
        place: of the tokenizer.
        folder: of the target.
    """
    tokenizer = AlbertTokenizer.from_pretrained(place)
    found = differences(tokenizer, under_the_original_recipe(place, tokenizer), folder)
    return replace(report, differences=tuple(found))


def _notes(tokenizer: AlbertTokenizer, config: AlbertConfig) -> list[str]:
    notes = []
    if len(tokenizer) != config.vocab_size:
        notes.append(f"the tokenizer has {len(tokenizer)} pieces and the model's vocab_size is {config.vocab_size}")
    if tokenizer.kind == "sentencepiece" and str(tokenizer.vocab_file).endswith(".json"):
        notes.append("there was no SentencePiece model: it is rebuilt from tokenizer.json, number scores put right")
    if tokenizer.model_max_length > config.max_position_embeddings:
        notes.append(
            f"model_max_length {tokenizer.model_max_length} is more than the model's "
            f"{config.max_position_embeddings} positions: written as these"
        )
    if set(tokenizer.model_input_names) != set(MODEL_INPUT_NAMES):
        notes.append("model_input_names lacked some, so that pairs were read as one segment: all three are written")
    return notes
