"""What the sections of a recipe may say: sizes, data, objective, training, machine.

Every section refuses unknown keys and silent casts. The text under a field is its help in the reference pages and in
the JSON schema.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator

from albert_cli.recipe.devices import read_device

SIZES = ("tiny", "small", "base", "large", "xlarge", "xxlarge")
BUILT_IN_DATA = "python-docs"

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, le=1)]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Base of every section: typos, silent casts and later edits are errors."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


def _one_or_many(value: Any) -> str:
    return "<many>" if isinstance(value, list) else "<one>"


Paths = Annotated[
    Annotated[Text, Tag("<one>")] | Annotated[Annotated[list[Text], Field(min_length=1)], Tag("<many>")],
    Discriminator(_one_or_many),
]


class ModelFields(Section):
    """An architecture written out; a key that is left out has the value of `AlbertConfig`, that is of xxlarge."""

    vocab_size: Positive | None = None
    """Number of pieces; null takes the tokenizer's."""
    embedding_size: Positive = 128
    """Width of the factorised embeddings (E)."""
    hidden_size: Positive = 4096
    """Width of a token inside the encoder (H), a multiple of `num_attention_heads`."""
    num_hidden_layers: Positive = 12
    """Layers that a token passes (N)."""
    num_hidden_groups: Positive = 1
    """Groups of layers with weights of their own; 1 shares one set over all layers."""
    num_attention_heads: Positive = 64
    """Attention heads (A)."""
    intermediate_size: Positive = 16384
    """Width inside the feed-forward block (I)."""
    inner_group_num: Positive = 1
    """Different layers inside one group (K)."""
    parameter_sharing: Literal["all", "attention", "ffn", "none"] = "all"
    """What the layers share: everything (within each of the groups), attention alone, feed-forward alone, nothing.

    Other values than `all` give every layer a group of its own.
    """
    hidden_act: Literal["gelu_new", "gelu", "relu", "silu", "tanh", "linear"] = "gelu_new"
    """Activation of the feed-forward block and of the masked-LM head; `gelu_new` is the tanh form."""
    hidden_dropout_prob: DropoutRate = 0.0
    """Dropout of embeddings and of sub-layer outputs."""
    attention_probs_dropout_prob: DropoutRate = 0.0
    """Dropout of attention weights."""
    max_position_embeddings: Positive = 512
    """Longest sequence in tokens."""
    type_vocab_size: Positive = 2
    """Number of segment ids."""
    initializer_range: Annotated[float, Field(gt=0)] = 0.02
    """Standard deviation of the truncated normal that fills new weights."""
    layer_norm_eps: Annotated[float, Field(gt=0)] = 1e-12
    """Added to the variance in every layer norm."""
    classifier_dropout_prob: DropoutRate = 0.1
    """Dropout before a task head."""
    dropout_placement: Literal["original", "transformers"] = "original"
    """`original`: dropout after the feed-forward block, none before the order head; `transformers`: reversed."""


def _name_or_fields(value: Any) -> str:
    return "<fields>" if isinstance(value, dict | ModelFields) else "<name>"


Architecture = Annotated[
    Annotated[Literal["tiny", "small", "base", "large", "xlarge", "xxlarge"], Tag("<name>")]
    | Annotated[ModelFields, Tag("<fields>")],
    Discriminator(_name_or_fields),
]
Model = Annotated[
    Annotated[Text, Tag("<name>")] | Annotated[ModelFields, Tag("<fields>")], Discriminator(_name_or_fields)
]


class Init(Section):
    """Where the weights come from."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_: Annotated[Text | None, Field(alias="from")] = None
    """Model or run directory, or hub id, to start from.

    Pretraining takes all its weights. Fine-tuning takes its encoder, and unless `model` is a size or a mapping its
    architecture and tokenizer too, in place of those of `model`; the head of the task is drawn anew.
    """


class PretrainInit(Init):
    """Where the weights come from, and how they grow into the model that is asked for.

    Fewer layers or groups than the model's are no obstacle: shared layers are applied more often, groups are copied.
    """

    positions: Literal["tile", "interpolate"] | None = None
    """How a longer position table follows from a shorter one: its rows over again, or stretched.

    null refuses a start with fewer positions.
    """
    vocabulary: Literal["keep", "resize"] = "keep"
    """`keep`: the tokenizer must be that of the start; `resize`: pieces of the same text keep their rows, new ones are
    drawn."""


class TaskColumns(Section):
    """Names of the columns of a task's table; null takes the names of the task's official format."""

    text: Text | None = None
    """First (or only) text."""
    text_pair: Text | None = None
    """Second text of a pair."""
    label: Text | None = None
    """Label or score; for multi-label data a list, or one text with the labels separated by commas."""
    id: Text | None = None
    """Identifier that predictions carry."""
    question: Text | None = None
    """Question about a text (spans, choices)."""
    context: Text | None = None
    """Text that a question is about (spans, choices)."""
    answers: Text | None = None
    """Answers of a span question: SQuAD's object of `text` and `answer_start`, or one text beside `answer_start`."""
    answer_start: Text | None = None
    """Character at which the answer begins, where `answers` is one text."""
    choices: Text | None = None
    """List of the choices of a question; or several columns with one choice each, separated by commas."""
    tokens: Text | None = None
    """List of a sentence's words (tagging)."""
    tags: Text | None = None
    """List of the words' tags (tagging)."""


class TaskSplit(Section):
    """Names of the splits; null takes the names of the task's official format."""

    train: Text | None = None
    """Split to train on."""
    dev: Text | None = None
    """Split to choose the best checkpoint by, and to score."""
    test: Text | None = None
    """Split to predict."""


class TaskData(Section):
    """Labelled examples. Exactly one of `path` and `dataset`."""

    path: Paths | None = None
    """File, folder, or a list of them: the task's official format, or CSV, TSV, JSON, JSONL, parquet."""
    dataset: Text | None = None
    """Hub data set, or `python-docs` for the built-in task."""
    config: Text | None = None
    """Configuration of the hub data set."""
    revision: Text | None = None
    """Commit, tag or branch of the hub data set."""
    split: TaskSplit = TaskSplit()
    """Names of the splits."""
    columns: TaskColumns = TaskColumns()
    """Names of the columns."""
    max_length: Annotated[int, Field(ge=8)] = 128
    """Longest sequence in tokens, special tokens included; longer ones are cut."""
    limit: Positive | None = None
    """Use only the first so many rows of each split."""
    order: Literal["random", "grouped"] = "random"
    """Order of the training examples; `grouped` computes similar lengths together."""
    cache: Text | None = None
    """Folder for encoded splits, which are kept for the next run; null takes the user's cache folder."""


class QuestionAnswering(Section):
    """How answers are found in a text that may be longer than the model reads at once (paper, appendix; SQuAD)."""

    stride: Positive = 128
    """Tokens between the windows of a long text, as `stride_is` reads it."""
    stride_is: Literal["step", "overlap"] = "step"
    """`step`: from one window's start to the next one's (the original); `overlap`: shared by two windows."""
    max_query_length: Positive = 64
    """Longest question in tokens; the rest is cut."""
    max_answer_length: Positive = 30
    """Longest answer in tokens."""
    n_best: Positive = 20
    """Answers kept for each question in nbest_predictions.json."""
    head: Literal["auto", "plain", "beam"] = "auto"
    """`plain`: start and end; `beam`: the original's head of SQuAD v2.0 (start, then end, answerability).

    `auto`: beam for `squad2`, else plain; a trained model keeps its own.
    """
    start_n_top: Positive = 5
    """Beam head: starts that are followed up."""
    end_n_top: Positive = 5
    """Beam head: ends kept for each start."""


class MultipleChoice(Section):
    """How questions with choices are read (the original's RACE; SWAG; own questions)."""

    max_qa_length: Positive = 128
    """Longest question with one choice in tokens; its beginning is cut, then the context gets the room that is left."""
    blanks: Literal["auto", "fill", "keep"] = "auto"
    """A "_" in a question: `fill` puts the choice there, `keep` leaves it and appends the choice, as without a blank.

    `auto`: fill for `race` and `multiple-choice`, keep for `swag` and `hellaswag`.
    """
    subset: Text | None = None
    """Only the questions of this part: `middle` or `high` of RACE, `indomain` or `zeroshot` of HellaSwag; null: all."""


class Tagging(Section):
    """How tags of words are read (named entities and the like)."""

    scheme: Literal["auto", "bio", "iob1", "bioes", "io", "none"] = "auto"
    """What the prefixes of the tags mean; `auto` finds it in the training rows and says it.

    `none`: each word has a tag of its own, parts of speech for example; accuracy is the score, not F1 of spans.
    """
    learn_as: Literal["bio", "iob1", "bioes", "io"] | None = None
    """Scheme that the tags are converted to before anything is learnt or scored; null leaves them as they are."""
    overlap: NotNegative = 32
    """Tokens that two windows of a sentence longer than `data.max_length` share, at most half a window."""
    word_column: int | None = None
    """Column of the words in CoNLL files, from 1, or from the end with -1; null: the first that is no number."""
    tag_column: int | None = None
    """Column of the tags in CoNLL files; null: the last (in numbered files the first column of span tags)."""


class Tokenizer(Section):
    """The tokenizer to train."""

    vocab_size: Annotated[int, Field(ge=16)] = 30_000
    """Number of pieces, special ones included."""
    do_lower_case: bool = True
    """Lower-case the text."""
    keep_accents: bool = False
    """Keep accents; otherwise they are stripped."""
    character_coverage: Annotated[float, Field(gt=0, le=1)] = 0.99995
    """Share of the characters that must get a piece."""
    input_sentence_size: Positive = 10_000_000
    """Sample at most so many lines."""
    algorithm: Literal["transformers", "original"] = "transformers"
    """Whose text cleaning the tokenizer directory records: that of `transformers`, or the original code's."""
    model_max_length: Positive = 512
    """Longest sequence that the tokenizer directory records."""


def _device_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class TokenizerRuntime(Section):
    """The machine, for the tokenizer."""

    threads: Positive | None = None
    """Threads; null uses every core that this process may use."""


class Runtime(TokenizerRuntime):
    """The machine."""

    device: Annotated[str, BeforeValidator(_device_text)] = "auto"
    """auto, cpu, cuda, cuda:N, N (= cuda:N), -1 (= cpu) or mps."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number format of the matrix products."""
    nproc: Positive = 1
    """Processes on this machine."""
    timeout: Annotated[float, Field(gt=0)] = 30
    """Minutes that a process waits for another before all of them end with a message."""
    linear: Literal["auto", "default", "onednn"] = "auto"
    """Which product of matrices a processor uses in fp32: torch's own or oneDNN's; the results agree up to rounding.

    `auto` goes by the processor's model, so the same seed gives the same numbers; `albert env` says which and why.
    """
    attention: Literal["auto", "plain", "sdpa", "varlen"] = "auto"
    """How attention is computed; the results agree."""
    workers: NotNegative = 0
    """Processes that prepare batches ahead; 0 prepares them in the main one."""
    recompute: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    compile: bool = False
    """Compile the shared layer, once for all depths: for GPUs. On a processor it takes seconds and gains nothing."""

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        return read_device(value)
