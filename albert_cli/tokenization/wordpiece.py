"""How does a vocabulary of WordPiece (``vocab.txt``) encode, decode, and lie on a disk?

Google's Chinese checkpoints have one, and many others. Text is cleaned, parted at white space, punctuation and Chinese
characters, lower-cased (accents go with the capitals), and each word is cut into the longest pieces that the
vocabulary has; pieces that go on with a word begin with ``##``. The `tokenizers` library does the work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from albert_cli.errors import ModelError
from albert_cli.tokenization import saving, settings
from albert_cli.tokenization.encoder import EncodedText
from albert_cli.tokenization.interchange import read_json_object
from albert_cli.tokenization.normalize import scrub
from albert_cli.tokenization.specials import AddedToken, Fragment, TokenFinder
from albert_cli.tokenization.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONTINUES = "##"
DEFAULTS: Mapping[str, Any] = {
    "do_lower_case": True,
    "keep_accents": None,  # as the capitals
    "tokenize_chinese_chars": True,
    **{
        name: settings.DEFAULTS[name]
        for name in (
            "algorithm",
            "split_special_tokens",
            "model_max_length",
            "padding_side",
            "truncation_side",
            "clean_up_tokenization_spaces",
            "model_input_names",
        )
    },
}
# The first name that the vocabulary has; without any, the first one is added behind it.
_ROLE_NAMES: Mapping[str, tuple[str, ...]] = {
    "bos_token": ("[CLS]",),
    "eos_token": ("[SEP]",),
    "unk_token": ("[UNK]", "<unk>"),
    "sep_token": ("[SEP]",),
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]",),
    "mask_token": ("[MASK]",),
}
# Letters of a word; a longer one is unknown. The first is that of transformers, the second that of the original code.
_LONGEST_WORD = {"transformers": 100, "original": 200}
_MOST_VOCABULARY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class WordPieceSource:
    """A vocabulary and what its file says about cleaning.

    Args:
        table: pieces in id order.
        path: file it was read from.
        hints: settings that a ``tokenizer.json`` implies.
        added: tokens by id that it lists.
    """

    kind: ClassVar[str] = "wordpiece"

    table: tuple[str, ...]
    path: str
    hints: Mapping[str, Any] = field(default_factory=dict)
    added: Mapping[int, AddedToken] = field(default_factory=dict)

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every setting; see ``engine.Source``.

        Raises:
            TypeError: a setting that does not exist, or that only SentencePiece has.
        """
        kept = {**DEFAULTS, **self.hints, **settings.check_options(given, known=DEFAULTS)}
        if kept["keep_accents"] is None:
            kept["keep_accents"] = not kept["do_lower_case"]
        return kept

    def engine(self, kept: Mapping[str, Any]) -> WordPieceEngine:
        """The vocabulary under these settings."""
        return WordPieceEngine(self.table, source=self.path, kept=kept)


def read_vocab_txt(path: Path) -> WordPieceSource:
    """Read a ``vocab.txt``: one piece a line, its number is its id.

    Raises:
        ModelError: no such file, or something else is in it.
    """
    try:
        if path.stat().st_size > _MOST_VOCABULARY_BYTES:
            raise ModelError(f"{path} is too large for a vocabulary", hint="check where it came from")
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ModelError(f"cannot read {path}: {reason}", hint="give the model's own vocab.txt") from None
    lines = text.removesuffix("\n").split("\n")
    if sum("\t" in line for line in lines) > len(lines) // 2:
        raise ModelError(
            f"{path} lists SentencePiece pieces with scores, which are no WordPiece vocabulary",
            hint="give the SentencePiece model itself (30k-clean.model, spiece.model)",
        )
    return WordPieceSource(tuple(line.rstrip() for line in lines), str(path))


def is_wordpiece_json(path: Path) -> bool:
    """Whether a ``tokenizer.json`` holds a WordPiece vocabulary.

    Raises:
        ModelError: the file is damaged.
    """
    model = read_json_object(path).get("model")
    return isinstance(model, dict) and model.get("type") == "WordPiece"


def read_wordpiece_json(path: Path) -> WordPieceSource:
    """Read the vocabulary and the cleaning of a ``tokenizer.json``.

    Raises:
        ModelError: the file is damaged, or says what `WordPieceEngine` does not do.
    """
    content = read_json_object(path)
    try:
        table = _table({int(index): str(piece) for piece, index in content["model"]["vocab"].items()})
        steps = content.get("normalizer") or {}
        if steps.get("type") != "BertNormalizer" or content["model"]["continuing_subword_prefix"] != CONTINUES:
            raise ValueError("its rules are not those of BERT's tokenizers")
        strips = steps.get("strip_accents")
        hints = {
            "do_lower_case": bool(steps["lowercase"]),
            "keep_accents": None if strips is None else not strips,
            "tokenize_chinese_chars": bool(steps["handle_chinese_chars"]),
        }
        added = {int(entry["id"]): AddedToken.of(entry) for entry in content.get("added_tokens") or []}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(
            f"{path} is not a WordPiece tokenizer as BERT's: {error}", hint="give a directory with vocab.txt"
        ) from None
    return WordPieceSource(table, str(path), hints, added)


def _table(pieces: Mapping[int, str]) -> tuple[str, ...]:
    """Pieces in id order. An id without a piece (a line of vocab.txt that came twice) gets a name that no text has."""
    size = max(pieces, default=-1) + 1
    if min(pieces, default=0) < 0 or size > 2 * len(pieces):
        raise ValueError("the ids of its pieces have gaps")
    return tuple(pieces.get(index, f"[gap {index}]") for index in range(size))


def stored_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a ``tokenizer_config.json`` that a WordPiece tokenizer has, under our names."""
    kept = {name: config[name] for name in DEFAULTS if name != "algorithm" and config.get(name) is not None}
    if config.get("strip_accents") is not None:
        kept["keep_accents"] = not config["strip_accents"]
    return kept


class WordPieceEngine:
    """A WordPiece vocabulary; see ``engine.Engine`` for the methods.

    Args:
        table: pieces in id order.
        source: what to call it in messages.
        kept: every setting.

    Raises:
        ModelError: the vocabulary has no unknown piece.
    """

    def __init__(self, table: Sequence[str], *, source: str, kept: Mapping[str, Any]) -> None:
        self.table = list(table)
        self.ids = {piece: index for index, piece in enumerate(self.table)}
        self.samples = False
        unknown = next((name for name in _ROLE_NAMES["unk_token"] if name in self.ids), None)
        if unknown is None:
            raise ModelError(
                f"{source} has no {' or '.join(_ROLE_NAMES['unk_token'])}",
                hint="a WordPiece vocabulary has one piece a line, [UNK] among them; is it one?",
            )
        self.unk_id = self.ids[unknown]
        self._core = _make_core(self.ids, unknown, kept)

    def role(self, name: str, token: Any) -> AddedToken:
        """A special token; unlike SentencePiece's, a mask leaves the space on its left alone."""
        known = _ROLE_NAMES[name]
        default = next((piece for piece in known if piece in self.ids), known[0])
        return AddedToken.of(default if token is None else token)

    def encoder(self, kept: Mapping[str, Any], tokens: Sequence[tuple[AddedToken, int]]) -> WordPieceEncoder:
        """Recognised tokens, words, pieces."""
        self._core = _make_core(self.ids, self.table[self.unk_id], kept)
        is_documented = kept["algorithm"] == "transformers"
        finder = TokenFinder(tokens, lower_case=kept["do_lower_case"]) if is_documented else None
        return WordPieceEncoder(self._core, finder)

    def text(
        self, tokens: Sequence[str], *, special: Collection[str], added: Collection[str], spaces_between: bool
    ) -> str:
        """Text of tokens: spaces between words, none before punctuation."""
        del special, added, spaces_between  # every token is a word of its own, whatever its kind
        text: str = self._core.decoder.decode(list(tokens)) if tokens else ""
        return text

    def fingerprint(self, kept: Mapping[str, Any], added: Sequence[tuple[int, str]]) -> str:
        """SHA-256 of pieces and settings."""
        deciding = ("do_lower_case", "keep_accents", "tokenize_chinese_chars", "algorithm")
        digest = hashlib.sha256("\n".join(self.table).encode())
        digest.update(repr(("wordpiece", [kept[name] for name in deciding], list(added))).encode())
        return digest.hexdigest()

    def write_vocabulary(self, folder: Path, prefix: str | None) -> Path:
        """Write ``[prefix-]vocab.txt``."""
        content = "".join(f"{piece}\n" for piece in self.table).encode()
        return saving.write_file_of(folder, settings.WORDPIECE_FILE, content, prefix)

    def files(self, kept: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Mapping[str, Any]]:
        """Settings, special tokens, and ``tokenizer.json``, as BertTokenizer of transformers has them."""
        roles = {name: token for name, token in vocabulary.roles.items() if name not in ("bos_token", "eos_token")}
        strips = None if kept["keep_accents"] == (not kept["do_lower_case"]) else not kept["keep_accents"]
        other = {name: value for name, value in kept.items() if name not in ("algorithm", "keep_accents")}
        config = {
            "added_tokens_decoder": {str(i): token.as_dict() for i, token in sorted(vocabulary.added_by_id.items())},
            settings.ALGORITHM_KEY: kept["algorithm"],
            **{name: token.content for name, token in roles.items()},
            **other,
            "strip_accents": strips,
            "extra_special_tokens": {},
            "tokenizer_class": "BertTokenizer",
        }
        return {
            settings.CONFIG_FILE: config,
            settings.SPECIALS_FILE: settings.specials_content(roles),
            settings.JSON_FILE: self._library_json(vocabulary),
        }

    def _library_json(self, vocabulary: Vocabulary) -> dict[str, Any]:
        """The tokenizer as the library writes it, with the tokens that it recognises in text."""
        from tokenizers import AddedToken as LibraryToken
        from tokenizers import Tokenizer
        from tokenizers.processors import TemplateProcessing

        whole = Tokenizer.from_str(self._core.to_str())
        for _, token in sorted(vocabulary.added_by_id.items()):
            fields = token.as_dict()
            whole.add_tokens([LibraryToken(fields.pop("content"), **fields)])  # type: ignore[arg-type]
        cls, sep = (vocabulary.roles[name].content for name in ("cls_token", "sep_token"))
        whole.post_processor = TemplateProcessing(
            single=f"{cls}:0 $A:0 {sep}:0",
            pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
            special_tokens=[(name, vocabulary.id_or_unknown(name)) for name in (cls, sep)],
        )
        content: dict[str, Any] = json.loads(whole.to_str())
        return content


def _make_core(ids: Mapping[str, int], unknown: str, kept: Mapping[str, Any]) -> Tokenizer:
    """The library's tokenizer without special tokens."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    core = Tokenizer(
        models.WordPiece(
            dict(ids),
            unk_token=unknown,
            max_input_chars_per_word=_LONGEST_WORD[kept["algorithm"]],
            continuing_subword_prefix=CONTINUES,
        )
    )
    accents_follow = kept["keep_accents"] == (not kept["do_lower_case"])
    core.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=kept["tokenize_chinese_chars"],
        strip_accents=None if accents_follow else not kept["keep_accents"],
        lowercase=kept["do_lower_case"],
    )
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece(prefix=CONTINUES)
    return core


class WordPieceEncoder:
    """Strings to ids of a WordPiece vocabulary; see ``engine.Encoder``.

    Args:
        core: the library's tokenizer without special tokens.
        finder: tokens that are recognised in text unless a call says otherwise; None recognises none.
    """

    def __init__(self, core: Tokenizer, finder: TokenFinder | None) -> None:
        self._core = core
        self._finder = finder

    def encode_batch(
        self, texts: Sequence[str], *, split_special_tokens: bool = True, threads: int = 1
    ) -> list[list[int]]:
        """Ids of many texts; more than one thread means the library's own pool."""
        plain = [scrub(text) for text in texts]
        if threads > 1:
            rows = [found.ids for found in self._core.encode_batch(plain, add_special_tokens=False)]
        else:
            rows = [self._core.encode(text, add_special_tokens=False).ids for text in plain]
        if self._finder is not None and not split_special_tokens:
            for number, text in enumerate(texts):
                if self._finder.may_occur(text):
                    rows[number] = self.encode_with_offsets(text, split_special_tokens=False).ids
        return rows

    def encode_with_offsets(self, text: str, *, split_special_tokens: bool = True) -> EncodedText:
        """Pieces of one text with their places in it, and the word of each: a punctuation mark or a Chinese
        character is a word of its own.
        """
        is_whole = self._finder is None or split_special_tokens
        parts = [Fragment(0, len(text))] if is_whole else self._finder.split(text)  # type: ignore[union-attr]
        out = EncodedText(words=[])
        for part in parts:
            if part.token_id is None:
                self._encode_fragment(text, part, out)
            else:
                _append(out, [part.token_id], [part.token], [(part.start, part.end)], [0])
                out.tokens_at.append((part.start, part.end))
        return out

    def flat(self) -> WordPieceEncoder:
        """The encoder itself, called with texts."""
        return self

    def __call__(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(T,) int32 ids of all texts one after another; (S,) int64 number of ids of each."""
        rows = self.encode_batch(texts)
        sizes = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        return np.fromiter((index for row in rows for index in row), np.int32, int(sizes.sum())), sizes

    def _encode_fragment(self, text: str, part: Fragment, out: EncodedText) -> None:
        """Append the pieces of one stretch of ordinary text."""
        found = self._core.encode(scrub(text[part.start : part.end]), add_special_tokens=False)
        spans = [(part.start + start, part.start + end) for start, end in found.offsets]
        _append(out, found.ids, found.tokens, spans, [word or 0 for word in found.word_ids])


def _append(
    out: EncodedText, ids: Sequence[int], pieces: Sequence[str], spans: Sequence[tuple[int, int]], words: Sequence[int]
) -> None:
    """Append pieces whose words are counted from 0 to those that are there."""
    before = out.words or []
    begin = before[-1] + 1 if before else 0
    out.words = [*before, *(begin + word for word in words)]
    out.ids += ids
    out.pieces += pieces
    out.starts += [start for start, _ in spans]
    out.ends += [end for _, end in spans]
