"""What the command line asks of a stage besides the recipe: plain values, light to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUN_TASKS = (
    "fill-mask",
    "text-classification",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "sentence-order",
    "feature-extraction",
    "zero-shot-classification",
)
"""Tasks of `albert run`."""

RUN_ALIASES = {"ner": "token-classification"}
"""Other names of tasks of `albert run`."""

DEFAULT_MODEL = "albert/albert-base-v2"
"""Model of `albert run` when neither ``--model`` nor $ALBERT_MODEL names one."""

CONVERT_FORMATS = ("hf", "hf-bin", "tf1", "tf2", "flax")
"""Formats that `albert convert` reads; it writes these and onnx."""

FORMATS = ("infer", "text", "tsv", "jsonl", "json", "csv")
"""Input formats of `albert run`; `infer` looks at the file's suffix and at the line."""

POOLINGS = ("none", "cls", "mean")
"""How `feature-extraction` makes a vector of a text; `none` gives one per token."""

AGGREGATIONS = ("none", "simple", "first", "average", "max")
"""How `token-classification` joins the tags of pieces; `none` gives every piece."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a stage goes about its work.

    Args:
        resume: continue the run found in the recipe's `out`.
        resume_anyway: also where recipe, data or versions changed.
        dry_run: check everything, train nothing.
        json: print the result as one JSON object on stdout.
        quiet: no talk on stderr but warnings and errors.
        debug: the user wants tracebacks.
    """

    resume: bool = False
    resume_anyway: bool = False
    dry_run: bool = False
    json: bool = False
    quiet: bool = False
    debug: bool = False


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """What `albert eval` says besides the scores.

    Args:
        errors: how many of the worst rows to list.
        details: confusions, calibration, and scores by length.
        official: compute the scores through our modules of the ``evaluate`` library.
        combine: ``glue``: average the scores of several runs; None scores one target.
        out: where to write the combined runs' archive of predictions; None writes none.
    """

    errors: int = 0
    details: bool = False
    official: bool = False
    combine: str | None = None
    out: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ConvertRequest:
    """One call of `albert convert`.

    Args:
        source: directory, run directory or hub id.
        target: directory to write.
        to: format to write.
        from_: format to read; ``auto`` recognises it.
        head: name of the model class, where the checkpoint leaves it open.
        hidden_act: activation, where the checkpoint's config is known to be wrong.
        tokenizer: directory, SentencePiece file or hub id; None takes the one beside the weights.
        int8: write an onnx file with weights of 8 bits.
        overwrite: whether the target may exist; it is replaced whole.
        json: print the report as one JSON object.
        quiet: no talk on stderr but warnings and errors.
    """

    source: str
    target: str
    to: str
    from_: str = "auto"
    head: str | None = None
    hidden_act: str | None = None
    tokenizer: str | None = None
    int8: bool = False
    overwrite: bool = False
    json: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What computes the answers of `albert run` and `albert predict`, besides the precision.

    Args:
        int8: products in 8 bits.
        onnx: onnxruntime computes; a directory that holds ``model.onnx`` and no other weights needs no word.
        compile: compile the shared layer.
        verbose: say which products compute.
    """

    int8: bool = False
    onnx: bool = False
    compile: bool = False
    verbose: bool = False


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One call of `albert run`.

    Args:
        task: one of `RUN_TASKS`.
        model: directory, run directory or hub id.
        tokenizer: directory, SentencePiece file or hub id; None takes the model's.
        texts: the inputs given as arguments; empty means `input`, or stdin when that is None too.
        input: file with one input per line or record.
        output: file for the results; None is stdout.
        overwrite: whether `output` may exist.
        format: one of `FORMATS`.
        column: input column or columns of tables and JSON, as ``name`` or ``argument=name,argument=name``.
        device: auto, cpu, cuda, cuda:N or mps; one that is not there means a warning and cpu.
        precision: fp32, bf16 or fp16.
        threads: threads of the CPU; None leaves torch's choice.
        top_k: results per input; None takes the task's default (fill-mask 5, text-classification 1).
        targets: words that fill-mask may answer; empty means all.
        question: question of every input, which is then a context (question-answering); None: the inputs have it.
        context: context of every input, which is then a question (question-answering); None: the inputs have it.
        pooling: one of `POOLINGS`.
        aggregation: one of `AGGREGATIONS`; None takes `first`.
        parameters: further parameters of the task, under their names in Python (`inference.tasks.PARAMETERS`).
        batch_size: tokens that are computed together at most, a longer line alone; None takes what suits the device.
        quiet: no talk on stderr but warnings and errors.
        debug: the user wants tracebacks.
    """

    task: str
    model: str
    tokenizer: str | None = None
    texts: tuple[str, ...] = ()
    input: Path | None = None
    output: Path | None = None
    overwrite: bool = False
    format: str = "infer"
    column: str | None = None
    device: str = "auto"
    precision: str = "fp32"
    threads: int | None = None
    top_k: int | None = None
    targets: tuple[str, ...] = ()
    question: str | None = None
    context: str | None = None
    pooling: str = "none"
    aggregation: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
    engine: Engine = field(default_factory=Engine)
    quiet: bool = False
    debug: bool = False


@dataclass(frozen=True, kw_only=True)
class BenchDataOptions:
    """What `albert bench data` measures.

    Args:
        tokenizer: directory, run directory or SentencePiece file.
        text: file or folder; None takes the built-in python-docs.
        versus: ``transformers`` to measure its collator, too.
        length: longest example in tokens.
        batch_size: examples of a batch.
        max_batches: most batches of a turn.
        megabytes: text to encode in the comparison with SentencePiece.
        workers: processes of the preparation that is measured; 0 leaves it out.
        json: print the result as JSON.
        quiet: no talk on stderr but warnings and errors.
        debug: the user wants tracebacks.
    """

    tokenizer: str
    text: str | None = None
    versus: str | None = None
    length: int = 512
    batch_size: int = 32
    max_batches: int = 1000
    megabytes: float = 20.0
    workers: int = 4
    json: bool = False
    quiet: bool = False
    debug: bool = False


@dataclass(frozen=True, kw_only=True)
class BenchTrainOptions:
    """What `albert bench train` measures.

    Args:
        workload: name of a preset.
        size: a released size.
        layers: layers instead of the size's own; None keeps those.
        batch_size: sequences instead of the preset's own; None keeps those.
        precision: fp32, bf16 or fp16.
        device: where.
        threads: of the processor; None leaves torch's choice.
        linear: which product of matrices: auto, default or onednn.
        attention: how attention is computed: auto, plain, sdpa or varlen.
        compile: compile the shared layer.
        recompute: also measure with every layer computed anew in the backward pass.
        versus: ``transformers`` to measure it, too.
        peer_attention: its ``attn_implementation``.
        pad_to_max: also measure it with every sequence padded to the preset's maximum.
        memory: peak memory instead of speed.
        rounds: times each side is timed.
        warmup: steps before.
        seed: of weights and batch.
        json: print the result as JSON.
        quiet: no talk on stderr but warnings and errors.
        debug: the user wants tracebacks.
    """

    workload: str
    size: str = "base"
    layers: int | None = None
    batch_size: int | None = None
    precision: str = "fp32"
    device: str = "cpu"
    threads: int | None = None
    linear: str = "auto"
    attention: str = "auto"
    compile: bool = False
    recompute: bool = False
    versus: str | None = None
    peer_attention: str = "sdpa"
    pad_to_max: bool = False
    memory: bool = False
    rounds: int = 3
    warmup: int = 1
    seed: int = 42
    json: bool = False
    quiet: bool = False
    debug: bool = False


@dataclass(frozen=True, kw_only=True)
class BenchInferOptions:
    """What `albert bench infer` measures.

    Args:
        workload: name of a preset.
        size: a released size.
        layers: layers instead of the size's own; None keeps those.
        batches: batches of a round; None keeps the preset's own number.
        sides: ways in which we compute: fp32, bf16, fp16, int8, compile.
        versus: others to measure: transformers, onnxruntime.
        device: where.
        threads: of the processor; None leaves torch's choice.
        memory: peak memory instead of speed.
        rounds: times each side is timed.
        warmup: rounds before.
        seed: of weights and texts.
        json: print the result as JSON.
        quiet: no talk on stderr but warnings and errors.
        debug: the user wants tracebacks.
    """

    workload: str = "predict-32"
    size: str = "base"
    layers: int | None = None
    batches: int | None = None
    sides: tuple[str, ...] = ("fp32",)
    versus: tuple[str, ...] = ()
    device: str = "auto"
    threads: int | None = None
    memory: bool = False
    rounds: int = 5
    warmup: int = 1
    seed: int = 42
    json: bool = False
    quiet: bool = False
    debug: bool = False


@dataclass(frozen=True, kw_only=True)
class BenchStartOptions:
    """What `albert bench start` measures.

    Args:
        rounds: fresh processes of each kind.
        size: size of the model that answers one line.
        threads: of each process; None leaves its own choice.
        json: print the result as JSON.
        quiet: no talk on stderr but warnings and errors.
        debug: the user wants tracebacks.
    """

    rounds: int = 7
    size: str = "base"
    threads: int | None = None
    json: bool = False
    quiet: bool = False
    debug: bool = False
