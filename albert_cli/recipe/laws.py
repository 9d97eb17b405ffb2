"""What a recipe may not say although each key alone is right: rules between keys.

They look at the merged values before these are turned into the schema's classes, so that their problems come in one
report with those of single keys. A value of a wrong type is left to the schema and makes no second problem here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from albert_cli.recipe.devices import read_device
from albert_cli.recipe.problems import Path
from albert_cli.recipe.sections import BUILT_IN_DATA, SIZES

Finding = tuple[Path, str]
POSITIONS_OF_SIZES = 512
TASKS_WITH_CLASSES = (
    "cola",
    "sst2",
    "mrpc",
    "qqp",
    "mnli",
    "qnli",
    "rte",
    "wnli",
    "text-classification",
    "python-docs",
)


def broken_laws(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield every broken rule as the path to point at and the text."""
    stage = values.get("stage")
    yield from _data_source(_section(values, "data"))
    if stage in ("pretrain", "finetune"):
        yield from _architecture(values.get("model"))
        yield from _lengths(values)
        yield from _training(_section(values, "train"))
        yield from _processes(_section(values, "runtime"))
    if stage == "pretrain":
        yield from _growth(_section(values, "init"))
        yield from _pretraining(values)
    if stage == "finetune":
        yield from _built_in_task(values)
        yield from _class_weights(values)
        yield from _token_batches(values)


def missing_inputs(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what a run needs and only its user can name: a recipe for others to start from may leave it open."""
    data, stage = values.get("data"), values.get("stage")
    if isinstance(data, Mapping) and all(data.get(name) is None for name in ("path", "dataset", "sources")):
        yield ("data", "path"), "is required: your files (or data.dataset, a hub name)"
    if stage == "convert" and not values.get("source"):
        yield ("source",), "is required: the directory or hub id of a checkpoint"
    starts = _section(values, "init").get("from") is not None
    if stage == "pretrain" and not starts and not values.get("tokenizer"):
        yield ("tokenizer",), "is required: a tokenizer directory, a SentencePiece file or a run directory"
    if stage == "pretrain" and not starts and values.get("model") is None:
        yield ("model",), "is required without init.from: tiny, small, base, large, xlarge, xxlarge, or a mapping"
    if stage == "finetune" and not values.get("tokenizer") and not starts and _is_written_out(values.get("model")):
        yield ("tokenizer",), "is required when model is a size or a mapping"


def _is_written_out(model: Any) -> bool:
    return isinstance(model, Mapping) or model in SIZES


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def _number(values: Mapping[str, Any], name: str, default: int | None = None) -> int | None:
    found = values.get(name, default)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _data_source(data: Mapping[str, Any]) -> Iterator[Finding]:
    if not data:
        return
    path, dataset = data.get("path"), data.get("dataset")
    if path is not None and dataset is not None:
        yield ("data", "path"), "path and dataset exclude each other: give one of them"
    if dataset is None or dataset == BUILT_IN_DATA:
        for name in ("config", "revision"):
            if data.get(name) is not None:
                yield ("data", name), "belongs to a hub data set, and data.dataset names none"
    if isinstance(data.get("sources"), list):
        yield from _sources(data, data["sources"])


def _sources(data: Mapping[str, Any], sources: list[Any]) -> Iterator[Finding]:
    for name in ("path", "dataset"):
        if data.get(name) is not None:
            yield ("data", name), f"{name} and sources exclude each other: give one of them"
    if not all(isinstance(source, Mapping) for source in sources):
        return
    for number, source in enumerate(sources):
        if (source.get("path") is None) == (source.get("dataset") is None):
            yield ("data", "sources", number), "needs path or dataset, one of them"
    weighted = [source.get("weight") is not None for source in sources]
    if any(weighted) and not all(weighted):
        number = weighted.index(False)
        yield ("data", "sources", number), "needs a weight, as other sources have one"
    if any(weighted) and data.get("order") == "as_read":
        yield ("data", "order"), "as_read takes one document after another and cannot mix sources by weight"


def _pretraining(values: Mapping[str, Any]) -> Iterator[Finding]:
    data = _section(values, "data")
    if data.get("order") == "as_read":
        if data.get("duplicates", "keep") != "keep":
            yield ("data", "duplicates"), "as_read sees the text only once and cannot find duplicates"
        if _number(_section(values, "runtime"), "workers"):
            yield ("runtime", "workers"), "as_read needs 0: the process that saves must know the place in the text"
        if _section(values, "train").get("epochs") is not None:
            yield ("train", "epochs"), "as_read knows no epoch beforehand: give max_steps"
    if data.get("each_node") == "own":
        sources = data.get("sources")
        places = [data, *(sources if isinstance(sources, list) else [])]
        if any(isinstance(each, Mapping) and each.get("dataset") is not None for each in places):
            yield ("data", "each_node"), "own means files that differ from machine to machine: a dataset wants part"
    phases, longest = data.get("length_schedule"), _number(data, "max_length")
    if not isinstance(phases, list) or not all(isinstance(phase, Mapping) for phase in phases):
        return
    shares = [phase.get("share") for phase in phases]
    if all(isinstance(share, int | float) for share in shares) and abs(sum(shares) - 1) > 1e-6:
        yield ("data", "length_schedule"), f"the shares sum to {sum(shares):g}, not to 1"
    for number, phase in enumerate(phases):
        length = _number(phase, "length")
        if length is not None and longest is not None and length > longest:
            yield ("data", "length_schedule", number), f"length ({length}) is more than max_length ({longest})"


def _training(train: Mapping[str, Any]) -> Iterator[Finding]:
    if not train:
        return
    epochs, max_steps, warmup = train.get("epochs"), train.get("max_steps"), _number(train, "warmup_steps")
    if epochs is None and max_steps is None:
        yield ("train",), "needs epochs or max_steps"
    if epochs is not None and max_steps is not None:
        yield ("train", "epochs"), "epochs and max_steps exclude each other: give one of them"
    steps = _number(train, "max_steps")
    if steps is not None and warmup is not None and 0 < steps < warmup:
        yield ("train", "warmup_steps"), f"warmup_steps ({warmup}) is more than max_steps ({steps})"
    yield from _batch(train)


def _batch(train: Mapping[str, Any]) -> Iterator[Finding]:
    size, whole = train.get("batch_size"), _number(train, "effective_batch")
    if size == "auto" and whole is None:
        yield ("train", "batch_size"), "auto needs effective_batch, the sequences of an optimiser step"
    if size is None and train.get("batch_tokens") is None:
        yield ("train", "batch_size"), "null needs batch_tokens: give one of them"
    if train.get("batch_tokens") is not None:
        if size is not None:
            yield ("train", "batch_tokens"), "batch_size and batch_tokens exclude each other: give one of them"
        if whole is not None:
            yield ("train", "effective_batch"), "counts sequences, batch_tokens tokens: use accumulate instead"
    if whole is not None and _number(train, "accumulate", 1) != 1:
        yield ("train", "accumulate"), "accumulate follows from effective_batch: give one of them"
    if whole is not None and isinstance(size, int) and size > 0 and whole % size:
        yield ("train", "effective_batch"), f"effective_batch ({whole}) is not a multiple of batch_size ({size})"


def _token_batches(values: Mapping[str, Any]) -> Iterator[Finding]:
    counted = _section(values, "train").get("batch_tokens") is not None
    if counted and _section(values, "data").get("order") == "grouped":
        yield ("data", "order"), "grouped arranges batches of so many examples: it needs batch_size, not batch_tokens"


def _class_weights(values: Mapping[str, Any]) -> Iterator[Finding]:
    task = values.get("task")
    if _section(values, "train").get("class_weights") is not None and task not in (None, *TASKS_WITH_CLASSES):
        yield ("train", "class_weights"), f"is for texts with one class each ({', '.join(TASKS_WITH_CLASSES)})"


def _architecture(model: Any) -> Iterator[Finding]:
    if not isinstance(model, Mapping):
        return
    hidden, heads = _number(model, "hidden_size"), _number(model, "num_attention_heads")
    if hidden and heads and heads > 0 and hidden % heads:
        yield ("model", "hidden_size"), f"hidden_size ({hidden}) is not a multiple of num_attention_heads ({heads})"
    groups, layers = _number(model, "num_hidden_groups"), _number(model, "num_hidden_layers")
    sharing = model.get("parameter_sharing", "all")
    if sharing in ("attention", "ffn", "none") and groups not in (None, 1, layers):
        yield ("model", "num_hidden_groups"), f"parameter_sharing {sharing} gives every layer its own group"
    if sharing in ("attention", "ffn") and _number(model, "inner_group_num", 1) != 1:
        yield ("model", "inner_group_num"), f"must be 1 with parameter_sharing {sharing}"
    if groups and layers and groups > layers > 0:
        yield ("model", "num_hidden_groups"), f"more groups ({groups}) than num_hidden_layers ({layers})"


def _lengths(values: Mapping[str, Any]) -> Iterator[Finding]:
    model, length = values.get("model"), _number(_section(values, "data"), "max_length")
    if isinstance(model, Mapping):
        positions = _number(model, "max_position_embeddings")
    else:
        positions = POSITIONS_OF_SIZES if model in SIZES else None
    if length is not None and positions is not None and length > positions > 0:
        yield ("data", "max_length"), f"max_length ({length}) is more than the model's {positions} positions"


def _growth(init: Mapping[str, Any]) -> Iterator[Finding]:
    if init.get("from") is None:
        for name, default in (("positions", None), ("vocabulary", "keep")):
            if init.get(name, default) != default:
                yield ("init", name), "says how another model's weights are taken over, and init.from names none"


def _processes(runtime: Mapping[str, Any]) -> Iterator[Finding]:
    processes, device = _number(runtime, "nproc"), runtime.get("device")
    if processes is None or processes < 2 or not isinstance(device, str | int):
        return
    try:
        one_device = read_device(str(device)).startswith("cuda:")
    except ValueError:
        return
    if one_device:
        yield ("runtime", "nproc"), f"{processes} processes need a device each, and runtime.device names one ({device})"


def _built_in_task(values: Mapping[str, Any]) -> Iterator[Finding]:
    if _section(values, "data").get("dataset") == BUILT_IN_DATA and values.get("task") != BUILT_IN_DATA:
        yield ("data", "dataset"), f"{BUILT_IN_DATA} is the data of the task {BUILT_IN_DATA}"
