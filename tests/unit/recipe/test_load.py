"""Loading: order of layers, origins, and every problem at once with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from albert_cli.errors import RecipeError, UsageError
from albert_cli.recipe.load import load_recipe, load_values
from albert_cli.recipe.schema import FinetuneRecipe, PretrainRecipe

FIXTURES = Path(__file__).resolve().parents[2] / "data" / "recipes"
MINIMAL: dict[str, Any] = {
    "stage": "finetune",
    "task": "sst2",
    "model": "albert-base-v2",
    "data": {"path": "d"},
    "train": {"learning_rate": 1e-5, "epochs": 1},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems_of(name: str, *overrides: str, **shortcuts: Any) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(name, overrides=overrides, shortcuts=shortcuts)
    assert caught.value.exit_code == 2
    return caught.value.problems


def problems_with(*overrides: str, drop: tuple[str, ...] = ()) -> list[str]:
    values = {key: value for key, value in MINIMAL.items() if key not in drop}
    with pytest.raises(RecipeError) as caught:
        load_values(values, name="x", overrides=overrides)
    return caught.value.problems


def test_five_mistakes_are_five_located_lines(folder: Path) -> None:
    (folder / "r.yaml").write_text((FIXTURES / "five_mistakes.yaml").read_text())
    problems = problems_of("r.yaml")
    assert len(problems) == 5
    assert problems[0].startswith("r.yaml:2 task must be one of cola, ")
    assert problems[0].endswith("found the text 'sst'; did you mean 'sst2'?")
    assert problems[1:] == [
        "r.yaml:6 data.max_lenght no such key; did you mean 'max_length'?",
        "r.yaml:8 train.batch_size must be a whole number or auto, found the text '32'",
        "r.yaml:10 train.epochs epochs and max_steps exclude each other: give one of them",
        "r.yaml:13 runtime.precision must be one of fp32, bf16, fp16, found the text 'bf61'; did you mean 'bf16'?",
    ]


def test_the_order_is_default_parent_file_options(folder: Path) -> None:
    (folder / "top.yaml").write_text(
        "stage: finetune\nseed: 1\ntrain: {batch_size: 1, keep: 1, clip: 1.0, log_every: 1}\n"
    )
    (folder / "mid.yaml").write_text("extends: top\ntrain: {keep: 2, clip: 2.0, log_every: 2}\n")
    rest = "task: sst2\nmodel: albert-base-v2\ndata: {path: d}\n"
    (folder / "r.yaml").write_text(
        f"extends: mid.yaml\n{rest}train:\n  learning_rate: 1e-5\n  epochs: 1\n  clip: 3\n  log_every: 3\n"
    )
    loaded = load_recipe("r.yaml", overrides=["train.log_every=4"], shortcuts={"seed": 5})
    train = loaded.recipe.train  # type: ignore[union-attr]
    assert (train.accumulate, train.batch_size, train.keep, train.clip, train.log_every) == (1, 1, 2, 3.0, 4)
    assert loaded.recipe.seed == 5
    assert {
        key: loaded.origins[key] for key in ("train.accumulate", "train.batch_size", "train.keep", "train.clip")
    } == {
        "train.accumulate": "default",
        "train.batch_size": "top.yaml:3",
        "train.keep": "mid.yaml:2",
        "train.clip": "r.yaml:8",
    }
    assert loaded.origins["train.log_every"] == "--set"
    assert loaded.origins["seed"] == "--seed"


def test_a_circle_of_parents_is_refused(folder: Path) -> None:
    (folder / "a.yaml").write_text("extends: b.yaml\nstage: finetune\n")
    (folder / "b.yaml").write_text("extends: a.yaml\n")
    assert "b.yaml:1 extends a circle: 'a.yaml' extends this file" in problems_of("a.yaml")


def test_a_missing_parent_is_named_with_its_line(folder: Path) -> None:
    (folder / "a.yaml").write_text("stage: finetune\nextends: nowhere\n")
    assert "a.yaml:2 extends no recipe 'nowhere' here or shipped" in problems_of("a.yaml")


def test_a_mistake_in_a_parent_is_located_in_the_parent(folder: Path) -> None:
    (folder / "p.yaml").write_text("stage: finetune\ntrain:\n  clip: -1\n")
    (folder / "a.yaml").write_text(
        "extends: p.yaml\ntask: sst2\nmodel: m\ndata: {path: d}\ntrain: {epochs: 1, learning_rate: 1e-5}"
    )
    assert problems_of("a.yaml") == ["p.yaml:3 train.clip must be greater than 0, found -1"]


def test_problems_of_yaml_and_of_the_schema_come_together(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "stage: finetune\ntask: sst2\ntask: rte\nmodel: m\ndata: {path: d}\ntrain: {epoch: 1}\n"
    )
    problems = problems_of("a.yaml", "seed=x")
    assert problems == [
        "a.yaml:3 task given twice (first on line 2)",
        "a.yaml:6 train needs epochs or max_steps",
        "a.yaml:6 train.learning_rate is required",
        "a.yaml:6 train.epoch no such key; did you mean 'epochs'?",
        "--set seed must be a whole number, found the text 'x'",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a.yaml:1 must be a mapping of keys, with `stage` among them"),
        ("- 1", "a.yaml:1 must be a mapping of keys, with `stage` among them"),
        ("# c\nseed: 1", "a.yaml:2 stage is required, one of train-tokenizer, pretrain, finetune, convert"),
        (
            "stag: pretrain",
            "a.yaml:1 stage is required, one of train-tokenizer, pretrain, finetune, convert; is 'stag' misspelt?",
        ),
        (
            "stage: finetun",
            "a.yaml:1 stage must be one of train-tokenizer, pretrain, finetune, convert, found 'finetun'; "
            "did you mean 'finetune'?",
        ),
    ],
)
def test_a_file_without_a_stage_is_refused(folder: Path, text: str, problem: str) -> None:
    (folder / "a.yaml").write_text(text)
    assert problems_of("a.yaml") == [problem]


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("train.lr=1e-4", "--set train.lr no such key; did you mean 'train.learning_rate'?"),
        ("learning_rate=1e-4", "--set learning_rate no such key; did you mean 'train.learning_rate'?"),
        ("train.Batch-Size=3", "--set train.Batch-Size no such key; did you mean 'batch_size'?"),
        ("train.batch_size=3.0", "--set train.batch_size must be a whole number or auto, found 3.0"),
        ("train.batch_size=true", "--set train.batch_size must be a whole number or auto, found true"),
        ("train.batch_size=", "--set train.batch_size null needs batch_tokens: give one of them"),
        ("train.learning_rate='1e-5'", "--set train.learning_rate must be a number, found the text '1e-5'"),
        ("train.learning_rate=.nan", "--set train.learning_rate must be a finite number, found nan"),
        ("train.bias_correction=no", "--set train.bias_correction must be true or false, found the text 'no'"),
        ("train.clip=0", "--set train.clip must be greater than 0, found 0"),
        ("train=5", "--set train must be a mapping of keys, found 5"),
        ("seed=-1", "--set seed must be at least 0, found -1"),
        ("model=[1]", "--set model must be text or a mapping of keys, found a list"),
        ("data.path=[]", "--set data.path must not be empty"),
        ("data.path=[a, 3]", "--set data.path[1] must be text, found 3"),
        ("trackers=[tensorbord]", "did you mean 'tensorboard'?"),
        ("runtime.device=gpu", "--set runtime.device must be auto, cpu, cuda, cuda:N, N, -1 or mps, found 'gpu'"),
        ("nonsense", "--set must be KEY=VALUE, with dots between the parts of KEY, found 'nonsense'"),
        ("a..b=1", "--set must be KEY=VALUE, with dots between the parts of KEY, found 'a..b=1'"),
        ("seed={a: &x 1}", "--set seed an anchor (&x) is not allowed: write the value out"),
    ],
)
def test_set_is_checked_like_a_file(override: str, problem: str) -> None:
    found = problems_with(override)
    assert any(line.endswith(problem) for line in found), found
    assert all(line.startswith("--set") for line in found)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["train.max_steps=5", "train.warmup_steps=6"],
            "train.warmup_steps warmup_steps (6) is more than max_steps (5)",
        ),
        (
            ["train.max_steps=5", "train.epochs=1"],
            "train.epochs epochs and max_steps exclude each other: give one of them",
        ),
        (["train.epochs=null"], "train needs epochs or max_steps"),
        (["data.dataset=glue", "data.path=x"], "data.path path and dataset exclude each other: give one of them"),
        (["data.config=sst2"], "data.config belongs to a hub data set, and data.dataset names none"),
        (["model=tiny"], "tokenizer is required when model is a size or a mapping"),
        (["train.batch_size=auto"], "train.batch_size auto needs effective_batch, the sequences of an optimiser step"),
        (
            ["train.effective_batch=20", "train.batch_size=8"],
            "effective_batch (20) is not a multiple of batch_size (8)",
        ),
        (
            ["train.batch_tokens=4096", "train.batch_size=8"],
            "train.batch_tokens batch_size and batch_tokens exclude each other: give one of them",
        ),
        (["train.batch_size=null"], "train.batch_size null needs batch_tokens: give one of them"),
        (
            ["train.batch_tokens=4096", "train.effective_batch=8"],
            "train.effective_batch counts sequences, batch_tokens tokens: use accumulate instead",
        ),
        (
            ["train.batch_tokens=4096", "data.order=grouped"],
            "data.order grouped arranges batches of so many examples: it needs batch_size, not batch_tokens",
        ),
        (
            ["train.class_weights=balanced", "task=stsb"],
            "(cola, sst2, mrpc, qqp, mnli, qnli, rte, wnli, text-classification, python-docs)",
        ),
        (
            ["model={hidden_size: 10, num_attention_heads: 3}", "tokenizer=t"],
            "is not a multiple of num_attention_heads (3)",
        ),
        (["model={num_hidden_groups: 13}", "tokenizer=t"], "more groups (13) than num_hidden_layers (12)"),
        (
            ["model=base", "tokenizer=t", "data.max_length=513"],
            "max_length (513) is more than the model's 512 positions",
        ),
        (["runtime.nproc=2", "runtime.device=1"], "2 processes need a device each, and runtime.device names one (1)"),
        (["data.dataset=python-docs"], "data.dataset python-docs is the data of the task python-docs"),
    ],
)
def test_rules_between_keys(overrides: list[str], problem: str) -> None:
    assert any(line.endswith(problem) for line in problems_with(*overrides))


def test_a_higher_layer_chooses_anew() -> None:
    hub = {**MINIMAL, "data": {"dataset": "nyu-mll/glue", "config": "sst2", "revision": "abc"}}
    loaded = load_values(hub, name="x", overrides=["data.path=rows", "train.max_steps=7"])
    recipe = loaded.recipe
    assert isinstance(recipe, FinetuneRecipe)
    assert (recipe.data.path, recipe.data.dataset, recipe.data.config, recipe.data.revision) == (
        "rows",
        None,
        None,
        None,
    )
    assert (recipe.train.epochs, recipe.train.max_steps) == (None, 7)
    assert loaded.origins["train.epochs"] == "default"


def test_a_missing_input_says_how_to_give_it(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "stage: pretrain\nmodel: tiny\ndata: {limit: 3}\ntrain: {max_steps: 1, learning_rate: 1e-3}\n"
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe("a.yaml")
    assert caught.value.hint == "add --set data.path=... --set tokenizer=..."
    open_recipe = load_recipe("a.yaml", inputs_may_be_open=True)
    assert open_recipe.needs == ("data.path", "tokenizer")


def test_missing_keys_are_all_named() -> None:
    problems = problems_with(drop=("task", "model", "train"))
    assert sorted(line.split(" ", 2)[2] for line in problems) == [
        "model is required",
        "task is required",
        "train needs epochs or max_steps",
        "train.learning_rate is required",
    ]


def test_the_last_set_of_a_key_counts_but_not_against_its_option() -> None:
    assert load_values(MINIMAL, name="x", overrides=["seed=1", "seed=2"]).recipe.seed == 2
    with pytest.raises(RecipeError, match="--set seed said twice, here and by --seed"):
        load_values(MINIMAL, name="x", overrides=["seed=1"], shortcuts={"seed": 2})


@pytest.mark.parametrize(
    ("said", "device"), [(0, "cuda:0"), ("1", "cuda:1"), (-1, "cpu"), ("cuda:2", "cuda:2"), ("mps", "mps")]
)
def test_devices_are_written_in_torchs_words(said: object, device: str) -> None:
    loaded = load_values(MINIMAL, name="x", shortcuts={"runtime.device": said})
    assert loaded.recipe.runtime.device == device  # type: ignore[union-attr]


def test_parts_of_a_mapping_model_keep_the_rest(folder: Path) -> None:
    loaded = load_recipe(FIXTURES / "pretrain.yaml", overrides=["model.num_hidden_layers=3"])
    recipe = loaded.recipe
    assert isinstance(recipe, PretrainRecipe)
    assert not isinstance(recipe.model, str)
    assert (recipe.model.num_hidden_layers, recipe.model.hidden_size, recipe.model.embedding_size) == (3, 64, 128)


def test_parts_of_a_named_model_are_refused_where_the_rest_would_silently_go() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("pretrain/base", overrides=["model.embedding_size=64"], inputs_may_be_open=True)
    assert "--set model.embedding_size model is the name 'base' and has no parts to change" in caught.value.problems[0]
    whole = load_recipe(
        "glue/sst2", overrides=["model={hidden_size: 64}", "model.embedding_size=32", "tokenizer=x", "data.path=x"]
    )
    model = whole.recipe.model  # type: ignore[union-attr]
    assert (model.hidden_size, model.embedding_size) == (64, 32)  # type: ignore[union-attr]


def test_hostile_values_are_shown_harmless() -> None:
    line = problems_with("task=\x9b31m" + "x" * 500)[0]
    assert "\x9b" not in line
    assert len(line) < 400


def test_a_recipe_for_another_stage_says_which_command(folder: Path) -> None:
    with pytest.raises(UsageError, match="is a recipe for finetune, not for pretrain") as caught:
        load_recipe(FIXTURES / "finetune.yaml", stage="pretrain")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("albert finetune ")
