"""What a recipe may say of text and of what pretraining makes of it: sources, sentences, lengths, masks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from albert_cli.recipe.sections import Paths, Positive, Rate, Section, Text


class CorpusColumns(Section):
    """Names of the columns of a table of documents."""

    text: Text = "text"
    """Column with the document's text."""


class CorpusText(Section):
    """Raw text: documents. Exactly one of `path` and `dataset`."""

    path: Paths | None = None
    """File, folder, or a list of them.

    Plain text (.txt, .txt.gz): a document per file, or blank-line separated. Tables need a text column.
    """
    dataset: Text | None = None
    """Hub data set, or `python-docs` for the documentation strings of the installed Python."""
    config: Text | None = None
    """Configuration of the hub data set."""
    revision: Text | None = None
    """Commit, tag or branch of the hub data set."""
    split: Text | None = None
    """Split of the data set; null takes `train`."""
    columns: CorpusColumns = CorpusColumns()
    """Names of the columns."""
    documents: Literal["auto", "file", "blank_line"] = "auto"
    """How plain text is parted into documents: one per `file`, at every `blank_line`, or `auto`.

    `auto`: at blank lines where sentences stand one per line or where nearly all blocks are long; else one per file.
    """
    sentences: Literal["sentencex", "newline", "regex"] = "sentencex"
    """How documents are cut into sentences; `newline`: a sentence per line, as the original code had it."""
    language: Text = "en"
    """Language code for the sentence splitter."""
    limit: Positive | None = None
    """Use only the first so many documents."""


class CorpusSource(Section):
    """One of several sources of text. Exactly one of `path` and `dataset`."""

    path: Paths | None = None
    """File, folder, or a list of them."""
    dataset: Text | None = None
    """Hub data set, or `python-docs`."""
    config: Text | None = None
    """Configuration of the hub data set."""
    revision: Text | None = None
    """Commit, tag or branch of the hub data set."""
    split: Text | None = None
    """Split of the data set; null takes `train`."""
    columns: CorpusColumns = CorpusColumns()
    """Names of the columns."""
    documents: Literal["auto", "file", "blank_line"] = "auto"
    """How plain text is parted into documents."""
    language: Text | None = None
    """Language code for the sentence splitter; null takes `data.language`."""
    limit: Positive | None = None
    """Use only the first so many documents."""
    weight: Annotated[float, Field(gt=0)] | None = None
    """Share of the training text that comes from this source, in proportion to the other weights.

    A source that is too small for its share is repeated within an epoch, one that is too large is seen in parts. null
    for all sources: every document once in an epoch.
    """


class LengthPhase(Section):
    """A part of the run in which examples have one length."""

    length: Annotated[int, Field(ge=8)]
    """Longest training sequence in tokens."""
    share: Annotated[float, Field(gt=0, le=1)]
    """Share of the optimiser steps."""


class CorpusData(CorpusText):
    """Raw text to pretrain on. Exactly one of `path`, `dataset` and `sources`."""

    sources: Annotated[list[CorpusSource], Field(min_length=1)] | None = None
    """Several sources, mixed by weight: a list of mappings with `path` or `dataset`, `weight`, ..."""
    duplicates: Literal["keep", "exact", "near"] = "keep"
    """Documents that repeat an earlier one: `keep`; leave out the `exact` ones; or also `near` ones.

    `near`: four fifths of the runs of five tokens are the same (estimated by MinHash).
    """
    order: Literal["shuffled", "as_read"] = "shuffled"
    """`shuffled`: token ids are stored once and every epoch has an order of its own; `as_read`: the text is read while
    training, in its own order, and nothing is stored."""
    each_node: Literal["whole", "part", "own"] = "whole"
    """What each machine of a run on several machines prepares and reads; with one machine all three are the same.

    `whole`: all of the text, so that a step holds the same examples however they are divided. `part`: all machines see
    the same text and each takes a share of its files or documents. `own`: each machine has files of its own at `path`.
    With `part` and `own` a step takes as many examples from each machine, and duplicates are looked for within a
    machine's text.
    """
    max_length: Annotated[int, Field(ge=8)] = 512
    """Longest training sequence in tokens, special tokens included."""
    length_schedule: Annotated[list[LengthPhase], Field(min_length=1)] | None = None
    """Phases of the run by length, e.g. nine tenths of the steps at 128 and the rest at 512; the shares sum to 1."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Share of the documents kept for measuring, never trained on."""
    workers: Positive | None = None
    """Processes that turn text into token ids; null takes one for each usable core, at most 8."""
    cache: Text | None = None
    """Folder for prepared token shards; null takes the user's cache folder."""


class Objective(Section):
    """What pretraining learns: masked tokens, and the order of two segments."""

    sentence: Literal["sop", "sop_original", "nsp", "none"] = "sop"
    """Task on segment pairs.

    `sop`: sentence order alone; `sop_original`: with the original code's random pairs for documents of one chunk;
    `nsp`: next sentence; `none`: masked tokens alone.
    """
    ngram: Annotated[int, Field(ge=1, le=10)] = 3
    """Longest run of words masked together."""
    ngram_preference: Literal["shorter", "uniform", "longer"] = "shorter"
    """How n is drawn: in proportion to 1/n (the paper), evenly, or in proportion to n."""
    mask_rate: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the tokens to predict."""
    max_predictions: Positive | None = None
    """Most predictions in a sequence; null takes `mask_rate` of its length."""
    dupe_factor: Positive | None = None
    """Different ways in which each document is cut and masked; after so many epochs they come again.

    null: every epoch has new ones. The original code stored 40.
    """
    short_seq_prob: Rate = 0.1
    """Share of the sequences cut to a random shorter length."""
    whole_word: Literal["spaces", "english", "off"] = "spaces"
    """What is masked as a whole: all pieces between two spaces; English words, contractions apart; or single pieces."""
    cross_segments: bool = False
    """Whether a masked run may reach over the border of two segments."""
    random_specials: bool = False
    """Whether random replacements may be special tokens, as in the original code."""
