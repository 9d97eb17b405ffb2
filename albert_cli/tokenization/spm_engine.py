"""How does a tokenizer of SentencePiece pieces encode, decode, and lie on a disk?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from albert_cli.tokenization import decoding, saving, settings
from albert_cli.tokenization.encoder import FlatEncoder, TextEncoder
from albert_cli.tokenization.interchange import tokenizer_json
from albert_cli.tokenization.normalize import CleaningRules
from albert_cli.tokenization.pieces import PieceEncoder
from albert_cli.tokenization.specials import AddedToken, TokenFinder, as_role
from albert_cli.tokenization.spm_file import UNIGRAM, parse_spm
from albert_cli.tokenization.vocabulary import Vocabulary

_DECIDING = ("do_lower_case", "keep_accents", "remove_space", "algorithm", "add_prefix_space")


@dataclass(frozen=True)
class ModelSource:
    """A SentencePiece model and what its origin says about cleaning.

    Args:
        model: the serialised model.
        path: file it was read from, None for a list of pieces.
        hints: constructor arguments that the origin implies (a tokenizer.json knows whether it lower-cases).
        added: tokens by id that the origin lists.
    """

    kind: ClassVar[str] = "sentencepiece"

    model: bytes
    path: str | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)
    added: Mapping[int, AddedToken] = field(default_factory=dict)

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every setting; see ``engine.Source``."""
        return {**settings.DEFAULTS, **self.hints, **settings.check_options(given)}

    def engine(self, kept: Mapping[str, Any]) -> SentencePieceEngine:
        """The vocabulary under these settings."""
        return SentencePieceEngine(self.model, source=self.path or "vocab", kept=kept)


class SentencePieceEngine:
    """Pieces of a SentencePiece model; see ``engine.Engine`` for the methods.

    Args:
        model: the serialised model.
        source: what to call it in messages.
        kept: every setting.
    """

    def __init__(self, model: bytes, *, source: str, kept: Mapping[str, Any]) -> None:
        self._model = model
        self._pieces = PieceEncoder(
            model,
            source=source,
            drop_added_space=kept["algorithm"] == "transformers",
            add_prefix_space=kept["add_prefix_space"],
            sampling=kept["sp_model_kwargs"],
        )
        self.table = self._pieces.table
        self.ids = self._pieces.ids
        self.unk_id = self._pieces.unk_id

    @property
    def samples(self) -> bool:
        """Whether segmentations are drawn at random."""
        return self._pieces.samples

    def role(self, name: str, token: Any) -> AddedToken:
        """A special token."""
        return as_role(name, token)

    def encoder(self, kept: Mapping[str, Any], tokens: Sequence[tuple[AddedToken, int]]) -> TextEncoder:
        """Cleaning, recognised tokens, pieces."""
        as_documented = kept["algorithm"] == "transformers"
        rules = CleaningRules(kept["do_lower_case"], kept["keep_accents"], kept["remove_space"], as_documented)
        finder = TokenFinder(tokens, lower_case=kept["do_lower_case"]) if as_documented else None
        make_flat = partial(FlatEncoder, self._pieces, rules, self._model)
        return TextEncoder(self._pieces, rules, finder, make_flat=make_flat, trim_offsets=kept["trim_offsets"])

    def text(
        self, tokens: Sequence[str], *, special: Collection[str], added: Collection[str], spaces_between: bool
    ) -> str:
        """Text of tokens."""
        return decoding.decode_tokens(
            tokens, special=special, added=added, join=self._pieces.join, spaces_between=spaces_between
        )

    def fingerprint(self, kept: Mapping[str, Any], added: Sequence[tuple[int, str]]) -> str:
        """SHA-256 of pieces, scores, kinds, normalisation and settings."""
        flags = tuple(kept[name] for name in _DECIDING)
        return saving.fingerprint(self._model, (flags, list(added), sorted(kept["sp_model_kwargs"].items())))

    def write_vocabulary(self, folder: Path, prefix: str | None) -> Path:
        """Write ``[prefix-]spiece.model``."""
        return saving.write_file_of(folder, settings.SPM_FILE, self._model, prefix)

    def files(self, kept: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Mapping[str, Any]]:
        """Settings, special tokens, and ``tokenizer.json`` where the model is of the unigram kind."""
        contents: dict[str, Mapping[str, Any]] = {
            settings.CONFIG_FILE: settings.config_content(kept, vocabulary.roles, vocabulary.added_by_id),
            settings.SPECIALS_FILE: settings.specials_content(vocabulary.roles),
        }
        parsed = parse_spm(self._model)
        if parsed.model_type == UNIGRAM:
            roles = vocabulary.roles
            contents[settings.JSON_FILE] = tokenizer_json(
                parsed,
                do_lower_case=bool(kept["do_lower_case"]),
                keep_accents=bool(kept["keep_accents"]),
                add_prefix_space=bool(kept["add_prefix_space"]),
                added=list(vocabulary.added_by_id.items()),
                cls=(roles["cls_token"].content, vocabulary.id_or_unknown(roles["cls_token"].content)),
                sep=(roles["sep_token"].content, vocabulary.id_or_unknown(roles["sep_token"].content)),
            )
        return contents
