"""Laws that hold for every model class: what the test suites of other libraries ask of a model, asked of ours.

The list, with the places of the laws that stand elsewhere, is in docs/reference/python.md.

Shapes: B = 3 sequences (2 choices each for multiple choice), L = 7 tokens.
"""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from albert_cli.errors import ModelError
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import MODEL_CLASSES

B, C, L, V, E, H, N, A = 3, 2, 7, 32, 8, 16, 4, 4
CONFIG: dict[str, Any] = {
    "vocab_size": V,
    "embedding_size": E,
    "hidden_size": H,
    "num_hidden_layers": N,
    "num_hidden_groups": 2,
    "num_attention_heads": A,
    "intermediate_size": 20,
    "max_position_embeddings": 12,
    "initializer_range": 0.3,
    "classifier_dropout_prob": 0.0,
    "num_labels": 3,
    "start_n_top": 2,
    "end_n_top": 2,
}
MASK = torch.tensor([[1] * 7, [1] * 5 + [0] * 2, [1] * 3 + [0] * 4])
LANGUAGE = ("AlbertForMaskedLM", "AlbertForPreTraining")
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "AlbertModel": {"last_hidden_state": (B, L, H), "pooler_output": (B, H)},
    "AlbertForPreTraining": {"loss": (), "prediction_logits": (B, L, V), "sop_logits": (B, 2)},
    "AlbertForMaskedLM": {"loss": (), "logits": (B, L, V)},
    "AlbertForSequenceClassification": {"loss": (), "logits": (B, 3)},
    "AlbertForMultipleChoice": {"loss": (), "logits": (B, C)},
    "AlbertForTokenClassification": {"loss": (), "logits": (B, L, 3)},
    "AlbertForQuestionAnswering": {"loss": (), "start_logits": (B, L), "end_logits": (B, L)},
    "AlbertForQuestionAnsweringBeam": {
        "loss": (),
        "start_top_log_probs": (B, 2),
        "start_top_index": (B, 2),
        "end_top_log_probs": (B, 4),
        "end_top_index": (B, 4),
        "cls_logits": (B,),
        "start_log_probs": (B, L),
        "end_log_probs": (B, L),
    },
}
every_class = pytest.mark.parametrize("name", MODEL_CLASSES)


def make(name: str, **overrides: Any) -> Any:
    """A model in evaluation mode whose every weight counts."""
    torch.manual_seed(7)
    model = MODEL_CLASSES[name](AlbertConfig.from_dict({**CONFIG, **overrides})).eval()
    with torch.no_grad():
        for values in model.parameters():
            values.add_(torch.randn_like(values) * 0.1)
    return model


def batch(name: str, **changes: Any) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(2)
    ids = torch.randint(5, V - 4, (B, L), generator=draw) * MASK
    found = {"input_ids": ids, "attention_mask": MASK, "token_type_ids": (torch.arange(L) > 2).long() * MASK, **changes}
    if name == "AlbertForMultipleChoice":
        return {key: torch.stack([value, value.flip(0)], dim=1) for key, value in found.items()}
    return found


def labels(name: str) -> dict[str, Tensor]:
    rows = torch.arange(B)
    per_token = (torch.arange(B * L).view(B, L) % 3).masked_fill(MASK == 0, -100)
    spans = {"start_positions": torch.tensor([3, 0, 1]), "end_positions": torch.tensor([5, 4, 2])}
    return {
        "AlbertModel": {},
        "AlbertForPreTraining": {"labels": per_token, "sentence_order_label": rows % 2},
        "AlbertForMaskedLM": {"labels": per_token},
        "AlbertForSequenceClassification": {"labels": rows},
        "AlbertForMultipleChoice": {"labels": rows % C},
        "AlbertForTokenClassification": {"labels": per_token},
        "AlbertForQuestionAnswering": spans,
        "AlbertForQuestionAnsweringBeam": {**spans, "is_impossible": torch.tensor([0, 1, 0])},
    }[name]


def scalar(output: Any) -> Tensor:
    """The loss, or for the bare model something that depends on every output."""
    if output.get("loss") is not None:
        loss: Tensor = output.loss
        return loss
    return output.last_hidden_state.square().sum() + output.pooler_output.sum()  # type: ignore[no-any-return]


def assert_same(one: Any, other: Any, *, limit: float = 2e-5) -> None:
    assert one.keys() == other.keys()
    for field, value in one.items():
        pairs = zip(value, other[field], strict=True) if isinstance(value, tuple) else [(value, other[field])]
        for left, right in pairs:
            torch.testing.assert_close(left, right, rtol=0, atol=limit)


@every_class
def test_outputs_have_their_shapes_with_and_without_labels(name: str) -> None:
    model = make(name)
    output = model(**batch(name), **labels(name))
    if name == "AlbertForQuestionAnsweringBeam":
        output = type(output)(**{**dict(model(**batch(name)).items()), **dict(output.items())})
    assert {field: tuple(value.shape) for field, value in output.items()} == SHAPES[name]
    without = model(**batch(name))
    assert "loss" not in without
    assert set(without.keys()) <= set(SHAPES[name])
    assert not any(value.isnan().any() for value in without.to_tuple())


@every_class
def test_a_tuple_holds_what_the_record_holds(name: str) -> None:
    model, wanted = make(name), {"output_attentions": True, "output_hidden_states": True}
    record = model(**batch(name), **labels(name), **wanted)
    plain = model(**batch(name), **labels(name), **wanted, return_dict=False)
    assert isinstance(plain, tuple)
    assert_same(dict_like(record, plain), record, limit=0)
    model.config.return_dict = False
    assert isinstance(model(**batch(name)), tuple)


def dict_like(record: Any, plain: tuple[Any, ...]) -> Any:
    return type(record)(**dict(zip(record.keys(), plain, strict=True)))


@every_class
def test_states_and_attentions_of_every_depth_and_nothing_else_changes(name: str) -> None:
    model = make(name)
    before = model(**batch(name))
    after = model(**batch(name), output_attentions=True, output_hidden_states=True)
    rows = B * C if name == "AlbertForMultipleChoice" else B
    assert [tuple(part.shape) for part in after.hidden_states] == [(rows, L, H)] * (N + 1)
    assert [tuple(part.shape) for part in after.attentions] == [(rows, A, L, L)] * N
    for field, value in before.items():
        torch.testing.assert_close(after[field], value, rtol=0, atol=1e-5)
    for weights in after.attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones(rows, A, L))
    model.config.output_attentions = model.config.output_hidden_states = True
    assert_same(model(**batch(name)), after)
    assert_same(model(**batch(name), output_attentions=False, output_hidden_states=False), before)


@every_class
def test_gradients_reach_states_and_attentions(name: str) -> None:
    output = make(name)(**batch(name), **labels(name), output_attentions=True, output_hidden_states=True)
    kept = [*output.hidden_states, *output.attentions]
    for part in kept:
        part.retain_grad()
    scalar(output).backward()
    assert all(part.grad is not None for part in kept)
    assert all(bool(part.grad.any()) for part in kept[:N])


@every_class
def test_one_call_is_like_another_until_dropout_is_on(name: str) -> None:
    model = make(name, hidden_dropout_prob=0.5)
    assert_same(model(**batch(name)), model(**batch(name)), limit=0)
    model.train()
    first, second = (model(**batch(name), **labels(name)) for _ in range(2))
    assert not torch.equal(scalar(first), scalar(second))


@every_class
def test_vectors_may_stand_for_ids(name: str) -> None:
    model, inputs = make(name), batch(name)
    expected = model(**inputs)
    vectors = model.get_input_embeddings()(inputs.pop("input_ids"))
    assert vectors.shape[-1] == E
    assert_same(model(**inputs, inputs_embeds=vectors), expected, limit=0)


# The others look at the first place, which is padding where that is on the left.
TOKEN_HEADS = ("AlbertForMaskedLM", "AlbertForTokenClassification", "AlbertForQuestionAnswering")
SIDES = [("right", name) for name in MODEL_CLASSES] + [("left", name) for name in TOKEN_HEADS]


@pytest.mark.parametrize("kind", ["plain", "sdpa"])
@pytest.mark.parametrize(("side", "name"), SIDES)
def test_a_row_of_a_batch_is_the_row_alone(name: str, kind: str, side: str) -> None:
    """Padding on either side, with the positions counted from the first token."""
    model, inputs = make(name), batch(name)
    model.set_attention(kind)
    mask = inputs["attention_mask"]
    if side == "left":
        inputs = {key: value.flip(-1) for key, value in inputs.items()}
        mask = inputs["attention_mask"]
        inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    whole = model(**inputs)
    for row in range(B):
        # Choices of one question are of different lengths: what is padding for both goes.
        real = mask[row].any(0) if name == "AlbertForMultipleChoice" else mask[row].bool()
        alone = model(**{key: value[row : row + 1][..., real] for key, value in inputs.items()})
        for field, value in alone.items():
            expected = whole[field][row : row + 1]
            if expected.dim() > 1 and expected.shape[1] == L:
                expected = expected[:, real]
            torch.testing.assert_close(value, expected, rtol=0, atol=2e-5)


MASKS = {
    "none": None,
    "ones": torch.ones_like(MASK),
    "right": MASK,
    "left": MASK.flip(-1),
    "holes": torch.tensor([[1, 0, 1, 1, 0, 1, 1]] * B),
    "bool": MASK.bool(),
    "float": MASK.float(),
    "a row of nothing": MASK * torch.tensor([[1], [0], [1]]),
}


@every_class
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_kind_of_attention_gives_the_same_under_every_mask(name: str, dtype: torch.dtype) -> None:
    model = make(name).to(dtype)
    fields = [field for field in SHAPES[name] if field != "loss" and "top" not in field]
    for pattern, mask in MASKS.items():
        inputs = batch(name)
        inputs["attention_mask"] = mask if mask is None else batch(name, attention_mask=mask)["attention_mask"]
        results = []
        for kind in ("plain", "sdpa", "varlen", "auto"):
            model.set_attention(kind)
            results.append(model(**inputs, **labels(name)))
        for result in results[1:]:
            for field in fields:
                assert results[0][field].isfinite().all(), pattern
                limit = 2e-5 if dtype == torch.float32 else 0.25
                torch.testing.assert_close(result[field], results[0][field], rtol=0, atol=limit, msg=pattern)


@every_class
def test_a_step_of_training_lowers_the_loss_with_layers_kept_or_recomputed(name: str) -> None:
    losses, gradients = [], []
    for recompute in (False, True):
        model = make(name).train()
        if recompute:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        assert model.is_gradient_checkpointing is recompute
        loss = scalar(model(**batch(name), **labels(name)))
        loss.backward()
        gradients.append({key: part.grad.clone() for key, part in model.named_parameters() if part.grad is not None})
        assert gradients[-1].keys() == dict(model.named_parameters()).keys()  # nothing is there for nothing
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        assert norm.isfinite()
        torch.optim.SGD(model.parameters(), lr=1e-3).step()
        losses.append((float(loss.detach()), float(scalar(model(**batch(name), **labels(name))).detach())))
        model.gradient_checkpointing_disable()
        assert not model.is_gradient_checkpointing
    assert all(after < before for before, after in losses)
    for key, value in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], value, rtol=1e-4, atol=1e-5)


@every_class
def test_the_feed_forward_part_may_run_in_pieces(name: str) -> None:
    whole = make(name)
    for size in (1, 3, L + 5):
        pieces = make(name, chunk_size_feed_forward=size)
        assert_same(pieces(**batch(name)), whole(**batch(name)), limit=1e-5)


@every_class
def test_saved_and_loaded_it_is_the_same_model(name: str, tmp_path: Path) -> None:
    model = make(name)
    model.save_pretrained(tmp_path / "first")
    loaded = MODEL_CLASSES[name].from_pretrained(tmp_path / "first")
    loaded.save_pretrained(tmp_path / "second")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    assert_same(loaded(**batch(name)), model(**batch(name)), limit=0)
    assert loaded.num_parameters() == model.num_parameters()


@every_class
def test_copies_and_pickles_are_the_same_model_with_its_ties(name: str) -> None:
    model = make(name)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    other = MODEL_CLASSES[name](copy.deepcopy(model.config)).eval()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    for twin in (
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        other,
        model.to(torch.float64).to(torch.float32),
    ):
        assert_same(twin(**batch(name)), model(**batch(name)), limit=0)
        assert_tied(twin)


def assert_tied(model: AlbertPreTrainedModel) -> None:
    decoder = model.get_output_embeddings()
    if decoder is not None:
        assert decoder.weight is model.get_input_embeddings().weight
        assert decoder.bias is model.predictions.bias  # type: ignore[union-attr]


@every_class
@pytest.mark.parametrize(("asked", "multiple", "rows"), [(50, None, 50), (28, None, 28), (33, 8, 40), (None, 64, 64)])
def test_a_vocabulary_of_another_size(
    name: str, asked: int | None, multiple: int | None, rows: int, tmp_path: Path
) -> None:
    model = make(name)
    before = model(**batch(name))
    table = model.resize_token_embeddings(asked, pad_to_multiple_of=multiple)
    assert (table.num_embeddings, table.weight.shape[0], model.config.vocab_size) == (rows, rows, rows)
    assert_tied(model)
    after = model(**batch(name))
    for field, value in after.items():
        old = before[field]
        wide = name in LANGUAGE and field != "sop_logits"
        assert value.shape[-1] == (rows if wide else old.shape[-1])
        kept = min(V, rows)
        torch.testing.assert_close(value[..., :kept] if wide else value, old[..., :kept] if wide else old)
    scalar(model(**batch(name), **labels(name))).backward()
    assert table.weight.grad.shape == (rows, E)
    model.save_pretrained(tmp_path)
    assert_same(MODEL_CLASSES[name].from_pretrained(tmp_path)(**batch(name)), after, limit=0)


def test_new_rows_lie_around_the_mean_or_around_zero() -> None:
    for around_mean in (True, False):
        model = make("AlbertForMaskedLM", initializer_range=1e-4)
        with torch.no_grad():
            model.get_input_embeddings().weight.add_(5)
        table = model.resize_token_embeddings(V + 40, mean_resizing=around_mean)
        fresh = table.weight[V:].detach()
        torch.testing.assert_close(fresh.mean(), torch.tensor(5.0 if around_mean else 0.0), rtol=0, atol=0.1)
    with pytest.raises(ModelError, match="multiple of 0"):
        model.resize_token_embeddings(64, pad_to_multiple_of=0)


@every_class
def test_heads_can_be_taken_out_and_stay_out(name: str, tmp_path: Path) -> None:
    model = make(name)
    silent = torch.ones(N, A)
    silent[0, 1:] = silent[2, 0] = silent[2, 2] = 0  # a row for each group: 0 and N // G
    expected = model(**batch(name), head_mask=silent)
    model.prune_heads({0: [1, 2, 3], 1: [0, 2]})
    shapes = [tuple(part.shape[:2]) for part in model(**batch(name), output_attentions=True).attentions]
    assert [heads for _, heads in shapes] == [1, 1, 2, 2]
    assert_same(model(**batch(name)), expected)
    fewer = silent.clone()
    fewer[2, 3] = 0  # numbers of heads still count those that are out
    assert_same(model(**batch(name), head_mask=fewer), make(name)(**batch(name), head_mask=fewer))
    model.save_pretrained(tmp_path)
    loaded = MODEL_CLASSES[name].from_pretrained(tmp_path)
    assert loaded.config.pruned_heads == {0: [1, 2, 3], 1: [0, 2]}
    assert_same(loaded(**batch(name)), model(**batch(name)), limit=0)
    made = MODEL_CLASSES[name](loaded.config)  # from the config alone
    assert {key: part.shape for key, part in made.state_dict().items()} == {
        key: part.shape for key, part in model.state_dict().items()
    }


@every_class
@pytest.mark.parametrize("kind", ["plain", "sdpa", "auto"])
def test_a_head_mask_silences_heads_and_has_a_gradient(name: str, kind: str) -> None:
    model = make(name)
    model.set_attention(kind)
    mask = torch.ones(N, A)
    mask[2, 1] = 0  # the row of the second group
    mask.requires_grad_()
    output = model(**batch(name), **labels(name), head_mask=mask, output_attentions=True)
    assert not output.attentions[2][:, 1].any()
    assert not output.attentions[3][:, 1].any()
    assert all(bool(output.attentions[0][:, head].any()) for head in range(A))
    scalar(output).backward()
    assert mask.grad is not None
    assert bool(mask.grad[0].any() and mask.grad[2].any())
    assert not mask.grad[1].any()  # of no group
    everyone = model(**batch(name), **labels(name), head_mask=torch.ones(A))
    torch.testing.assert_close(scalar(everyone), scalar(model(**batch(name), **labels(name))))


@every_class
def test_half_precision_weights_give_half_precision_outputs(name: str) -> None:
    model = make(name)
    exact = model(**batch(name), **labels(name))
    half = model.to(torch.bfloat16)
    assert half.dtype == torch.bfloat16
    output = half(**batch(name), **labels(name))
    assert bool(scalar(output).isfinite())
    if name != "AlbertModel":
        torch.testing.assert_close(output.loss.float(), exact.loss, rtol=0.1, atol=0.1)
    scalar(output).backward()
    assert all(part.grad is None or bool(part.grad.isfinite().all()) for part in half.parameters())
