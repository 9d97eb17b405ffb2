"""The page about one GPU: are its tables those of its script, and is what the script assumes so?"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForPreTraining
from albert_cli.models.layout import PackedLayout
from albert_cli.recipe.load import load_recipe

ROOT = Path(__file__).resolve().parents[1]
TOKENS, WIDTH = 256, 768


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """docs/experiments/one_gpu.py."""
    spec = importlib.util.spec_from_file_location("one_gpu", ROOT / "docs" / "experiments" / "one_gpu.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "one_gpu", module)
        spec.loader.exec_module(module)
    return module


def test_the_page_shows_what_the_script_prints(script: ModuleType) -> None:
    page = (ROOT / "docs" / "howto" / "one_gpu.md").read_text(encoding="utf-8")
    assert "\n".join(script.memory_table()) in page
    assert "\n".join(script.time_table(100.0)) in page


def test_sizes_are_those_of_the_models(script: ModuleType) -> None:
    for name, size in script.SIZES.items():
        config = AlbertConfig.named(name)
        with torch.device("meta"):
            model = AlbertForPreTraining(config)
        assert (size.hidden, size.layers) == (config.hidden_size, config.num_hidden_layers)
        assert size.parameters == model.num_parameters()
        assert config.intermediate_size == 4 * config.hidden_size


def test_the_recipe_of_a_day_has_the_tokens_that_are_counted(script: ModuleType) -> None:
    loaded = load_recipe("pretrain/base-one-gpu", inputs_may_be_open=True).recipe
    phases = loaded.data.length_schedule
    length = sum(phase.length * phase.share for phase in phases)
    assert loaded.train.max_steps * loaded.train.effective_batch * length == pytest.approx(script.DAY_TOKENS)
    paper = load_recipe("pretrain/base-v1", inputs_may_be_open=True).recipe
    assert paper.train.max_steps * paper.train.effective_batch * paper.data.max_length == script.PAPER_TOKENS


@pytest.mark.parametrize(("recompute", "numbers"), [(False, 12), (True, 1)])
def test_a_layer_keeps_as_many_numbers_as_are_counted(recompute: bool, numbers: int, script: ModuleType) -> None:
    assert script.KEPT_A_LAYER == 12
    of_a_layer = kept(3, recompute=recompute) - kept(2, recompute=recompute)
    assert of_a_layer / (script.HALF * TOKENS * WIDTH) == pytest.approx(numbers, rel=0.01)


def kept(layers: int, *, recompute: bool) -> int:
    """Bytes that a forward pass in bf16 keeps for the backward pass, parameters aside."""
    config = AlbertConfig(
        vocab_size=100,
        hidden_size=WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=WIDTH // 64,
        intermediate_size=4 * WIDTH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = AlbertForPreTraining(config).train()
    model.set_attention("sdpa")
    if recompute:
        model.gradient_checkpointing_enable()
    mine = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    held: dict[int, Tensor] = {}  # the tensors themselves, so that no address is used a second time

    def pack(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        model.albert(torch.full((TOKENS,), 7), layout=PackedLayout.from_lengths([TOKENS // 2] * 2))
    return sum(tensor.untyped_storage().nbytes() for place, tensor in held.items() if place not in mine)
