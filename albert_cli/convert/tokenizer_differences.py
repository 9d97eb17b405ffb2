"""Where do the peers make other ids than this tokenizer, and on which strings?

One table, `KNOWN`. What can be tried is tried on the tokenizer at hand: google's own recipe (``algorithm="original"``),
and the `tokenizers` library on the ``tokenizer.json`` that was written, which is what the fast classes of transformers
and all of transformers 5 read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from albert_cli.tokenization.pieces import SPACE, ends_number
from albert_cli.tokenization.settings import JSON_FILE
from albert_cli.tokenization.tokenizer import AlbertTokenizer

GOOGLE = "google-research/albert"
LIBRARY = "transformers, fast classes and 5.x"
_MOST_PROBES = 200
_MOST_EXAMPLES = 3

Ids = Callable[[str], list[int]]


@dataclass(frozen=True)
class Difference:
    """A way in which a peer differs on this tokenizer.

    Attributes:
        peer: who differs.
        key: a word for it.
        says: what happens.
        tried: strings that were tried.
        differing: those of them that get other ids.
        examples: the first of these.
    """

    peer: str
    key: str
    says: str
    tried: int
    differing: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """A line of the table.

    Attributes:
        peer: who differs.
        key: a word for it.
        says: what happens.
        probes: strings that show it, made from the vocabulary; None where it cannot be tried here.
        applies: whether a tokenizer has it, where it cannot be tried.
    """

    peer: str
    key: str
    says: str
    probes: Callable[[AlbertTokenizer], Sequence[str]] | None = None
    applies: Callable[[AlbertTokenizer], bool] = lambda _: False


def _fixed(*texts: str) -> Callable[[AlbertTokenizer], Sequence[str]]:
    return lambda _: texts


def _numbers(tokenizer: AlbertTokenizer) -> list[str]:
    """Numbers before a comma: those that the vocabulary has as pieces, and some more."""
    pieces = [piece for piece in tokenizer.piece_table() if ends_number(piece)]
    spread = pieces[:: max(1, len(pieces) // _MOST_PROBES)][:_MOST_PROBES]
    return ["123,", "(223,)", "84823,79", "907,000,", "1,000,000,", *(piece.replace(SPACE, "") for piece in spread)]


def _glued_numbers(tokenizer: AlbertTokenizer) -> list[str]:
    """Number pieces that go on with a word: where the added space of the second encoding shows."""
    inner = [piece for piece in tokenizer.piece_table() if ends_number(piece) and not piece.startswith(SPACE)]
    return [f"x{piece}" for piece in inner[:_MOST_PROBES]]


def _draws(tokenizer: AlbertTokenizer) -> bool:
    return bool(getattr(tokenizer, "sp_model_kwargs", {}).get("enable_sampling"))


KNOWN = (
    Known(
        GOOGLE,
        "special tokens in text",
        "[MASK], [CLS] and the like in a text are text there",
        _fixed("a [MASK] b", "[CLS] hi [SEP]", "a <pad> b", "a [PAD] b"),
    ),
    Known(GOOGLE, "quotes", "`` and '' stay as they are there; here they become one double quote", _fixed("``a''")),
    Known(GOOGLE, "accents", "they are always dropped there", _fixed("falsé", "naïve")),
    Known(GOOGLE, "final sigma", "a capital sigma at the end of a word becomes ς there, σ here", _fixed("ΟΔΟΣ")),
    Known(
        GOOGLE,
        "number before a comma",
        "a number that is encoded again without its comma keeps the space sign that this adds",
        _glued_numbers,
    ),
    Known(GOOGLE, "long words", "a word is unknown from 201 letters on there, from 101 here", _fixed("a" * 150)),
    Known(
        LIBRARY,
        "number before a comma",
        "the library has no such rule; lowered scores of number pieces stand for it, and other pieces may win",
        _numbers,
    ),
    Known(
        LIBRARY,
        "equal scores",
        "of two segmentations with the same score sentencepiece and the library may take different ones",
        _fixed("1 000", "1\u060c000", "ab " * 20, "aaaaaaaa", "00000", "......"),
    ),
    Known(
        LIBRARY,
        "marks without a class",
        "the library drops every mark with the accents; here only those of a combining class go",
        _fixed("❤\ufe0f", "\u0e01\u0e31\u0e1a", "\u0915\u093f", "a\u20dd"),
    ),
    Known(
        LIBRARY,
        "special tokens in capitals",
        "<PAD> is found as <pad> here and by the slow class; the library leaves a space sign before it",
        _fixed("x <PAD> y", "x <UNK> y"),
    ),
    Known(
        LIBRARY,
        "white space",
        "the library always parts words at white space, whatever remove_space says",
        _fixed("a  b", " a ", "a\tb", "trailing "),
    ),
    Known(
        LIBRARY,
        "original recipe",
        "transformers has the documented recipe alone: this tokenizer follows google's",
        applies=lambda tokenizer: tokenizer.algorithm == "original",
    ),
    Known(
        LIBRARY,
        "sampling",
        "segmentations are drawn at random here and by the slow class of 4.x; the others take the best one",
        applies=_draws,
    ),
)


def differences(tokenizer: AlbertTokenizer, original: AlbertTokenizer, written: Path) -> list[Difference]:
    """Which lines of the table apply.

    Args:
        tokenizer: what travels with the weights.
        original: the same vocabulary under google's recipe.
        written: directory of the target; without a ``tokenizer.json`` the library is not asked.
    """
    peers: dict[str, Ids] = {GOOGLE: _ids(original)}
    library = _library(written)
    if library is not None:
        peers[LIBRARY] = library
    return [found for known in KNOWN if (found := _look(known, tokenizer, peers)) is not None]


def _look(known: Known, tokenizer: AlbertTokenizer, peers: Mapping[str, Ids]) -> Difference | None:
    if known.peer not in peers:
        return None
    if known.probes is None:
        return Difference(known.peer, known.key, known.says, 0, 0, ()) if known.applies(tokenizer) else None
    if _draws(tokenizer):
        return None  # two calls differ already
    probes = list(known.probes(tokenizer))
    ours, theirs = _ids(tokenizer), peers[known.peer]
    other = [text for text in probes if ours(text) != theirs(text)]
    if not other:
        return None
    shown = tuple(text if len(text) <= 40 else f"{text[:37]}..." for text in other[:_MOST_EXAMPLES])
    return Difference(known.peer, known.key, known.says, len(probes), len(other), shown)


def _ids(tokenizer: AlbertTokenizer) -> Ids:
    return lambda text: tokenizer.encode_with_offsets(text, split_special_tokens=False).ids


def _library(folder: Path) -> Ids | None:
    path = folder / JSON_FILE
    if not path.is_file():
        return None
    from tokenizers import Tokenizer

    core = Tokenizer.from_file(str(path))
    return lambda text: list(core.encode(text, add_special_tokens=False).ids)


def under_the_original_recipe(name: str | Path, tokenizer: AlbertTokenizer) -> AlbertTokenizer:
    """The same vocabulary as google's code has it: it always drops accents, with WordPiece if it lower-cases."""
    keeps = tokenizer.kind == "wordpiece" and not tokenizer.do_lower_case
    return AlbertTokenizer.from_pretrained(name, algorithm="original", keep_accents=keeps)
