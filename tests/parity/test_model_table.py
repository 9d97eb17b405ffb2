"""Does our model give the values that transformers 4.57.1 and 5.23.0 gave, printed to six digits?

Every number below was measured with both (the pruning and head-mask row with 4.57.1 alone, which still has them).
"""

from __future__ import annotations

import math

import pytest
import torch
from model_cases import BATCH, IDS, MASK, TYPES, table_model


def assert_near(values: torch.Tensor, *expected: float, atol: float = 2e-6) -> None:
    torch.testing.assert_close(values.detach().flatten(), torch.tensor(expected), rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("act", "first", "second", "total", "pooled"),
    [
        (
            "gelu_new",
            (-0.111830, -1.636666, 1.218246, 0.892687),
            (-0.105773, -1.642406, 1.211665, 0.894357),
            216.85552,
            (0.365817, -0.398593, -0.340336, 0.414964),
        ),
        (
            "gelu",
            (-0.111725, -1.636700, 1.218190, 0.892561),
            (-0.105669, -1.642440, 1.211610, 0.894231),
            216.85562,
            (0.365856, -0.398570, -0.340363, 0.414928),
        ),
    ],
)
def test_bare_model(
    act: str, first: tuple[float, ...], second: tuple[float, ...], total: float, pooled: tuple[float, ...]
) -> None:
    output = table_model("AlbertModel", hidden_act=act)(**BATCH, output_attentions=True, output_hidden_states=True)
    assert_near(output.last_hidden_state[0, 0, :4], *first)
    assert_near(output.last_hidden_state[1, 3, :4], *second)
    assert math.isclose(float(output.last_hidden_state.detach().abs().sum()), total, abs_tol=1e-3)
    assert_near(output.pooler_output[1, :4], *pooled)
    assert_near(output.hidden_states[0][0, 0, :3], -0.409711, -0.076372, 0.325768)
    weights = (0.156544, 0.156534, 0.156531, 0.156601, 0.187434, 0.186357, 0.0, 0.0)
    assert_near(output.attentions[0][1, 0, 0], *weights)


@pytest.mark.parametrize(
    ("act", "sharing", "first", "total"),
    [
        ("gelu_new", {"num_hidden_groups": 3}, (1.480729, -1.057159, -0.275642, 0.961108), 187.19943),
        ("gelu", {"num_hidden_groups": 3}, (1.480886, -1.057199, -0.275701, 0.961224), 187.20279),
        ("gelu_new", {"inner_group_num": 2}, (0.660169, -0.293851, 1.391651, -0.288848), 171.04894),
        ("gelu", {"inner_group_num": 2}, (0.660375, -0.294043, 1.391482, -0.288960), 171.05285),
    ],
)
def test_groups_and_inner_layers(act: str, sharing: dict[str, int], first: tuple[float, ...], total: float) -> None:
    output = table_model("AlbertModel", hidden_act=act, **sharing)(**BATCH)
    assert_near(output.last_hidden_state[0, 0, :4], *first)
    assert math.isclose(float(output.last_hidden_state.detach().abs().sum()), total, abs_tol=1e-3)


def test_positions_given_in_reverse() -> None:
    output = table_model("AlbertModel")(**BATCH, position_ids=torch.arange(7, -1, -1).expand(2, 8))
    assert_near(output.last_hidden_state[0, 0, :4], -0.110945, -1.634719, 1.219755, 0.891404)


def test_without_mask_and_token_types() -> None:
    output = table_model("AlbertModel")(IDS)
    assert_near(output.last_hidden_state[1, 0, :4], -0.107273, -1.637724, 1.215729, 0.891293)


def test_vectors_in_place_of_ids_give_the_same() -> None:
    model = table_model("AlbertModel")
    rows = model.get_input_embeddings()(IDS)
    ours = model(inputs_embeds=rows, attention_mask=MASK, token_type_ids=TYPES).last_hidden_state
    assert torch.equal(ours, model(**BATCH).last_hidden_state)


@pytest.mark.parametrize("kind", ["plain", "sdpa", "varlen", "auto"])
def test_pruned_head_and_masked_head_are_the_same(kind: str) -> None:
    expected = (-0.107186, -1.640795, 1.203263, 0.878600)
    model = table_model("AlbertModel")
    model.set_attention(kind)
    mask = torch.ones(3, 3)
    mask[0, 1] = 0  # row 0 serves every depth of the one group
    assert_near(model(**BATCH, head_mask=mask).last_hidden_state[0, 0, :4], *expected)
    assert_near(model(**BATCH, head_mask=mask[0]).last_hidden_state[0, 0, :4], *expected)
    model.prune_heads({0: [1]})
    assert_near(model(**BATCH).last_hidden_state[0, 0, :4], *expected)
    attention = model.encoder.albert_layer_groups[0].albert_layers[0].attention
    assert (tuple(attention.query.weight.shape), tuple(attention.dense.weight.shape)) == ((8, 12), (12, 8))


def test_a_head_mask_row_of_another_depth_changes_nothing() -> None:
    model = table_model("AlbertModel")
    mask = torch.ones(3, 3)
    mask[2] = 0
    assert torch.equal(model(**BATCH, head_mask=mask)[0], model(**BATCH, head_mask=torch.ones(3))[0])


def masked_labels() -> torch.Tensor:
    labels = torch.full_like(IDS, -100)
    labels[0, 3], labels[1, 1], labels[1, 4] = 12, 30, 17
    return labels


def test_pretraining_loss_logits_and_gradients() -> None:
    model = table_model("AlbertForPreTraining")
    output = model(**BATCH, labels=masked_labels(), sentence_order_label=torch.tensor([0, 1]))
    assert_near(output.loss, 4.744359)
    assert_near(output.sop_logits, -0.286968, -0.733317, -0.286969, -0.733318)
    assert_near(output.prediction_logits[0, 3, :4], 0.658380, 0.529305, 0.287470, 0.027800)
    output.loss.backward()
    layer = model.albert.encoder.albert_layer_groups[0].albert_layers[0]
    assert_near(model.get_input_embeddings().weight.grad.norm(), 1.834758)
    assert_near(layer.ffn.weight.grad.norm(), 0.006196)
    assert_near(model.sop_classifier.classifier.bias.grad.abs(), 0.109771, 0.109771)


def test_masked_language_model() -> None:
    output = table_model("AlbertForMaskedLM")(**BATCH, labels=masked_labels())
    assert_near(output.loss, 4.026512)
    assert int(output.logits[0, 3].argmax()) == 0


@pytest.mark.parametrize(
    ("classes", "labels", "loss"),
    [
        (3, torch.tensor([0, 2]), 0.996878),
        (1, torch.tensor([0.5, 2.0]), 2.665739),
        (3, torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]), 0.714870),
    ],
)
def test_sequence_classification(classes: int, labels: torch.Tensor, loss: float) -> None:
    output = table_model("AlbertForSequenceClassification", num_labels=classes)(**BATCH, labels=labels)
    assert_near(output.loss, loss)
    if classes == 3:
        assert_near(output.logits[0], -0.200255, -0.614653, -0.331381)


def test_token_classification() -> None:
    labels = (IDS % 5).masked_fill(MASK == 0, -100)
    output = table_model("AlbertForTokenClassification", num_labels=5)(**BATCH, labels=labels)
    assert_near(output.loss, 1.525604)
    assert_near(output.logits[0, 0], -0.525785, -0.139627, 0.229929, 0.070931, -0.331604)


def test_question_answering_ignores_an_answer_beyond_the_end() -> None:
    output = table_model("AlbertForQuestionAnswering")(
        **BATCH, start_positions=torch.tensor([6, 100]), end_positions=torch.tensor([7, 5])
    )
    assert_near(output.loss, 2.090860)
    assert_near(output.start_logits[0, :4], -0.061733, -0.042310, -0.061116, -0.042463)
    assert_near(output.end_logits[0, :4], 0.034490, 0.077428, 0.034843, 0.077344)


def test_multiple_choice() -> None:
    batch = {name: values[None] for name, values in BATCH.items()}
    assert_near(table_model("AlbertForMultipleChoice")(**batch, labels=torch.tensor([1])).loss, 0.693147)
