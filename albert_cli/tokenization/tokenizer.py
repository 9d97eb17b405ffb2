"""What turns text into the ids of an ALBERT model and back: the tokenizer that users hold in their hands."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from albert_cli.tokenization import decoding, loading, request, saving
from albert_cli.tokenization.assemble import type_ids_of
from albert_cli.tokenization.encoder import EncodedText
from albert_cli.tokenization.encoding import BatchEncoding
from albert_cli.tokenization.engine import EncodeFlat
from albert_cli.tokenization.request import CallOptions
from albert_cli.tokenization.rows import Marks, build_rows, encode_samples, pad_encoded, to_batch
from albert_cli.tokenization.specials import ROLES, AddedToken
from albert_cli.tokenization.vocabulary import Vocabulary


class AlbertTokenizer:
    """Text to ids and back, equal to the documented slow ``AlbertTokenizer`` by default.

    Args:
        vocab_file: a SentencePiece model (``spiece.model``, ``30k-clean.model``), or a WordPiece ``vocab.txt``.
        do_lower_case: lower-case text; None: what ``tokenizer_file`` says, else True.
        vocab: a path as ``vocab_file``, or a list of (piece, score) in id order; instead of ``vocab_file``.
        tokenizer_file: a ``tokenizer.json``; instead of ``vocab_file``.
        additional_special_tokens: further tokens that are recognised in text and skipped by ``decode``.
        **options: the settings of ``settings.TokenizerOptions``, and special tokens by role: ``bos_token``,
            ``eos_token``, ``unk_token``, ``sep_token``, ``pad_token``, ``cls_token``, ``mask_token`` (strings, or
            objects with ``content``). Special tokens that the vocabulary lacks get new ids behind it. In a WordPiece
            vocabulary the unknown and the padding token are by default ``[UNK]`` and ``[PAD]``.

    Raises:
        ModelError: the source is missing, damaged, or no SentencePiece model.
        ValueError: a setting has an impossible value.
        TypeError: an argument that does not exist.
    """

    bos_token: str
    eos_token: str
    unk_token: str
    sep_token: str
    pad_token: str
    cls_token: str
    mask_token: str
    bos_token_id: int
    eos_token_id: int
    unk_token_id: int
    sep_token_id: int
    pad_token_id: int
    cls_token_id: int
    mask_token_id: int
    do_lower_case: bool
    keep_accents: bool
    algorithm: str
    split_special_tokens: bool
    model_max_length: int
    padding_side: str
    truncation_side: str
    clean_up_tokenization_spaces: bool
    model_input_names: list[str]
    kind: str

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        do_lower_case: bool | None = None,
        *,
        vocab: Any = None,
        tokenizer_file: str | os.PathLike[str] | None = None,
        additional_special_tokens: Sequence[Any] = (),
        **options: Any,
    ) -> None:
        roles = {role: options.pop(role, None) for role in ROLES}
        source = loading.open_source(vocab_file, vocab, tokenizer_file)
        kept = source.settle({"do_lower_case": do_lower_case, **options})
        vars(self).update(kept)
        self.vocab_file, self.kind = source.path, source.kind
        self._kept = tuple(kept)
        self._engine = source.engine(kept)
        self._vocabulary = Vocabulary(
            self._engine.table,
            self._engine.ids,
            unk_id=self._engine.unk_id,
            roles={role: self._engine.role(role, token) for role, token in roles.items()},
            extra=source.added,
        )
        self._vocabulary.add(AddedToken.of(token) for token in additional_special_tokens)
        self._refresh()

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        revision: str | None = None,
        use_fast: bool | None = None,
        **overrides: Any,
    ) -> AlbertTokenizer:
        """Load a tokenizer.

        Args:
            name: a directory, a run directory, a SentencePiece model, a vocab.txt, a tokenizer.json, or a hub id.
            revision: branch, tag or commit of a hub id.
            use_fast: taken because users write it; this one class is both the slow and the fast tokenizer.
            **overrides: constructor arguments that win over the stored settings.

        Raises:
            ModelError: there is no tokenizer, or its files are damaged.
        """
        del use_fast
        arguments, added = loading.pretrained_arguments(loading.find_pretrained(name, revision))
        tokenizer = cls(**{**arguments, **overrides})
        tokenizer._vocabulary.take(added)  # under the ids that the file gives them
        tokenizer._refresh()
        return tokenizer

    def __len__(self) -> int:
        return len(self._vocabulary)

    def __repr__(self) -> str:
        return (
            f"AlbertTokenizer({self.vocab_file!r}, vocab_size={self.vocab_size}, do_lower_case={self.do_lower_case}, "
            f"keep_accents={self.keep_accents}, algorithm={self.algorithm!r})"
        )

    @property
    def vocab_size(self) -> int:
        """Pieces of the vocabulary's own file; ``len(tokenizer)`` counts added tokens too."""
        return len(self._engine.table)

    @property
    def is_fast(self) -> bool:
        """Whether offsets and word ids can be had: always."""
        return True

    @property
    def all_special_tokens(self) -> list[str]:
        """Every special token once."""
        return self._vocabulary.special_tokens

    @property
    def all_special_ids(self) -> list[int]:
        """Ids of ``all_special_tokens``."""
        return [self._vocabulary.id_or_unknown(token) for token in self.all_special_tokens]

    @property
    def additional_special_tokens(self) -> list[str]:
        """Special tokens without a role."""
        return list(self._vocabulary.more_special)

    @property
    def special_tokens_map(self) -> dict[str, Any]:
        """Special tokens by role."""
        more = self.additional_special_tokens
        named: dict[str, Any] = {role: token.content for role, token in self._vocabulary.roles.items()}
        return {**named, "additional_special_tokens": more} if more else named

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides about ids: pieces, scores, kinds, normalisation and settings."""
        added = [(index, token.content) for index, token in self._vocabulary.added_by_id.items()]
        return self._engine.fingerprint(self._settings(), added)

    def get_vocab(self) -> dict[str, int]:
        """Every token with its id."""
        return self._vocabulary.as_dict()

    def piece_table(self) -> list[str]:
        """Pieces in id order."""
        return list(self._engine.table)

    def id_to_piece(self, index: int) -> str:
        """Token of an id."""
        return self._vocabulary.token(index)

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Add tokens behind the vocabulary; they are recognised in text.

        Args:
            new_tokens: a token or a list of tokens (strings, or objects with ``content``).
            special_tokens: they are special: ``decode`` can skip them.

        Returns:
            How many are new; the model's embeddings must grow by as many.
        """
        listed = new_tokens if isinstance(new_tokens, (list, tuple)) else [new_tokens]
        count = self._vocabulary.add(AddedToken.of(token, special=special_tokens) for token in listed)
        self._refresh()
        return count

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Any]) -> int:
        """Give roles to tokens, or add further ones under ``additional_special_tokens``; returns how many are new."""
        count = self._vocabulary.add_special(special_tokens_dict)
        self._refresh()
        return count

    # Text to ids

    def encode_batch(
        self, texts: Sequence[str], *, split_special_tokens: bool = True, threads: int = 1
    ) -> list[list[int]]:
        """Ids of many texts at the speed of the library behind it; no special tokens are added."""
        return self._encoder.encode_batch(texts, split_special_tokens=split_special_tokens, threads=threads)

    def flat_encoder(self) -> EncodeFlat:
        """An encoder for large amounts of text: the ids of ``encode_batch``, in one array, several times as fast."""
        return self._encoder.flat()

    def encode_with_offsets(self, text: str, *, split_special_tokens: bool = True) -> EncodedText:
        """Ids of one text and where each piece lies in it; no special tokens are added."""
        return self._encoder.encode_with_offsets(text, split_special_tokens=split_special_tokens)

    def tokenize(
        self,
        text: str,
        pair: str | None = None,
        add_special_tokens: bool = False,
        *,
        split_special_tokens: bool | None = None,
    ) -> list[str]:
        """Tokens of a text or pair; unknown stretches as they stand in the clean text."""
        split = self.split_special_tokens if split_special_tokens is None else split_special_tokens
        first = self.encode_with_offsets(text, split_special_tokens=split).pieces
        second = [] if pair is None else self.encode_with_offsets(pair, split_special_tokens=split).pieces
        if not add_special_tokens:
            return first + second
        return [self.cls_token, *first, self.sep_token, *([] if pair is None else [*second, self.sep_token])]

    def encode(self, text: Any, text_pair: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Ids of one text or pair; a list, or a tensor of shape (1, L) with ``return_tensors``."""
        return self(text, text_pair, **options)["input_ids"]

    def __call__(self, text: Any, text_pair: Any = None, **options: Unpack[CallOptions]) -> BatchEncoding:
        """Model inputs for a text, a pair, or a batch of them.

        Args:
            text: a string; a list of strings or of (text, pair); with ``is_split_into_words`` a list of words, or a
                list of such lists.
            text_pair: second texts, in the same form.
            **options: the arguments of ``request.CallOptions``.

        Raises:
            ValueError: options that contradict each other or would do nothing; a text that cannot be cut.
            TypeError: something that is no text, or an option that does not exist.
        """
        call = self._read_call(options)
        samples, batched = request.read_samples(text, text_pair, split_into_words=call.words)
        split = self.split_special_tokens if call.split is None else call.split
        encoded = encode_samples(self._encoder, samples, split=split, draw=self._engine.samples)
        marks = Marks(self.cls_token_id, self.sep_token_id, self.pad_token_id, self._vocabulary.token)
        rows = build_rows(encoded, call.shape, marks, special=call.special)
        names = [name for name, yes in call.columns.items() if (name in self.model_input_names if yes is None else yes)]
        lengths = [sum(row.attention_mask) for row in rows] if call.length else None
        batch = to_batch(rows, names=names, lengths=lengths)
        if call.tensors is None and not batched and not call.shape.overflow:
            batch.data = {name: values[0] for name, values in batch.data.items()}
        return batch.convert_to_tensors(call.tensors)

    def pad(self, encoded_inputs: Any, **options: Unpack[CallOptions]) -> BatchEncoding:
        """Bring rows that were encoded one by one to one length.

        Args:
            encoded_inputs: a list of mappings with ``input_ids``, or a mapping of lists.
            **options: those of a call that speak of padding, masks and tensors; ``padding`` is True by default.
        """
        request.refuse_but(request.PAD_OPTIONS, options, "pad")
        call = self._read_call({"padding": True, **options, "truncation": False})
        mask = call.columns["attention_mask"]
        mask = "attention_mask" in self.model_input_names if mask is None else mask
        data = pad_encoded(encoded_inputs, call.shape, pad_id=self.pad_token_id, want_mask=mask)
        return BatchEncoding(data).convert_to_tensors(call.tensors)

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """``[CLS] A [SEP]`` or ``[CLS] A [SEP] B [SEP]``."""
        second = [] if token_ids_1 is None else [*token_ids_1, self.sep_token_id]
        return [self.cls_token_id, *token_ids_0, self.sep_token_id, *second]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """0 for ``[CLS] A [SEP]``, 1 for ``B [SEP]``."""
        return type_ids_of(len(token_ids_0), None if token_ids_1 is None else len(token_ids_1), special=True)

    def get_special_tokens_mask(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None, already_has_special_tokens: bool = False
    ) -> list[int]:
        """1 for special tokens, else 0; ``already_has_special_tokens`` marks the special ids of a finished row."""
        if already_has_special_tokens:
            if token_ids_1 is not None:
                raise ValueError("already_has_special_tokens=True takes one finished row, not two sequences")
            special = set(self.all_special_ids)
            return [int(index in special) for index in token_ids_0]
        second = [] if token_ids_1 is None else [0] * len(token_ids_1) + [1]
        return [1, *[0] * len(token_ids_0), 1, *second]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens a text or a pair gets."""
        return 3 if pair else 2

    # Ids to text

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """Id of a token, or ids of several; the unknown id where a token is none."""
        if isinstance(tokens, str):
            return self._vocabulary.id_or_unknown(tokens)
        return [self._vocabulary.id_or_unknown(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """Token of an id, or tokens of several; an IndexError for one outside the vocabulary."""
        numbers = decoding.as_id_list(ids)
        if isinstance(numbers, int):
            return self._vocabulary.token(numbers)
        special = set(self.all_special_ids) if skip_special_tokens else set()
        return [self._vocabulary.token(index) for index in numbers if index not in special]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Text of tokens."""
        return self._engine.text(tokens, special=self.all_special_tokens, added=(), spaces_between=True)

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = True,
    ) -> Any:
        """Text of ids.

        Args:
            token_ids: an id, ids in a list, array or tensor; a batch of them gives a list of texts.
            skip_special_tokens: leave special tokens out.
            clean_up_tokenization_spaces: take away spaces before English punctuation; None: the tokenizer's own.
            spaces_between_special_tokens: put a space around added tokens.
        """
        tidy = clean_up_tokenization_spaces
        tidy = self.clean_up_tokenization_spaces if tidy is None else tidy
        if decoding.is_batch(token_ids):
            return [self.decode(row, skip_special_tokens, tidy, spaces_between_special_tokens) for row in token_ids]
        tokens = self.convert_ids_to_tokens(token_ids, skip_special_tokens=skip_special_tokens)
        text = self._engine.text(
            [tokens] if isinstance(tokens, str) else tokens,
            special=self.all_special_tokens,
            added=self._vocabulary.plain_added,
            spaces_between=spaces_between_special_tokens,
        )
        return decoding.clean_up_spaces(text) if tidy else text

    def batch_decode(self, sequences: Any, *arguments: Any, **options: Any) -> list[str]:
        """Texts of rows of ids; arguments as in ``decode``."""
        return [self.decode(row, *arguments, **options) for row in sequences]

    def save_vocabulary(self, save_directory: str | os.PathLike[str], filename_prefix: str | None = None) -> tuple[str]:
        """Write ``spiece.model`` (``vocab.txt`` for WordPiece) into an existing directory."""
        return (str(self._engine.write_vocabulary(Path(save_directory), filename_prefix)),)

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Write spiece.model (or vocab.txt), tokenizer.json, tokenizer_config.json and special_tokens_map.json.

        Args:
            save_directory: made if absent.
            filename_prefix: put before the name of ``spiece.model`` or ``vocab.txt``.

        Returns:
            The paths; a SentencePiece model that is not of the unigram kind has no tokenizer.json.
        """
        return saving.write_tokenizer(
            save_directory, self._engine, self._vocabulary, self._settings(), prefix=filename_prefix
        )

    def _settings(self) -> dict[str, Any]:
        """Every setting by name, as it is now."""
        return {name: getattr(self, name) for name in self._kept}

    def _read_call(self, options: Any) -> request.Call:
        """Checked options, with this tokenizer's own settings where they say nothing."""
        return request.read_call(
            options,
            padding_side=self.padding_side,
            truncation_side=self.truncation_side,
            model_max_length=self.model_max_length,
        )

    def _refresh(self) -> None:
        """Bring ids and encoder in line with the vocabulary's tokens."""
        for role, token in self._vocabulary.roles.items():
            setattr(self, role, token.content)
            setattr(self, f"{role}_id", self._vocabulary.id_or_unknown(token.content))
        self._encoder = self._engine.encoder(self._settings(), self._vocabulary.found_in_text)


AlbertTokenizerFast = AlbertTokenizer
