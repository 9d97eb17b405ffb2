"""Does our model compute what the installed transformers computes: outputs, losses, gradients, files?"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_cases import BATCH, HEADS, TABLE_CONFIG, difference, fill_at_random, labels_for, our_class

from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig

HIDDEN, LOGITS = 2e-5, 1e-4


def same_group_rule(layers: int, groups: int) -> bool:
    """Whether transformers, which divides in floating point, finds the same group as exact division for every depth."""
    return all(int(depth / (layers / groups)) == depth * groups // layers for depth in range(layers))


@st.composite
def configs(draw: st.DrawFn, name: str) -> dict[str, Any]:
    layers = draw(st.integers(1, 4))
    groups = draw(st.integers(1, layers).filter(lambda count: same_group_rule(layers, count)))
    heads, width = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    hidden = heads * width * 4
    two = name in ("AlbertForPreTraining", "AlbertForQuestionAnswering")
    return {
        "vocab_size": draw(st.integers(12, 40)),
        "embedding_size": draw(st.sampled_from([4, 8, hidden])),
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_hidden_groups": groups,
        "num_attention_heads": heads,
        "inner_group_num": draw(st.integers(1, layers // groups)),
        "intermediate_size": draw(st.integers(4, 24)),
        "max_position_embeddings": draw(st.integers(12, 20)),
        "type_vocab_size": draw(st.integers(1, 3)),
        "hidden_act": draw(st.sampled_from(["gelu_new", "gelu", "relu", "silu", "tanh", "linear"])),
        "layer_norm_eps": draw(st.sampled_from([1e-12, 1e-5])),
        "num_labels": 2 if two else draw(st.integers(1, 5)),
    }


@st.composite
def batches(draw: st.DrawFn, config: dict[str, Any], *, choices: bool) -> dict[str, torch.Tensor]:
    shape = (draw(st.integers(1, 3)), *((draw(st.integers(1, 3)),) if choices else ()), draw(st.integers(1, 12)))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def below(limit: int) -> torch.Tensor:
        return torch.randint(0, limit, shape, generator=random)

    batch = {"input_ids": below(config["vocab_size"])}
    if draw(st.booleans()):
        batch["attention_mask"] = (below(3) > 0).long()
        batch["attention_mask"][..., 0] = 1  # some token to look at
    if draw(st.booleans()):
        batch["token_type_ids"] = below(config["type_vocab_size"])
    if draw(st.booleans()):
        batch["position_ids"] = below(config["max_position_embeddings"])
    return batch


def pair(name: str, config: dict[str, Any], *, seed: int = 0) -> tuple[AlbertPreTrainedModel, Any]:
    """Ours and theirs with the same weights."""
    theirs = getattr(transformers, name)(transformers.AlbertConfig(**config, attn_implementation="eager")).eval()
    fill_at_random(theirs, seed=seed)
    ours = our_class(name)(AlbertConfig(**config)).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: part.grad for name, part in model.named_parameters() if part.grad is not None}


def assert_same(ours: Any, theirs: Any, batch: dict[str, torch.Tensor]) -> None:
    """Every field of the outputs, and every gradient of the loss (of the sum of all states without one)."""
    wanted = {"output_attentions": True, "output_hidden_states": True}
    mine, other = ours(**batch, **wanted), theirs(**batch, **wanted)
    assert mine.keys() == list(other.keys())
    for field, value in mine.items():
        if isinstance(value, tuple):
            assert len(value) == len(other[field])
            assert max(map(difference, value, other[field])) < HIDDEN
        else:
            assert difference(value, other[field]) < (HIDDEN if "hidden" in field or "pooler" in field else LOGITS)
    for output in (mine, other):
        (output[0] if "loss" in output.keys() else output[0].square().sum() + output[1].square().sum()).backward()  # noqa: SIM118
    mine_grad, other_grad = gradients(ours), gradients(theirs)
    assert mine_grad.keys() == other_grad.keys()
    for name, value in mine_grad.items():
        scale = max(1.0, float(other_grad[name].abs().max()))
        assert difference(value, other_grad[name]) < 1e-4 * scale, name


@pytest.mark.parametrize("name", HEADS)
@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_config_any_batch(name: str, data: st.DataObject) -> None:
    config = data.draw(configs(name))
    batch = data.draw(batches(config, choices=name == "AlbertForMultipleChoice"))
    labels = labels_for(name, batch["input_ids"], num_labels=config["num_labels"], seed=len(batch))
    assert_same(*pair(name, config, seed=config["vocab_size"]), {**batch, **labels})


@pytest.mark.parametrize(
    ("layers", "groups", "inner"), [(6, 1, 1), (6, 2, 3), (6, 3, 2), (4, 3, 1), (5, 2, 2), (4, 4, 1)]
)
def test_group_layouts(layers: int, groups: int, inner: int) -> None:
    config = {**TABLE_CONFIG, "num_hidden_layers": layers, "num_hidden_groups": groups, "inner_group_num": inner}
    assert_same(*pair("AlbertModel", config), BATCH)


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("whole", [True, False])
def test_problem_type_is_settled_alike(classes: int, whole: bool) -> None:
    ours, theirs = pair("AlbertForSequenceClassification", {**TABLE_CONFIG, "num_labels": classes})
    if classes == 1:
        labels = torch.tensor([1, 0]) if whole else torch.tensor([0.3, -1.0])
    else:
        labels = torch.tensor([1, 0]) if whole else torch.rand(2, classes).round()
    other = theirs(**BATCH, labels=labels.float() if classes == 1 else labels)
    assert difference(ours(**BATCH, labels=labels).loss, other.loss) < LOGITS
    assert ours.config.problem_type == theirs.config.problem_type


def test_only_ignored_labels_give_nan_on_both_sides() -> None:
    ours, theirs = pair("AlbertForMaskedLM", TABLE_CONFIG)
    labels = torch.full_like(BATCH["input_ids"], -100)
    assert ours(**BATCH, labels=labels).loss.isnan()
    assert theirs(**BATCH, labels=labels).loss.isnan()


def test_feed_forward_in_chunks_and_recomputed_layers_give_the_same() -> None:
    plain, theirs = pair("AlbertForMaskedLM", TABLE_CONFIG)
    chunked = our_class("AlbertForMaskedLM")(AlbertConfig(**TABLE_CONFIG, chunk_size_feed_forward=3))
    chunked.load_state_dict(plain.state_dict())
    chunked.gradient_checkpointing_enable()
    assert chunked.is_gradient_checkpointing
    assert_same(chunked.train(), theirs, {**BATCH, "labels": BATCH["input_ids"]})


@pytest.mark.parametrize("name", HEADS)
def test_what_we_save_transformers_loads(name: str, tmp_path: Path) -> None:
    ours, _ = pair(name, {**TABLE_CONFIG, "inner_group_num": 2})
    ours.save_pretrained(tmp_path)
    theirs, info = getattr(transformers, name).from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager"
    )
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    assert_same_outputs(ours, theirs, name)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("tied", [True, False])
def test_what_transformers_saves_we_load(name: str, tied: bool, tmp_path: Path) -> None:
    config = {**TABLE_CONFIG, "num_hidden_groups": 3, "tie_word_embeddings": tied}
    theirs = getattr(transformers, name)(transformers.AlbertConfig(**config, attn_implementation="eager")).eval()
    fill_at_random(theirs, seed=1)
    theirs.save_pretrained(tmp_path)
    with warnings.catch_warnings(record=True) as noted:
        ours = our_class(name).from_pretrained(tmp_path)
    assert all("decoder.bias" in str(note.message) for note in noted)  # untied there, one bias here
    assert_same_outputs(ours, theirs, name)


def test_sharded_files_of_transformers_load(tmp_path: Path) -> None:
    theirs = transformers.AlbertForMaskedLM(
        transformers.AlbertConfig(**TABLE_CONFIG, attn_implementation="eager")
    ).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    assert_same_outputs(our_class("AlbertForMaskedLM").from_pretrained(tmp_path), theirs, "AlbertForMaskedLM")


def assert_same_outputs(ours: Any, theirs: Any, name: str) -> None:
    choices = name == "AlbertForMultipleChoice"
    batch = {key: value[None] if choices else value for key, value in BATCH.items()}
    for mine, other in zip(ours(**batch).to_tuple(), theirs(**batch).to_tuple(), strict=True):
        assert difference(mine, other) < 1e-5
