"""Do packed sequences give what padded ones give, whatever their lengths, the head and the kind of attention?"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import albert_cli
from albert_cli.models import attention
from albert_cli.models.attention import AttentionCall, attend
from albert_cli.models.config import AlbertConfig
from albert_cli.models.layout import PackedLayout, PaddedLayout

CONFIG: dict[str, Any] = {
    "vocab_size": 40,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_hidden_groups": 2,
    "inner_group_num": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
}
HEADS = (
    "AlbertModel",
    "AlbertForPreTraining",
    "AlbertForMaskedLM",
    "AlbertForSequenceClassification",
    "AlbertForMultipleChoice",
    "AlbertForTokenClassification",
    "AlbertForQuestionAnswering",
)
lengths_of_a_batch = st.lists(st.integers(1, 30), min_size=1, max_size=6)


def head(name: str, **overrides: Any) -> nn.Module:
    torch.manual_seed(5)
    model: nn.Module = getattr(albert_cli, name)(AlbertConfig(**{**CONFIG, **overrides}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def batch_of(lengths: list[int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Padded ids and types (B, L), and which positions are real (B, L) bool."""
    draw = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    real = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    ids = torch.randint(1, CONFIG["vocab_size"], shape, generator=draw).masked_fill(~real, 0)
    return ids, torch.randint(0, 2, shape, generator=draw).masked_fill(~real, 0), real


def both_losses(model: nn.Module, name: str, lengths: list[int], seed: int) -> tuple[Any, Any, Tensor]:
    """Outputs of the same sequences padded and packed, with labels."""
    ids, types, real = batch_of(lengths, seed)
    layout = PackedLayout.from_lengths(lengths)
    draw = torch.Generator().manual_seed(seed + 1)
    rows = len(lengths)
    padded: dict[str, Any] = {"input_ids": ids, "token_type_ids": types, "attention_mask": real.long()}
    packed: dict[str, Any] = {"input_ids": ids[real], "token_type_ids": types[real], "layout": layout}
    if name in ("AlbertForMaskedLM", "AlbertForPreTraining", "AlbertForTokenClassification"):
        labels = torch.randint(0, 2, ids.shape, generator=draw).masked_fill(~real, -100)
        padded["labels"], packed["labels"] = labels, labels[real]
    if name == "AlbertForPreTraining":
        padded["sentence_order_label"] = packed["sentence_order_label"] = torch.arange(rows) % 2
    if name == "AlbertForSequenceClassification":
        padded["labels"] = packed["labels"] = torch.arange(rows) % 2
    if name == "AlbertForMultipleChoice":
        padded = {key: value[None] for key, value in padded.items()}
        packed["num_choices"] = rows
        padded["labels"] = packed["labels"] = torch.tensor([rows - 1])
    return model(**padded), model(**packed), real


def gradient_of(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: part.grad.clone() for name, part in model.named_parameters() if part.grad is not None}


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["plain", "sdpa", "varlen", "auto"])
@pytest.mark.parametrize("name", [name for name in HEADS if name != "AlbertForQuestionAnswering"])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(lengths=lengths_of_a_batch, seed=st.integers(0, 1000))
def test_packed_equals_padded(name: str, kind: str, lengths: list[int], seed: int) -> None:
    model = head(name).eval()
    model.set_attention(kind)
    padded, packed, real = both_losses(model, name, lengths, seed)
    assert padded.keys() == packed.keys()
    for field, value in padded.items():
        per_token = value.dim() > 1 and value.shape[:2] == real.shape and name != "AlbertForMultipleChoice"
        per_token = per_token and field not in ("pooler_output", "sop_logits")
        per_token = per_token and name != "AlbertForSequenceClassification"
        assert_close(packed[field], value[real] if per_token else value)
    scalar = (lambda output: output.loss) if "loss" in padded else (lambda output: output.pooler_output.square().sum())
    expected = gradient_of(model, scalar(padded))
    found = gradient_of(model, scalar(packed))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert_close(found[key], value)


@pytest.mark.parametrize("kind", ["plain", "sdpa"])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(lengths=lengths_of_a_batch, seed=st.integers(0, 1000))
def test_packed_question_answering_looks_at_real_tokens_only(kind: str, lengths: list[int], seed: int) -> None:
    """Padded logits are those of the packed batch; its loss is the padded one with padding shut out by hand."""
    model = head("AlbertForQuestionAnswering").eval()
    model.set_attention(kind)
    ids, types, real = batch_of(lengths, seed)
    start = torch.tensor([(seed + row) % (length + 2) for row, length in enumerate(lengths)])  # some beyond the end
    start[0] = 0
    end = torch.tensor([length - 1 for length in lengths])
    padded = model(ids, real.long(), types)
    packed = model(
        ids[real],
        token_type_ids=types[real],
        layout=PackedLayout.from_lengths(lengths),
        start_positions=start,
        end_positions=end,
    )
    assert_close(packed.start_logits, padded.start_logits[real])
    assert_close(packed.end_logits, padded.end_logits[real])
    inside = start < torch.tensor(lengths)
    per_row = padded.start_logits.masked_fill(~real, float("-inf")).log_softmax(-1)
    start_loss = -per_row[inside].gather(1, start[inside, None]).mean()
    end_loss = -padded.end_logits.masked_fill(~real, float("-inf")).log_softmax(-1).gather(1, end[:, None]).mean()
    by_hand = (start_loss + end_loss) / 2
    assert_close(packed.loss, by_hand)
    expected = gradient_of(model, by_hand)
    found = gradient_of(model, packed.loss)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert_close(found[key], value)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(lengths=lengths_of_a_batch, round_to=st.integers(1, 16), seed=st.integers(0, 1000))
def test_blocks_and_join_are_inverses(lengths: list[int], round_to: int, seed: int) -> None:
    layout = PackedLayout.from_lengths(lengths, round_to=round_to)
    tokens = torch.randn(sum(lengths), 3, generator=torch.Generator().manual_seed(seed))
    blocks = layout.blocks(tokens)
    assert torch.equal(layout.join([block for block, _ in blocks]), tokens)
    assert sum(block.shape[0] for block, _ in blocks) == len(lengths)
    shown = sum(block.shape[0] * block.shape[1] if bias is None else int((bias == 0).sum()) for block, bias in blocks)
    assert shown == sum(lengths)
    assert all(block.shape[1] - (bias == 0).sum(-1).min() < round_to for block, bias in blocks if bias is not None)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(lengths=lengths_of_a_batch, seed=st.integers(0, 1000), masked=st.booleans())
def test_kinds_of_attention_agree(lengths: list[int], seed: int, masked: bool) -> None:
    draw = torch.Generator().manual_seed(seed)
    layout = PackedLayout.from_lengths(lengths)
    qkv = torch.randn(sum(lengths), 24, generator=draw)
    head_mask = torch.tensor([1.0, 0.0]) if masked else None
    results = [
        attend(qkv, layout, num_heads=2, call=AttentionCall(kind), head_mask=head_mask)[0]
        for kind in ("plain", "sdpa", "varlen", "auto")
    ]
    for result in results[1:]:
        assert_close(result, results[0])
    if masked:
        assert not results[0][:, 4:].any()


def test_the_kernel_for_different_lengths_gets_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU: a stand-in with the kernel's arguments, one sequence after the other."""

    def kernel(query: Tensor, key: Tensor, value: Tensor, ends: Tensor, other_ends: Tensor, *longest: int) -> Tensor:
        assert (ends.dtype, longest) == (torch.int32, (9, 9))
        assert torch.equal(ends, other_ends)
        found = []
        for first, last in itertools.pairwise(ends.tolist()):
            q, k, v = (part[first:last].transpose(0, 1) for part in (query, key, value))
            found.append(nn.functional.scaled_dot_product_attention(q, k, v).transpose(0, 1))
        return torch.cat(found)

    layout = PackedLayout.from_lengths([4, 9, 1])
    qkv = torch.randn(14, 24, generator=torch.Generator().manual_seed(0))
    expected, _ = attend(qkv, layout, num_heads=2, call=AttentionCall("plain"))
    monkeypatch.setattr(attention, "varlen_function", lambda: kernel)
    monkeypatch.setattr(attention, "_varlen_runs", lambda *_: True)
    for kind in ("varlen", "auto"):
        assert_close(attend(qkv, layout, num_heads=2, call=AttentionCall(kind))[0], expected)
    with_dropout, _ = attend(qkv, layout, num_heads=2, call=AttentionCall("varlen"), dropout=0.5)
    assert not torch.allclose(with_dropout, expected)  # the kernel drops nothing, so another kind took over


def test_a_sequence_that_may_look_nowhere_looks_everywhere_alike() -> None:
    qkv = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[0, 0, 0, 0, 0], [1, 1, 1, 0, 0]])
    for kind in ("plain", "sdpa"):
        layout = PaddedLayout(2, 5, mask, qkv.device)
        context, _ = attend(qkv, layout, num_heads=2, call=AttentionCall(kind))
        mean = qkv[0, :, 16:].mean(0).expand(5, 8)
        torch.testing.assert_close(context[0], mean)


@pytest.mark.parametrize("name", HEADS)
def test_recomputed_layers_give_the_same_gradients_in_both_layouts(name: str) -> None:
    lengths = [9, 3, 17, 3]
    model = head(name).train()  # dropout is 0; recomputation happens in training only
    for dropout in [part for part in model.modules() if isinstance(part, nn.Dropout)]:
        dropout.p = 0.0
    results = []
    for recompute in (False, True):
        if recompute:
            model.gradient_checkpointing_enable()
        for output in both_losses(model, name, lengths, 3)[:2] if name != "AlbertForQuestionAnswering" else []:
            results.append(gradient_of(model, output[0].sum() + 0 * output[1].sum()))
        if name == "AlbertForQuestionAnswering":
            ids, _, real = batch_of(lengths, 3)
            for inputs in ({"input_ids": ids}, {"input_ids": ids[real], "layout": PackedLayout.from_lengths(lengths)}):
                results.append(gradient_of(model, model(**inputs).start_logits.square().sum()))
    for plain, again in zip(results[:2], results[2:], strict=True):
        assert plain.keys() == again.keys()
        for key, value in plain.items():
            assert_close(again[key], value)


@pytest.mark.parametrize("kind", ["relative_key", "relative_key_query"])
def test_relative_positions_packed_and_padded(kind: str) -> None:
    torch.manual_seed(0)
    config = AlbertConfig.named("tiny", vocab_size=60, initializer_range=0.3, position_embedding_type=kind)
    model = albert_cli.AlbertModel(config).eval()
    lengths = (9, 3, 14)
    rows = [torch.randint(5, 60, (length,)) for length in lengths]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    with torch.inference_mode():
        expected = model(padded, attention_mask=mask).last_hidden_state
        packed = model(torch.cat(rows), layout=PackedLayout.from_lengths(lengths)).last_hidden_state
        # Far and near must not count the same: the same ids under absolute positions of zero would.
        model.encoder.albert_layer_groups[0].albert_layers[0].attention.distance_embedding.weight.zero_()
        without = model(torch.cat(rows), layout=PackedLayout.from_lengths(lengths)).last_hidden_state
    assert torch.allclose(packed, torch.cat([expected[row, :length] for row, length in enumerate(lengths)]), atol=1e-5)
    assert not torch.allclose(packed, without, atol=1e-2)
