"""Does our model give what Google's TF1 graph and transformers 4.57.1 gave on weights of their own?

Reference outputs: ``A_google_tf1`` (through the state dicts that transformers' loader made of the checkpoints)
and ``B_hf_torch``. Tolerances: 2e-5 for hidden states, 1e-4 for logits and losses.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_cases import difference, our_class
from safetensors.torch import load_file
from subcases import each

from albert_cli.models.config import AlbertConfig
from albert_cli.models.pretrained import load_pretrained

pytestmark = pytest.mark.shared

HIDDEN, LOGITS = 2e-5, 1e-4
HF_CASES = [
    "base_e_eq_h",
    "base_g1",
    "base_g2_inner2",
    "base_g3_uneven",
    "base_nopool",
    "base_relative_key",
    "base_relative_key_query",
    "maskedlm",
    "multichoice",
    "pretraining",
    "qa",
    "seqcls_multi",
    "seqcls_regression",
    "seqcls_single",
    "tokencls",
]
GOOGLE_PRETRAINING = ("pretrain_g1", "pretrain_g2_slots", "pretrain_g3_inner2", "pretrain_relu_uneven")
GOOGLE_TASKS = ("classifier3", "classifier_stsb", "race")


def arrays(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    with np.load(path) as stored:
        found = {name.removeprefix(prefix): stored[name] for name in stored.files if name.startswith(prefix)}
    return {name: torch.from_numpy(np.asarray(values)) for name, values in found.items()}


def scenario_inputs(name: str, given: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What the generator of the reference outputs passed in each scenario."""
    base = {key: given[key] for key in ("input_ids", "attention_mask", "token_type_ids")}
    labels = {
        key: given[key]
        for key in ("labels", "sentence_order_label", "start_positions", "end_positions")
        if key in given
    }
    shown = {"output_attentions": True, "output_hidden_states": True}
    return {
        "full": {**base, **labels, **shown},
        "ids_only": {"input_ids": given["input_ids"]},
        "position_ids": {**base, "position_ids": given["position_ids"]},
        "inputs_embeds": {
            "inputs_embeds": given["inputs_embeds"],
            "attention_mask": given["attention_mask"],
            "token_type_ids": given["token_type_ids"],
        },
        "head_mask_1d": {**base, "head_mask": given["head_mask_1d"], **shown},
        "head_mask_2d": {**base, "head_mask": given["head_mask_2d"], **shown},
        "zero_row": {**base, "attention_mask": given.get("attention_mask_zero_row")},
    }[name]


def assert_fields(output: Any, expected: dict[str, torch.Tensor], inner: int) -> None:
    for field, values in expected.items():
        mine = output[field]
        if field == "hidden_states":  # theirs are the states after each depth, ours after each inner layer
            mine = torch.stack(mine[::inner])
        elif field == "attentions":
            mine = torch.stack(mine)
        limit = LOGITS if "logits" in field or field == "loss" else HIDDEN
        assert difference(mine, values) < limit, field


@each("case, kind", itertools.product(HF_CASES, ("plain", "sdpa")))
def test_transformers_4_57(case: str, kind: str, shared_dir: Path) -> None:
    folder = shared_dir / "goldens" / "B_hf_torch" / case
    facts = json.loads((folder / "case.json").read_text())
    model, report = load_pretrained(our_class(facts["class"]), folder, **facts["init_kwargs"])
    assert (report.missing, report.unexpected, report.mismatched) == ([], [], [])
    assert {name: list(part.shape) for name, part in model.state_dict().items()} == facts["state_dict_keys"]
    model.set_attention(kind)
    given, expected = arrays(folder / "io.npz", "in/"), arrays(folder / "io.npz", "out/")
    scenarios = {name.split("/")[0] for name in expected}
    assert {"full", "ids_only", "position_ids", "inputs_embeds", "head_mask_1d", "head_mask_2d"} <= scenarios
    for scenario in sorted(scenarios):
        output = model(**scenario_inputs(scenario, given))
        fields = {name.split("/")[1]: values for name, values in expected.items() if name.split("/")[0] == scenario}
        assert_fields(output, fields, model.config.inner_group_num)


@each("case", [name for name in HF_CASES if not name.startswith("base")])
def test_gradients_of_transformers_4_57(case: str, shared_dir: Path) -> None:
    folder = shared_dir / "goldens" / "B_hf_torch" / case
    facts = json.loads((folder / "case.json").read_text())
    model, _ = load_pretrained(our_class(facts["class"]), folder / "bin")
    model(**scenario_inputs("full", arrays(folder / "io.npz", "in/"))).loss.backward()
    found = {name: part.grad for name, part in model.named_parameters() if part.grad is not None}
    with np.load(folder / "io.npz") as stored:
        names, norms, sums = stored["grad/names"].tolist(), stored["grad/l2"], stored["grad/sum"]
    assert sorted(names) == sorted(found)
    for name, norm, total in zip(names, norms, sums, strict=True):
        assert abs(float(found[name].double().norm()) - norm) < 1e-4, name
        assert abs(float(found[name].double().sum()) - total) < 1e-4 * max(1.0, norm), name


def google_model(name: str, folder: Path, **overrides: Any) -> Any:
    config = json.loads((folder / "expected_hf_config.json").read_text())
    model = our_class(name)(AlbertConfig.from_dict({**config, **overrides}))
    model.load_state_dict(load_file(folder / "expected_hf_state.safetensors"))
    return model.eval()


def google_inputs(given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = {"input_ids": "input_ids", "attention_mask": "input_mask", "token_type_ids": "segment_ids"}
    return {ours: given[theirs].long() for ours, theirs in names.items()}


@each("case", GOOGLE_PRETRAINING)
def test_google_pretraining_graph(case: str, shared_dir: Path) -> None:
    folder = shared_dir / "goldens" / "A_google_tf1" / case
    given, expected = arrays(folder / "io.npz", "in/"), arrays(folder / "io.npz", "out/")
    model = google_model("AlbertForPreTraining", folder)
    inputs = google_inputs(given)
    rows = torch.arange(4)[:, None] * inputs["input_ids"].shape[1]
    order = given["next_sentence_labels"].flatten().long()
    output = model(
        **inputs,
        masked_positions=(given["masked_lm_positions"].long() + rows).flatten(),
        output_hidden_states=True,
        sentence_order_label=order,
    )
    assert_google_encoder(model, inputs, output.hidden_states, expected)
    logs = output.prediction_logits.log_softmax(-1)  # (20, V)
    assert difference(logs, expected["masked_lm_log_probs"]) < LOGITS
    wanted, weights = given["masked_lm_ids"].flatten().long(), given["masked_lm_weights"].flatten()
    losses = -logs.gather(1, wanted[:, None])[:, 0]
    assert difference(losses, expected["masked_lm_example_loss"]) < LOGITS
    assert difference((weights * losses).sum() / (weights.sum() + 1e-5), expected["masked_lm_loss"]) < LOGITS
    assert difference(output.sop_logits.log_softmax(-1), expected["sentence_order_log_probs"]) < LOGITS
    assert difference(output.loss, expected["sentence_order_loss"]) < LOGITS


@each("case", GOOGLE_TASKS)
def test_google_task_graphs(case: str, shared_dir: Path) -> None:
    folder = shared_dir / "goldens" / "A_google_tf1" / case
    given, expected = arrays(folder / "io.npz", "in/"), arrays(folder / "io.npz", "out/")
    name = "AlbertForMultipleChoice" if case == "race" else "AlbertForSequenceClassification"
    model = google_model(name, folder)
    inputs = google_inputs(given)
    if case == "race":
        inputs = {key: values.view(3, 4, 24) for key, values in inputs.items()}
    labels = given["label_ids"].float() if case == "classifier_stsb" else given["label_ids"].long()
    output = model(**inputs, labels=labels, output_hidden_states=True)
    assert difference(output.logits.view_as(expected["logits"]), expected["logits"]) < LOGITS
    assert difference(output.loss, expected["loss"]) < LOGITS
    flat = {key: values.view(-1, values.shape[-1]) for key, values in inputs.items()}
    assert_google_encoder(model, flat, output.hidden_states, expected)


def assert_google_encoder(
    model: Any, inputs: dict[str, torch.Tensor], states: tuple[torch.Tensor, ...], expected: dict[str, torch.Tensor]
) -> None:
    positions = torch.arange(inputs["input_ids"].shape[1])
    embedded = model.albert.embeddings(inputs["input_ids"], inputs["token_type_ids"], positions)
    assert difference(embedded, expected["embedding_output"]) < HIDDEN
    assert difference(torch.stack(states[1:]), expected["all_encoder_layers"]) < HIDDEN
    encoded = model.albert(**inputs)
    assert difference(encoded.last_hidden_state, expected["sequence_output"]) < HIDDEN
    assert difference(encoded.pooler_output, expected["pooled_output"]) < HIDDEN
