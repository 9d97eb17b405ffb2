"""A larger model that begins with the weights of a smaller one."""

from __future__ import annotations

import pytest
import torch

from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.growth import Growth, grow
from albert_cli.models.heads import AlbertForPreTraining
from albert_cli.models.pretrained import load_pretrained

SMALL = {
    "vocab_size": 30,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 8,
    "initializer_range": 0.2,
}
IDS = torch.tensor([[2, 5, 9, 4, 3]])


def config(**changes):
    return AlbertConfig.from_dict({**SMALL, **changes}, strict=True)


def grown(folder, source, growth=None, **changes):
    target = source.changed(**changes)
    said = []

    def adapt(state):
        tensors, notes = grow(state, source=source, target=target, growth=growth or Growth())
        said.extend(notes)
        return tensors

    model, report = load_pretrained(AlbertForPreTraining, folder, config=target, adapt=adapt)
    assert report.missing == []
    return model, said


@pytest.fixture
def start(tmp_path):
    torch.manual_seed(0)
    model = AlbertForPreTraining(config(num_hidden_groups=2)).eval()
    torch.nn.init.normal_(model.predictions.bias)
    model.save_pretrained(tmp_path)
    return tmp_path, model


def logits(model, ids=IDS):
    with torch.no_grad():
        return model(ids).prediction_logits


def test_shared_layers_are_applied_more_often(tmp_path):
    model = AlbertForPreTraining(config()).eval()
    model.save_pretrained(tmp_path)
    deeper, said = grown(tmp_path, model.config, num_hidden_layers=4)
    assert said == ["layers: 2 -> 4"]
    assert deeper.num_parameters() == model.num_parameters()
    model.albert.encoder.num_layers = 4  # the same weights, by hand
    assert torch.equal(logits(deeper), logits(model))


def test_copied_groups_compute_what_they_did(start):
    folder, model = start
    wider, said = grown(folder, model.config, num_hidden_layers=4, num_hidden_groups=4)
    assert said == ["layers: 2 -> 4", "groups of layers: 2 -> 4, copied"]
    reference, _ = grown(folder, model.config, num_hidden_layers=4)  # two groups, each applied twice
    assert torch.equal(logits(wider), logits(reference))
    layers = wider.albert.encoder.albert_layer_groups
    assert layers[0].albert_layers[0].ffn.weight is not layers[1].albert_layers[0].ffn.weight


@pytest.mark.parametrize("sharing", ["attention", "ffn", "none"])
def test_shared_layers_part(tmp_path, sharing):
    model = AlbertForPreTraining(config()).eval()
    model.save_pretrained(tmp_path)
    parted, _ = grown(tmp_path, model.config, parameter_sharing=sharing)
    assert torch.equal(logits(parted), logits(model))
    assert parted.num_parameters() > model.num_parameters()


def test_positions_repeat_or_stretch(start):
    folder, model = start
    table = model.albert.embeddings.position_embeddings.weight
    tiled, said = grown(folder, model.config, Growth("tile"), max_position_embeddings=20)
    assert said == ["positions: 8 -> 20 (tile)"]
    long = tiled.albert.embeddings.position_embeddings.weight
    assert torch.equal(long[8:16], table)
    assert torch.equal(long[16:], table[:4])
    assert torch.equal(logits(tiled), logits(model))
    stretched, _ = grown(folder, model.config, Growth("interpolate"), max_position_embeddings=15)
    long = stretched.albert.embeddings.position_embeddings.weight
    torch.testing.assert_close(long[::2], table)
    torch.testing.assert_close(long[1], (table[0] + table[1]) / 2)
    with pytest.raises(ModelError, match="the start has 8 positions, the model 20"):
        grown(folder, model.config, max_position_embeddings=20)
    cut, said = grown(folder, model.config, max_position_embeddings=5)
    assert said == ["positions: the first 5 of 8"]
    assert torch.equal(logits(cut), logits(model))


def test_pieces_keep_their_rows_in_another_order(start):
    folder, model = start
    rows = torch.tensor([*reversed(range(30)), -1, -1])
    other, said = grown(folder, model.config, Growth(rows=rows), vocab_size=32)
    assert said == ["vocabulary: 30 of 32 pieces keep their rows, the others are drawn"]
    torch.testing.assert_close(logits(other, 29 - IDS)[..., :30], logits(model).flip(-1))
    fresh = other.albert.embeddings.word_embeddings.weight[30:]
    assert 0 < fresh.abs().max() <= 0.4
    assert other.predictions.bias[31] == model.predictions.bias.mean()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_size": 32}, "hidden_size 16 -> 32"),
        ({"hidden_act": "gelu"}, "hidden_act gelu_new -> gelu"),
        ({"num_attention_heads": 4}, "num_attention_heads 2 -> 4"),
        ({"num_hidden_groups": 1}, "2 groups of layers .* cannot become 1"),
        ({"parameter_sharing": "ffn"}, "that share more"),
    ],
)
def test_what_does_not_grow_is_refused(start, changes, words):
    folder, model = start
    with pytest.raises(ModelError, match=words):
        grown(folder, model.config, **changes)
