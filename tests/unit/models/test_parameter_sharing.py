"""What layers share: attention, feed-forward, everything or nothing (paper tables 3 and 4)."""

from __future__ import annotations

import json

import pytest
import torch

from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForPreTraining
from albert_cli.models.weights import read_weights
from albert_cli.training.checkpoint import TrainState, load_checkpoint, save_checkpoint
from albert_cli.training.optim import AlbertAdamW, parameter_groups

SMALL = {
    "vocab_size": 40,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
    "initializer_range": 0.2,
}
IDS = torch.tensor([[2, 5, 9, 4, 3], [2, 11, 7, 7, 3]])


def model_of(sharing):
    torch.manual_seed(0)
    return AlbertForPreTraining(AlbertConfig.from_dict({**SMALL, "parameter_sharing": sharing}, strict=True)).eval()


@pytest.mark.parametrize(("sharing", "table_4"), [("all", 12), ("attention", 64), ("ffn", 38), ("none", 89)])
def test_millions_of_parameters_are_those_of_the_paper(sharing, table_4):
    with torch.device("meta"):
        config = AlbertConfig.named("base", parameter_sharing=sharing)
        encoder = AlbertForPreTraining(config).albert
    # The paper counts 89 where the released shapes without pooler give 88.96, 64 of 63.8, 38 of 37.8, 12 of 11.7.
    assert sum(weight.numel() for weight in encoder.parameters()) / 1e6 == pytest.approx(table_4, abs=1.1)


@pytest.mark.parametrize("sharing", ["attention", "ffn", "none"])
def test_layers_learn_alone_or_together_as_said(sharing):
    model = model_of(sharing)
    optimizer = AlbertAdamW(parameter_groups(model), lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        model(IDS, labels=IDS, sentence_order_label=torch.tensor([0, 1])).loss.backward()
        optimizer.step()
    layers = [group.albert_layers[0] for group in model.albert.encoder.albert_layer_groups]
    assert len(layers) == 3
    attentions = {layer.attention.query.weight.detach().sum().item() for layer in layers}
    feeders = {layer.ffn.weight.detach().sum().item() for layer in layers}
    assert len(attentions) == (1 if sharing == "attention" else 3)
    assert len(feeders) == (1 if sharing == "ffn" else 3)


@pytest.mark.parametrize("sharing", ["all", "attention", "ffn", "none"])
def test_transformers_computes_the_same_from_the_saved_model(sharing, tmp_path):
    transformers = pytest.importorskip("transformers")
    model = model_of(sharing)
    model.save_pretrained(tmp_path)
    theirs = transformers.AlbertForPreTraining.from_pretrained(tmp_path, attn_implementation="eager").eval()
    ours = AlbertForPreTraining.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        expected = model(IDS).prediction_logits
        torch.testing.assert_close(theirs(IDS).prediction_logits, expected, rtol=0, atol=2e-6)
        torch.testing.assert_close(ours(IDS).prediction_logits, expected, rtol=0, atol=0)
    assert ours.config.parameter_sharing == sharing
    assert ours.num_parameters() == model.num_parameters()


def test_copies_that_another_program_trained_apart_are_refused(tmp_path):
    model = model_of("attention")
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["num_hidden_groups"] == 3
    apart = model_of("none")
    apart.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(saved))
    with pytest.raises(ModelError, match="should be one weight"):
        AlbertForPreTraining.from_pretrained(tmp_path)


def test_a_checkpoint_holds_a_shared_block_once(tmp_path):
    model = model_of("ffn")
    optimizer = AlbertAdamW(parameter_groups(model), lr=0.05)
    path = save_checkpoint(tmp_path, model=model, optimizer=optimizer, state=TrainState(step=1, seed=1))
    stored = read_weights(path)
    assert sum(name.endswith(".ffn.weight") for name in stored) == 1
    model.config.save_pretrained(path)
    assert torch.equal(AlbertForPreTraining.from_pretrained(path)(IDS).prediction_logits, model(IDS).prediction_logits)
    other = model_of("ffn")
    torch.nn.init.zeros_(other.albert.encoder.albert_layer_groups[2].albert_layers[0].ffn.weight)
    load_checkpoint(path, model=other)
    assert torch.equal(other(IDS).prediction_logits, model(IDS).prediction_logits)


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(ModelError, match="inner_group_num"):
        AlbertConfig.from_dict({**SMALL, "parameter_sharing": "ffn", "inner_group_num": 2})
    with pytest.raises(ModelError, match="stay together"):
        model_of("attention").prune_heads({0: [1]})
