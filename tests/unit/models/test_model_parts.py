"""Sizes, first values, dropout, outputs and the small things a model can do."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn

import albert_cli
from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.init import truncated_normal_
from albert_cli.models.layout import PackedLayout
from albert_cli.models.outputs import MaskedLMOutput

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
}
IDS = torch.tensor([[2, 7, 11, 4, 23, 3], [2, 30, 31, 3, 0, 0]])
MASK = (IDS != 0).long()
HEADS = [name for name in dir(albert_cli) if name.startswith("AlbertFor") and not name.endswith(("Output", "Beam"))]


def small(name: str = "AlbertModel", **overrides: Any) -> Any:
    torch.manual_seed(0)
    return getattr(albert_cli, name)(AlbertConfig(**{**SMALL, **overrides})).eval()


# Parameter counts of the released sizes with a vocabulary of 30,000, ties counted once.
COUNTS = {
    "base": (11_683_584, 11_813_810, 11_221_680, 11_685_122, 11_094_530, 11_684_353),
    "large": (17_683_968, 17_847_474, 16_795_824, 17_686_018, 16_636_418, 17_684_993),
    "xlarge": (58_724_864, 59_021_490, 54_821_040, 58_728_962, 54_532_610, 58_726_913),
    "xxlarge": (222_595_584, 223_158_450, 206_368_944, 222_603_778, 205_822_466, 222_599_681),
}
CLASSES = (
    "AlbertModel",
    "AlbertForPreTraining",
    "AlbertForMaskedLM",
    "AlbertForSequenceClassification",
    "AlbertForQuestionAnswering",
    "AlbertForMultipleChoice",
)
# Embeddings, map from E to H, one shared layer, pooler, masked-word head, order head.
PARTS = {
    "base": (3_906_048, 99_072, 7_087_872, 590_592, 128_688, 1_538),
    "large": (3_906_048, 132_096, 12_596_224, 1_049_600, 161_456, 2_050),
    "xlarge": (3_906_048, 264_192, 50_358_272, 4_196_352, 292_528, 4_098),
    "xxlarge": (3_906_048, 528_384, 201_379_840, 16_781_312, 554_672, 8_194),
}


@pytest.mark.parametrize("size", COUNTS)
def test_parameter_counts_of_the_released_sizes(size: str) -> None:
    with torch.device("meta"):
        models = {name: getattr(albert_cli, name)(AlbertConfig.named(size)) for name in CLASSES}
    assert tuple(model.num_parameters() for model in models.values()) == COUNTS[size]

    full = models["AlbertForPreTraining"]

    def count(part: nn.Module) -> int:
        return sum(values.numel() for values in part.parameters())

    encoder = full.albert.encoder
    table = full.get_input_embeddings().weight.numel()
    parts = (
        full.albert.embeddings,
        encoder.embedding_hidden_mapping_in,
        encoder.albert_layer_groups,
        full.albert.pooler,
    )
    found = (*map(count, parts), count(full.predictions) - table, count(full.sop_classifier))
    assert found == PARTS[size]


def test_frozen_weights_are_not_trainable_ones() -> None:
    model = small()
    model.get_input_embeddings().weight.requires_grad_(False)
    assert model.num_parameters() - model.num_parameters(only_trainable=True) == 40 * 8


def test_truncated_normal_is_cut_at_two_deviations() -> None:
    """A normal cut at two deviations keeps 0.8796 of its deviation (by integration)."""
    torch.manual_seed(0)
    drawn = truncated_normal_(torch.empty(200_000), std=0.02)
    assert float(drawn.abs().max()) <= 0.04
    assert math.isclose(float(drawn.std()), 0.02 * 0.8796, rel_tol=0.01)
    assert abs(float(drawn.mean())) < 2e-4


@pytest.mark.parametrize("name", ["AlbertModel", *HEADS])
def test_new_weights(name: str) -> None:
    model = small(name, embedding_size=64, hidden_size=64)
    for key, values in model.state_dict().items():
        if values.dim() == 2:
            assert float(values.abs().max()) <= 0.04, key
            assert values.numel() < 1000 or math.isclose(float(values.std()), 0.0176, rel_tol=0.12), key
        elif "LayerNorm.weight" in key or "layer_norm.weight" in key:
            assert bool((values == 1).all()), key
        else:
            assert bool((values == 0).all()), key
    assert model.get_input_embeddings().weight[0].abs().sum() > 0  # the padding row is drawn as well


def scaled_dropout(values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Stands in for dropout: multiplies by 1 + p, so that a place shows in the numbers."""
    return values * (1 + p) if training else values


DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2, "classifier_dropout_prob": 0.3}


@pytest.mark.parametrize("name", ["AlbertModel", "AlbertForPreTraining", "AlbertForSequenceClassification"])
def test_dropout_of_transformers_is_where_transformers_has_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {**SMALL, **DROPOUT}
    ours = small(name, **DROPOUT, dropout_placement="transformers").train()
    ours.set_attention("plain")
    theirs = getattr(transformers, name)(transformers.AlbertConfig(**config, attn_implementation="eager")).train()
    ours.load_state_dict(theirs.state_dict())
    monkeypatch.setattr(F, "dropout", scaled_dropout)
    for mine, other in zip(ours(IDS, MASK).to_tuple(), theirs(IDS, MASK).to_tuple(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def test_dropout_of_the_original_is_where_the_original_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the forward pass of the paper's code written out, with every dropout as a factor at its place."""
    model = small("AlbertForPreTraining", **DROPOUT).train()
    with torch.no_grad():
        for values in model.parameters():
            values.add_(torch.randn_like(values) * 0.1)
    model.set_attention("plain")
    monkeypatch.setattr(F, "dropout", scaled_dropout)
    found = model(IDS)
    hidden, pooled = written_out(model.albert, IDS)
    torch.testing.assert_close(found.prediction_logits, model.predictions(hidden), rtol=1e-5, atol=1e-5)
    order = model.sop_classifier.classifier
    torch.testing.assert_close(found.sop_logits, pooled @ order.weight.T + order.bias, rtol=1e-5, atol=1e-5)


def written_out(model: Any, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Google's forward pass: dropout after the embedding norm, on probabilities, attention and feed-forward output."""
    hidden_factor, probability_factor, heads = 1.1, 1.2, 4
    table = model.embeddings

    def norm(part: nn.LayerNorm, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt() * part.weight + part.bias

    def dense(part: nn.Linear, x: Tensor) -> Tensor:
        return x @ part.weight.T + part.bias

    x = table.word_embeddings.weight[ids] + table.token_type_embeddings.weight[0]
    x = norm(table.LayerNorm, x + table.position_embeddings.weight[: ids.shape[1]]) * hidden_factor
    x = dense(model.encoder.embedding_hidden_mapping_in, x)
    layer = model.encoder.albert_layer_groups[0].albert_layers[0]
    part = layer.attention
    for _ in range(2):
        q, k, v = (dense(each, x).view(2, 6, heads, 4).transpose(1, 2) for each in (part.query, part.key, part.value))
        weights = (q @ k.transpose(-1, -2) / math.sqrt(4)).softmax(-1) * probability_factor
        context = (weights @ v).transpose(1, 2).reshape(2, 6, 16)
        x = norm(part.LayerNorm, x + dense(part.dense, context) * hidden_factor)
        inner = dense(layer.ffn, x)
        inner = 0.5 * inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        x = norm(layer.full_layer_layer_norm, x + dense(layer.ffn_output, inner) * hidden_factor)
    return x, torch.tanh(dense(model.pooler, x[:, 0]))


def test_head_dropout_falls_back_to_hidden_dropout() -> None:
    model = small("AlbertForTokenClassification", hidden_dropout_prob=0.25, classifier_dropout_prob=None)
    assert model.dropout.p == 0.25


def test_outputs_read_like_tuples_and_like_records() -> None:
    output = small("AlbertForMaskedLM")(IDS, MASK, labels=IDS)
    loss, logits = output
    assert loss is output.loss is output[0] is output["loss"]
    assert logits is output[1]
    assert output[:2] == (loss, logits)
    assert len(output) == 2
    assert output.keys() == ["loss", "logits"]
    assert "attentions" not in output
    assert dict(output)["logits"] is logits
    assert output.get("attentions", 3) == 3
    with pytest.raises(KeyError):
        output["attentions"]
    assert isinstance(output, MaskedLMOutput)
    plain = small("AlbertForMaskedLM")(IDS, MASK, labels=IDS, return_dict=False)
    assert isinstance(plain, tuple)
    assert len(plain) == 2
    assert isinstance(small("AlbertForMaskedLM", return_dict=False)(IDS), tuple)


@pytest.mark.parametrize("kind", ["plain", "sdpa", "auto"])
def test_states_and_attentions_are_of_every_inner_layer(kind: str) -> None:
    model = small(num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2)
    model.set_attention(kind)
    output = model(IDS, MASK, output_attentions=True, output_hidden_states=True)
    assert (len(output.hidden_states), len(output.attentions)) == (9, 8)
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)
    for weights in output.attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 6))
        assert not weights[1, :, :, 4:].any()
    asked_by_config = small(output_attentions=True, output_hidden_states=True)(IDS)
    assert (len(asked_by_config.hidden_states), len(asked_by_config.attentions)) == (3, 2)


def test_predictions_at_asked_positions_only() -> None:
    for name, field in (("AlbertForMaskedLM", "logits"), ("AlbertForPreTraining", "prediction_logits")):
        model = small(name)
        everywhere = model(IDS, MASK)[field]
        places = torch.tensor([3, 1, 7])
        some = model(IDS, MASK, masked_positions=places, labels=torch.tensor([5, -100, 6]))
        torch.testing.assert_close(some[field], everywhere.flatten(0, 1)[places])
        expected = F.cross_entropy(everywhere.flatten(0, 1)[[3, 7]], torch.tensor([5, 6]))
        torch.testing.assert_close(some.loss, expected)
        packed = model(IDS[MASK == 1], layout=PackedLayout.from_lengths([6, 4]), masked_positions=places)
        torch.testing.assert_close(packed[field], everywhere.flatten(0, 1)[places])


def test_pretraining_loss_is_the_sum_of_those_given() -> None:
    model = small("AlbertForPreTraining")
    order = torch.tensor([0, 1])
    one, other = model(IDS, labels=IDS).loss, model(IDS, sentence_order_label=order).loss
    torch.testing.assert_close(model(IDS, labels=IDS, sentence_order_label=order).loss, one + other)
    assert model(IDS).loss is None


def test_two_way_heads_stay_two_way_whatever_num_labels_says() -> None:
    assert small("AlbertForPreTraining", num_labels=5)(IDS).sop_logits.shape == (2, 2)
    assert small("AlbertForQuestionAnswering", num_labels=5).config.num_labels == 2


def test_negative_answer_positions_count_as_the_first_token() -> None:
    model = small("AlbertForQuestionAnswering")
    zeros = torch.zeros(2, dtype=torch.int64)
    expected = model(IDS, MASK, start_positions=zeros, end_positions=zeros).loss
    found = model(IDS, MASK, start_positions=zeros[:, None] - 1, end_positions=zeros - 5).loss
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({}, "give input_ids or inputs_embeds"),
        ({"input_ids": IDS, "inputs_embeds": torch.zeros(2, 6, 8)}, "give input_ids or inputs_embeds"),
        ({"inputs_embeds": torch.zeros(2, 6, 16)}, r"inputs_embeds has shape \(2, 6, 16\), it must be \(B, L, 8\)"),
        ({"input_ids": IDS[0]}, r"input_ids has shape \(6,\), it must be \(B, L\)"),
        ({"input_ids": IDS, "attention_mask": MASK[:, :5]}, r"attention_mask has shape \(2, 5\)"),
        ({"input_ids": IDS, "head_mask": torch.ones(3)}, r"head_mask has shape \(3,\)"),
        ({"input_ids": IDS.repeat(1, 3)}, "sequence of 18 tokens, the model has positions for 12"),
        ({"input_ids": IDS[0], "layout": PackedLayout.from_lengths([5])}, "speaks of 5 tokens, the batch has 6"),
        (
            {"input_ids": IDS[0], "layout": PackedLayout.from_lengths([6]), "attention_mask": MASK[0]},
            "takes no attention_mask",
        ),
        (
            {"input_ids": IDS[0], "layout": PackedLayout.from_lengths([6]), "output_attentions": True},
            "neither attentions nor hidden states",
        ),
        ({"input_ids": IDS.view(-1).repeat(2), "layout": PackedLayout.from_lengths([24])}, "sequence of 24 tokens"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(call: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        small()(**call)


def test_other_refusals() -> None:
    with pytest.raises(ModelError, match="no multiple of num_choices=3"):
        small("AlbertForMultipleChoice")(IDS.view(-1), layout=PackedLayout.from_lengths([6, 6]), num_choices=3)
    with pytest.raises(ModelError, match="shape \\(B, C, L\\)"):
        small("AlbertForMultipleChoice")(IDS)
    with pytest.raises(ModelError, match="start_positions and end_positions"):
        small("AlbertForQuestionAnswering")(IDS, start_positions=torch.tensor([0, 0]))
    with pytest.raises(ModelError, match="no attention kind 'flash'"):
        small().set_attention("flash")
    with pytest.raises(ModelError, match="1 or more tokens"):
        PackedLayout.from_lengths([3, 0])
    with pytest.raises(ModelError, match="hidden_act is 'swish'"):
        small(hidden_act="swish")
    with pytest.raises(ModelError, match="rows for each group"):
        small(inner_group_num=3)(IDS, head_mask=torch.ones(2, 4))
    with pytest.raises(ModelError, match="gradient checkpointing knows no"):
        small().gradient_checkpointing_enable({"use_reentrant": True})


def test_a_callable_activation_is_used() -> None:
    torch.testing.assert_close(small(hidden_act=torch.relu)(IDS)[0], small(hidden_act="relu")(IDS)[0])


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("rows", [30, 40, 55])
def test_resizing_the_vocabulary(rows: int, tied: bool) -> None:
    model = small("AlbertForMaskedLM", tie_word_embeddings=tied)
    with torch.no_grad():
        model.predictions.bias.normal_()
    before = model(IDS.clamp(max=20)).logits
    table = model.resize_token_embeddings(rows)
    assert table.weight.shape == (rows, 8)
    assert model.config.vocab_size == rows
    assert table is model.get_input_embeddings()
    after = model(IDS.clamp(max=20)).logits
    torch.testing.assert_close(after[..., :30], before[..., :30])
    assert after.shape[-1] == rows
    assert (model.get_output_embeddings().weight is table.weight) is tied
    assert model.get_output_embeddings().bias is model.predictions.bias
    if rows > 40:
        assert float((table.weight[40:] - table.weight[:40].mean(0)).detach().abs().max()) <= 0.04
    with pytest.raises(ModelError, match="cannot resize"):
        model.resize_token_embeddings(0)


def test_replacing_the_word_table_keeps_the_tie() -> None:
    model = small("AlbertForMaskedLM")
    table = nn.Embedding(60, 8, padding_idx=0)
    model.set_input_embeddings(table)
    assert model.get_output_embeddings().weight is table.weight


def test_pruning_twice_and_saving(tmp_path: Any) -> None:
    model = small("AlbertForSequenceClassification", num_hidden_groups=2, inner_group_num=2, initializer_range=0.2)
    model.prune_heads({3: [0, 2]})
    model.prune_heads({3: [1], 0: [3]})
    assert model.config.pruned_heads == {3: [0, 1, 2], 0: [3]}
    assert model.albert.encoder.albert_layer_groups[1].albert_layers[1].attention.query.weight.shape == (4, 16)
    mask = torch.ones(4)
    unpruned = small("AlbertForSequenceClassification", num_hidden_groups=2, inner_group_num=2, initializer_range=0.2)
    torch.testing.assert_close(model(IDS, head_mask=mask).logits, model(IDS).logits)
    assert not torch.allclose(unpruned(IDS).logits, model(IDS).logits, atol=1e-4)
    model.save_pretrained(tmp_path)
    loaded = albert_cli.AlbertForSequenceClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded(IDS).logits, model(IDS).logits)
    for wrong in ({3: [3]}, {0: [4]}, {4: [0]}):
        with pytest.raises(ModelError, match=r"cannot take out heads|no layer 4 to prune"):
            model.prune_heads(wrong)


@pytest.mark.parametrize("kind", ["plain", "sdpa", "auto"])
@pytest.mark.parametrize("packed", [False, True])
def test_half_precision_stays_close_and_learns(kind: str, packed: bool) -> None:
    model = small("AlbertForMaskedLM", hidden_size=32, initializer_range=0.1)
    model.set_attention(kind)
    call = {"layout": PackedLayout.from_lengths([6, 4])} if packed else {"attention_mask": MASK}
    ids = IDS[MASK == 1] if packed else IDS
    labels = ids.masked_fill(ids == 0, -100)
    exact = model(ids, **call, labels=labels)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(ids, **call, labels=labels)
    assert rough.logits.dtype == torch.bfloat16
    torch.testing.assert_close(rough.logits.float(), exact.logits, rtol=0, atol=3e-2)
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=5e-3)
    for _ in range(30):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(ids, **call, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        assert all(bool(part.grad.isfinite().all()) for part in model.parameters())
        optimizer.step()
    assert float(loss.detach()) < 0.5 * float(exact.loss.detach())


def test_the_padded_model_can_be_exported() -> None:
    model = small("AlbertForMaskedLM")
    rows, tokens = torch.export.Dim("rows", min=1, max=64), torch.export.Dim("tokens", min=2, max=12)
    shape = {0: rows, 1: tokens}
    program = torch.export.export(
        model,
        (),
        {"input_ids": IDS, "attention_mask": MASK, "return_dict": False},
        dynamic_shapes={"input_ids": shape, "attention_mask": shape, "return_dict": None},
    )
    other = torch.randint(1, 40, (3, 9))
    mask = torch.ones_like(other)
    mask[1, 4:] = 0
    (found,) = program.module()(input_ids=other, attention_mask=mask, return_dict=False)
    torch.testing.assert_close(found, model(other, mask).logits)
