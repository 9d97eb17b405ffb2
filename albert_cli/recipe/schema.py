"""What a recipe may say: one class per stage, found by the key `stage`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field

from albert_cli.recipe.pretraining import CorpusData, CorpusText, Objective
from albert_cli.recipe.sections import (
    Architecture,
    Init,
    Model,
    MultipleChoice,
    PretrainInit,
    QuestionAnswering,
    Runtime,
    Section,
    Tagging,
    TaskData,
    Text,
    Tokenizer,
    TokenizerRuntime,
)
from albert_cli.recipe.training import FinetuneTrain, PretrainTrain

Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio", "comet_ml", "aim", "clearml", "dvclive", "swanlab"]
Task = Literal[
    "cola",
    "sst2",
    "mrpc",
    "stsb",
    "qqp",
    "mnli",
    "qnli",
    "rte",
    "wnli",
    "ax",
    "squad",
    "squad2",
    "race",
    "swag",
    "hellaswag",
    "ner",
    "question-answering",
    "multiple-choice",
    "token-classification",
    "text-classification",
    "text-regression",
    "multi-label",
    "python-docs",
]


class RecipeBase(Section):
    """What every recipe says."""

    description: str = ""
    """One line for `albert recipe ls`."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42
    """Everything random follows from it: new weights, order of examples, masks, dropout."""
    out: Text | None = None
    """Run directory; null makes runs/<recipe>-<time>. Paths are relative to the working directory."""


class TokenizerRecipe(RecipeBase):
    """`albert train-tokenizer`: text in, tokenizer directory out."""

    stage: Literal["train-tokenizer"]
    """What the recipe is for."""
    data: CorpusText
    """The text to learn pieces from."""
    tokenizer: Tokenizer = Tokenizer()
    """The tokenizer to train."""
    runtime: TokenizerRuntime = TokenizerRuntime()
    """The machine."""


class PretrainRecipe(RecipeBase):
    """`albert pretrain`: text in, model out."""

    stage: Literal["pretrain"]
    """What the recipe is for."""
    model: Architecture | None = None
    """The architecture: tiny, small, base, large, xlarge, xxlarge, or a mapping of its fields.

    null takes that of `init.from`; one of the two is required.
    """
    init: PretrainInit = PretrainInit()
    """Where the weights come from."""
    tokenizer: str = ""
    """Tokenizer directory, SentencePiece file, run directory or hub id; left out it is that of `init.from`.

    Required without `init.from`.
    """
    data: CorpusData
    """The text to learn from."""
    objective: Objective = Objective()
    """What is learnt."""
    train: PretrainTrain
    """How the weights are found."""
    runtime: Runtime = Runtime()
    """The machine."""
    trackers: list[Tracker] = Field(default_factory=list)
    """Trackers to report to besides metrics.jsonl; none unless asked for."""


class FinetuneRecipe(RecipeBase):
    """`albert finetune`: labelled examples in, scored model out."""

    stage: Literal["finetune"]
    """What the recipe is for."""
    task: Task
    """A task of the literature (GLUE, SQuAD, RACE, SWAG, HellaSwag, NER), a kind of own files, or python-docs."""
    model: Model
    """Directory, run directory or hub id of a model; or a size; or a mapping of architecture fields."""
    init: Init = Init()
    """Another place for the weights to come from, such as a run on another task."""
    tokenizer: Text | None = None
    """Tokenizer directory, SentencePiece file, run directory or hub id; null takes the model's.

    Required when `model` is a size or a mapping.
    """
    data: TaskData
    """The labelled examples."""
    question_answering: QuestionAnswering = QuestionAnswering()
    """Windows and answers of span tasks (squad, squad2, question-answering)."""
    multiple_choice: MultipleChoice = MultipleChoice()
    """Choices of race, swag, hellaswag and multiple-choice."""
    tagging: Tagging = Tagging()
    """Tags of ner and token-classification."""
    metrics: list[Text] = Field(default_factory=list)
    """More metrics for the final scores: names of ours, or modules of the `evaluate` library by their place.

    A place is a path that begins with `./`, `../` or `/`, or a name of the hub (`evaluate-metric/accuracy`); the code
    that stands there is run. A bare name never runs a file of the working directory.
    """
    train: FinetuneTrain
    """How the weights are found."""
    runtime: Runtime = Runtime()
    """The machine."""
    trackers: list[Tracker] = Field(default_factory=list)
    """Trackers to report to besides metrics.jsonl; none unless asked for."""


class ConvertRecipe(Section):
    """`albert convert`: a checkpoint of one format in, of another out."""

    model_config = ConfigDict(serialize_by_alias=True)

    description: str = ""
    """One line for `albert recipe ls`."""
    out: Text | None = None
    """Directory to write. Required, here or with --out."""
    stage: Literal["convert"]
    """What the recipe is for."""
    source: str = ""
    """Directory, run directory or hub id of the checkpoint. Required."""
    to: Literal["hf", "hf-bin", "tf1", "tf2", "flax", "onnx"]
    """Format to write."""
    from_: Annotated[Literal["auto", "hf", "hf-bin", "tf1", "tf2", "flax"], Field(alias="from")] = "auto"
    """Format to read; `auto` recognises it."""
    head: Text | None = None
    """Model class, where the files leave it open, such as AlbertForMultipleChoice for RACE from tf1."""
    hidden_act: Text | None = None
    """Activation, where the checkpoint's config is known to be wrong."""
    tokenizer: Text | None = None
    """Tokenizer, if not beside the weights."""
    int8: bool = False
    """With `to: onnx`: weights of 8 bits."""


Recipe = TokenizerRecipe | PretrainRecipe | FinetuneRecipe | ConvertRecipe
AnyRecipe = Annotated[Recipe, Discriminator("stage")]
RECIPES: dict[str, type[TokenizerRecipe] | type[PretrainRecipe] | type[FinetuneRecipe] | type[ConvertRecipe]] = {
    "train-tokenizer": TokenizerRecipe,
    "pretrain": PretrainRecipe,
    "finetune": FinetuneRecipe,
    "convert": ConvertRecipe,
}
