"""Do the peers' own checkpoint files give the peers' own outputs, and come back bit by bit?

Reference outputs: ``A_google_tf1`` (google-research, TensorFlow 1), ``B_hf_torch``, ``C_hf_tf`` and ``C_hf_flax``
(transformers 4.57).
Tolerances: 2e-5 for hidden states, 1e-4 for logits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_cases import difference
from safetensors.torch import load_file
from subcases import each
from torch import Tensor

from albert_cli.convert.cells import refusal
from albert_cli.convert.content import Content
from albert_cli.convert.formats import FORMATS, read_checkpoint, recognise
from albert_cli.convert.verify import check_complete, compare, marks, same_bits
from albert_cli.models.heads import MODEL_CLASSES
from albert_cli.models.pretrained import model_from_state

pytestmark = pytest.mark.shared

HIDDEN, LOGITS = 2e-5, 1e-4
TIED = ("predictions.decoder.weight", "predictions.decoder.bias")
# How many formats each case can be written in, itself included. Spelt out, so that a case that disappears is seen.
GOOGLE = {
    "classifier3": 5,
    "classifier_stsb": 5,
    "pretrain_e_eq_h": 5,
    "pretrain_g1": 5,
    "pretrain_g2_slots": 5,
    "pretrain_g3_inner2": 5,
    "pretrain_relu_uneven": 5,
    "race": 5,
    "squad1": 5,
    "squad2": 3,  # no class of TensorFlow and Flax
}
TORCH = {
    "base_e_eq_h": 4,  # a real projection
    "base_g1": 5,
    "base_g2_inner2": 5,
    "base_g3_uneven": 5,
    "base_nopool": 4,  # the exact gelu
    "base_relative_key": 2,
    "base_relative_key_query": 2,
    "maskedlm": 4,  # the exact gelu
    "multichoice": 5,
    "pretraining": 5,
    "qa": 5,
    "seqcls_multi": 5,
    "seqcls_regression": 5,
    "seqcls_single": 5,
    "tokencls": 4,  # no head of the original
}
KERAS = {
    "base": 5,
    "base_g3_relu": 5,
    "maskedlm": 4,  # the exact gelu
    "multichoice": 5,
    "pretraining": 5,
    "qa": 5,
    "seqcls": 5,
    "tokencls": 4,  # no head of the original
}
CASES = len(GOOGLE) + 2 * len(TORCH) + 2 * len(KERAS)
WAYS = sum(GOOGLE.values()) + 2 * sum(TORCH.values()) + 2 * sum(KERAS.values())
PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "convert.md"


def stored(path: Path, prefix: str) -> dict[str, Tensor]:
    with np.load(path) as file:
        found = {name.removeprefix(prefix): file[name] for name in file.files if name.startswith(prefix)}
    return {name: torch.from_numpy(np.asarray(values)) for name, values in found.items()}


def model_of(content: Content, place: Path) -> Any:
    return model_from_state(MODEL_CLASSES[content.head], content.config, content.state, place=place)[0]


def assert_state(content: Content, expected: dict[str, Tensor]) -> None:
    for name, tensor in expected.items():
        if name not in TIED:
            ours = name if name in content.state else f"albert.{name}"
            assert same_bits(content.state[ours], tensor), name


def assert_every_way_back(content: Content, folder: Path) -> int:
    """Write every format that is not refused, read it again, and count them."""
    ways = 0
    for name, format_ in FORMATS.items():
        if refusal(content, name) is not None:
            continue
        place = folder / name
        place.mkdir(parents=True)
        left_out = format_.write(content, place)
        lines = compare(marks(content), read_checkpoint(place, name, head=content.head), left_out=left_out)
        assert all(line.is_equal for line in lines)
        ways += 1
    return ways


@each("case", GOOGLE)
def test_google(case: str, shared_dir: Path, tmp_path: Path) -> None:
    folder = shared_dir / "goldens" / "A_google_tf1" / case
    assert recognise(folder) == "tf1"
    content = read_checkpoint(folder, "tf1", head="AlbertForMultipleChoice" if case == "race" else None)
    check_complete(content, place=folder)
    expected_state = folder / "expected_hf_state.safetensors"
    if expected_state.exists():
        assert_state(content, load_file(expected_state))
    listed = json.loads((folder / "variables.json").read_text())
    assert {name for name, _ in listed["trainable"]} <= {*content.sources.values(), *(o.name for o in content.left_out)}
    model = model_of(content, folder)
    given, expected = stored(folder / "io.npz", "in/"), stored(folder / "io.npz", "out/")
    names = {"input_ids": "input_ids", "attention_mask": "input_mask", "token_type_ids": "segment_ids"}
    flat = {ours: given[theirs].long().view(-1, 24) for ours, theirs in names.items()}
    with torch.inference_mode():
        encoded = model.albert(**flat, output_hidden_states=True)
        assert difference(encoded.last_hidden_state, expected["sequence_output"]) < HIDDEN
        assert difference(torch.stack(encoded.hidden_states[1:]), expected["all_encoder_layers"]) < HIDDEN
        inputs = {name: values.view(3, 4, 24) for name, values in flat.items()} if case == "race" else flat
        more = {"p_mask": given["p_mask"]} if case == "squad2" else {}
        output = model(**inputs, **more)
    if "logits" in expected:
        assert difference(output.logits.view_as(expected["logits"]), expected["logits"]) < LOGITS
    if "masked_lm_log_probs" in expected:
        rows = torch.arange(4)[:, None] * 24
        places = (given["masked_lm_positions"].long() + rows).flatten()
        logs = output.prediction_logits.flatten(0, 1)[places].log_softmax(-1)
        assert difference(logs, expected["masked_lm_log_probs"]) < LOGITS
        assert difference(output.sop_logits.log_softmax(-1), expected["sentence_order_log_probs"]) < LOGITS
    if case == "squad1":
        assert difference(output.start_logits, expected["start_logits"]) < LOGITS
        assert difference(output.end_logits, expected["end_logits"]) < LOGITS
    if case == "squad2":
        assert difference(output.cls_logits, expected["cls_logits"]) < LOGITS
    ways = assert_every_way_back(content, tmp_path / case)
    assert ways == GOOGLE[case]
    data = "model.ckpt-best.data-00000-of-00001"
    if not content.left_out:  # nothing was dropped: the very bytes
        assert (tmp_path / case / "tf1" / data).read_bytes() == (folder / data).read_bytes()


def test_the_prefix_of_tf_hub(shared_dir: Path) -> None:
    folder = shared_dir / "goldens" / "A_google_tf1" / "pretrain_g1"
    plain = read_checkpoint(folder, "tf1")
    config = (folder / "albert_config.json").read_text()
    from albert_cli.convert.tf1 import read_variables

    prefixed = read_variables(folder / "hub_prefixed" / "variables", json.loads(config))
    assert prefixed.state.keys() == plain.state.keys()
    assert all(same_bits(plain.state[name], tensor) for name, tensor in prefixed.state.items())


@each("kind", ["C_hf_tf", "C_hf_flax"])
def test_transformers_tensorflow_and_flax(kind: str, shared_dir: Path, tmp_path: Path) -> None:
    format_ = "tf2" if kind == "C_hf_tf" else "flax"
    for case in KERAS:
        folder = shared_dir / "goldens" / kind / case
        assert recognise(folder) == format_, case
        content = read_checkpoint(folder, format_)
        check_complete(content, place=folder)
        assert_state(content, load_file(folder / "expected_torch_state.safetensors"))
        model = model_of(content, folder)
        given, expected = stored(folder / "io.npz", "in/"), stored(folder / "io.npz", "out/full/")
        inputs = {name: given[name].long() for name in ("input_ids", "attention_mask", "token_type_ids")}
        with torch.inference_mode():
            output = model(**inputs)
        for field, values in expected.items():
            if field not in ("loss", "hidden_states", "attentions"):
                assert difference(output[field], values) < LOGITS, (case, field)
        assert assert_every_way_back(content, tmp_path / kind / case) == KERAS[case], case


def test_transformers_pytorch(shared_dir: Path, tmp_path: Path) -> None:
    for case, ways in TORCH.items():
        folder = shared_dir / "goldens" / "B_hf_torch" / case
        expected_state = load_file(folder / "model.safetensors")
        for source, format_ in ((folder, "hf"), (folder / "bin", "hf-bin")):
            assert recognise(source) == format_, case
            content = read_checkpoint(source, format_)
            check_complete(content, place=source)
            assert_state(content, expected_state)
            assert len(content.state) == len([name for name in expected_state if name not in TIED]), case
            assert assert_every_way_back(content, tmp_path / case / format_) == ways, case
        written = read_checkpoint(tmp_path / case / "hf" / "hf-bin", "hf-bin")
        model = model_of(written, folder)
        given, expected = stored(folder / "io.npz", "in/"), stored(folder / "io.npz", "out/full/")
        inputs = {name: given[name].long() for name in ("input_ids", "attention_mask", "token_type_ids")}
        with torch.inference_mode():
            output = model(**inputs)
        compared = [field for field in expected if field.endswith(("logits", "last_hidden_state", "pooler_output"))]
        assert compared
        for field in compared:
            assert difference(output[field], expected[field]) < LOGITS, (case, field)


def test_the_page_has_the_count() -> None:
    assert (CASES, WAYS) == (56, 254)
    assert f"{CASES} checkpoints of the peers: {WAYS} conversions there and back" in PAGE.read_text(encoding="utf-8")


def test_safetensors_of_tensorflow_and_flax(shared_dir: Path) -> None:
    for kind, folder_name in (("C_hf_tf", "tf_safetensors"), ("C_hf_flax", "flax_safetensors")):
        for case in ("base", "pretraining"):
            folder = shared_dir / "goldens" / kind / case
            content = read_checkpoint(folder / folder_name, recognise(folder / folder_name))
            check_complete(content, place=folder)
            assert_state(content, load_file(folder / "expected_torch_state.safetensors"))
