"""Weights come in and go out under the right names, and nothing goes wrong in silence."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file

import albert_cli
from albert_cli.errors import ModelError
from albert_cli.models.auto import AutoModel, AutoModelForMaskedLM, saved_class
from albert_cli.models.config import AlbertConfig
from albert_cli.models.pretrained import LoadReport, device_of_map, load_pretrained

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
}
IDS = torch.tensor([[2, 7, 11, 4, 23, 3]])


def saved(folder: Path, name: str = "AlbertForPreTraining", **overrides: Any) -> Any:
    """A model with weights that are nowhere trivial, saved."""
    torch.manual_seed(1)
    model = getattr(albert_cli, name)(AlbertConfig(**{**SMALL, **overrides})).eval()
    with torch.no_grad():
        for values in model.parameters():
            values.add_(torch.randn_like(values) * 0.1)
    model.save_pretrained(folder)
    return model


def rewrite(folder: Path, change: Any, *, metadata: dict[str, str] | None = None) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file({name: values.contiguous().clone() for name, values in change(tensors).items()},
              folder / "model.safetensors", metadata=metadata)  # fmt: skip


def test_what_is_written(tmp_path: Path) -> None:
    saved(tmp_path, hidden_dropout_prob=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["model_type"], config["architectures"], config["dtype"]) == (
        "albert",
        ["AlbertForPreTraining"],
        "float32",
    )
    assert isinstance(config["hidden_dropout_prob"], float)
    assert config["tie_word_embeddings"] is True
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        names = set(file.keys())
        assert file.metadata() == {"format": "pt"}
    assert "predictions.bias" in names
    assert not any("decoder" in name for name in names)
    assert saved_class(AlbertConfig.from_pretrained(tmp_path)) is albert_cli.AlbertForPreTraining


def test_an_untied_model_comes_back_whole(tmp_path: Path) -> None:
    model = saved(tmp_path, tie_word_embeddings=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)
    assert loaded.get_output_embeddings().weight is not loaded.get_input_embeddings().weight
    for name, values in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], values), name


def test_a_loaded_model_is_in_evaluation_mode_and_trainable(tmp_path: Path) -> None:
    saved(tmp_path)
    loaded = albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)
    assert not loaded.training
    assert all(part.requires_grad and not part.is_meta for part in loaded.parameters())
    assert loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight
    assert loaded.num_parameters() == albert_cli.AlbertForPreTraining(AlbertConfig(**SMALL)).num_parameters()


def test_from_head_to_bare_model_and_back(tmp_path: Path) -> None:
    head = saved(tmp_path / "head", "AlbertForSequenceClassification")
    bare, report = load_pretrained(albert_cli.AlbertModel, tmp_path / "head")
    assert torch.equal(bare(IDS).pooler_output, head.albert(IDS).pooler_output)
    assert (report.missing, report.unexpected, report.new_head) == ([], ["classifier.bias", "classifier.weight"], False)
    bare.save_pretrained(tmp_path / "bare")
    again, report = load_pretrained(albert_cli.AlbertForSequenceClassification, tmp_path / "bare")
    assert torch.equal(again.albert(IDS)[0], bare(IDS)[0])
    assert (report.missing, report.new_head) == (["classifier.bias", "classifier.weight"], True)
    assert float(again.classifier.weight.detach().abs().max()) <= 0.04
    assert again.classifier.weight.detach().any()
    with pytest.warns(UserWarning, match=r"begins at random: classifier\.bias, classifier\.weight") as caught:
        albert_cli.AlbertForSequenceClassification.from_pretrained(tmp_path / "bare")
    assert len(caught) == 1
    no_pooler = albert_cli.AlbertModel.from_pretrained(tmp_path / "bare", add_pooling_layer=False)
    assert no_pooler.pooler is None


def test_a_masked_language_head_that_is_missing_is_named_without_its_ties(tmp_path: Path) -> None:
    saved(tmp_path, "AlbertModel")
    model, report = load_pretrained(albert_cli.AlbertForMaskedLM, tmp_path)
    assert report.missing == [
        "predictions.LayerNorm.bias",
        "predictions.LayerNorm.weight",
        "predictions.bias",
        "predictions.dense.bias",
        "predictions.dense.weight",
    ]
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert bool((model.predictions.LayerNorm.weight == 1).all())
    assert not model.predictions.bias.detach().any()


def test_a_pooler_that_is_missing_is_no_missing_head(tmp_path: Path) -> None:
    saved(tmp_path, "AlbertForMaskedLM")
    _, report = load_pretrained(albert_cli.AlbertModel, tmp_path)
    assert (report.missing, report.new_head) == (["pooler.bias", "pooler.weight"], False)
    assert LoadReport(missing=["albert.pooler.weight"]).new_head is False
    assert LoadReport(mismatched=["classifier.weight: file (2, 3), model (3, 3)"]).new_head is True


def test_names_of_older_writers(tmp_path: Path) -> None:
    model = saved(tmp_path)

    def older(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        renamed = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): values
            for name, values in tensors.items()
        }
        return renamed | {"albert.embeddings.position_ids": torch.arange(12)[None]}

    rewrite(tmp_path, older)  # and without metadata
    loaded, report = load_pretrained(albert_cli.AlbertForPreTraining, tmp_path)
    assert report == LoadReport()
    assert torch.equal(loaded(IDS).prediction_logits, model(IDS).prediction_logits)


def test_the_bias_of_the_decoder_wins_and_the_word_table_wins(tmp_path: Path) -> None:
    saved(tmp_path)
    wanted = torch.arange(40.0)
    rewrite(
        tmp_path,
        lambda tensors: (
            tensors | {"predictions.decoder.bias": wanted, "predictions.decoder.weight": torch.zeros(40, 8)}
        ),
    )
    with pytest.warns(UserWarning, match="differ") as caught:
        loaded = albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)
    assert len(caught) == 2
    assert torch.equal(loaded.predictions.bias, wanted)
    assert torch.equal(loaded.predictions.decoder.bias, wanted)
    assert loaded.get_output_embeddings().weight.detach().any()


def test_a_decoder_bias_alone_is_enough(tmp_path: Path) -> None:
    model = saved(tmp_path)
    rewrite(
        tmp_path,
        lambda tensors: {
            name.replace("predictions.bias", "predictions.decoder.bias"): values for name, values in tensors.items()
        },
    )
    loaded, report = load_pretrained(albert_cli.AlbertForPreTraining, tmp_path)
    assert report == LoadReport()
    assert torch.equal(loaded.predictions.bias, model.predictions.bias)


def test_shapes_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    saved(tmp_path, "AlbertForSequenceClassification")
    with pytest.raises(ModelError) as caught:
        albert_cli.AlbertForSequenceClassification.from_pretrained(tmp_path, num_labels=3)
    assert "classifier.weight: file (2, 16), model (3, 16)\n" in caught.value.message + "\n"
    assert "classifier.bias: file (2,), model (3,)" in caught.value.message
    with pytest.warns(UserWarning, match=r"classifier\.weight: file \(2, 16\), model \(3, 16\)"):
        model = albert_cli.AlbertForSequenceClassification.from_pretrained(
            tmp_path, num_labels=3, ignore_mismatched_sizes=True
        )
    assert model(IDS).logits.shape == (1, 3)
    assert model.config.labels[2] == "LABEL_2"
    with pytest.raises(ModelError, match=r"word_embeddings\.weight: file \(40, 8\), model \(50, 8\)"):
        albert_cli.AlbertForSequenceClassification.from_pretrained(
            tmp_path, vocab_size=50, ignore_mismatched_sizes=True
        )


def test_an_encoder_in_part_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(ModelError, match=r"lack parts of the encoder.*albert_layer_groups\.1"):
        albert_cli.AlbertForPreTraining.from_pretrained(tmp_path, num_hidden_groups=2)


def test_weights_of_another_framework_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    rewrite(tmp_path, dict, metadata={"format": "tf"})
    with pytest.raises(ModelError, match="layout of 'tf'"):
        albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights in"):
        albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)
    (tmp_path / "tf_model.h5").touch()
    with pytest.raises(ModelError, match="in the tf2 format only") as caught:
        albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)
    assert "albert convert" in str(caught.value.hint)


def test_a_cut_file_and_a_foreign_file_are_damaged_not_a_crash(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)
    path.rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="damaged"):
        albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)


def test_a_pickle_is_read_when_it_holds_tensors(tmp_path: Path) -> None:
    model = saved(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    loaded, report = load_pretrained(albert_cli.AlbertForPreTraining, tmp_path)
    assert report == LoadReport()
    assert torch.equal(loaded(IDS).sop_logits, model(IDS).sop_logits)


class Touch:
    """Pickles into a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"x": Touch(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="holds more than tensors"):
        albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shard", ["../elsewhere.safetensors", "gone.safetensors"])
def test_an_index_stays_inside_its_directory(shard: str, tmp_path: Path) -> None:
    saved(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": {"albert.pooler.weight": shard}}
    (tmp_path / "model" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="names a file that is not beside it"):
        albert_cli.AlbertForPreTraining.from_pretrained(tmp_path / "model")


def test_a_path_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no directory .*nothing-here"):
        albert_cli.AlbertModel.from_pretrained(tmp_path / "nothing-here")


def test_a_directory_without_config_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json in"):
        albert_cli.AlbertModel.from_pretrained(tmp_path)


def test_types_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)
    load = albert_cli.AlbertForPreTraining.from_pretrained
    assert load(tmp_path).dtype == torch.float32
    assert load(tmp_path, dtype=torch.bfloat16).dtype == torch.bfloat16
    assert load(tmp_path, torch_dtype="bfloat16").dtype == torch.bfloat16
    load(tmp_path, dtype="bfloat16").save_pretrained(tmp_path / "half")
    assert load(tmp_path / "half").dtype == torch.bfloat16  # the config says so
    assert load(tmp_path / "half", dtype="float32").dtype == torch.float32
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.warns(UserWarning, match="float16 needs a GPU; computing in float32"):
        assert load(tmp_path, dtype=torch.float16).dtype == torch.float32
    with pytest.raises(ModelError, match="no such type of weights: int8"):
        load(tmp_path, dtype="int8")


def test_attention_kinds_by_the_names_of_both_sides(tmp_path: Path) -> None:
    saved(tmp_path)
    for name, kind in ((None, "auto"), ("eager", "plain"), ("sdpa", "sdpa"), ("plain", "plain"), ("varlen", "varlen")):
        model = albert_cli.AlbertForPreTraining.from_pretrained(tmp_path, attn_implementation=name)
        assert model.albert.attention_kind == kind
    with pytest.raises(ModelError, match="no attention kind 'flash_attention_2'"):
        albert_cli.AlbertForPreTraining.from_pretrained(tmp_path, attn_implementation="flash_attention_2")


def test_device_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of_map(None) is None
    assert device_of_map("auto") == device_of_map({"": "cpu"}) == device_of_map("cpu") == torch.device("cpu")
    assert device_of_map(1) == torch.device("cuda", 1)
    with pytest.raises(ModelError, match="over several devices"):
        device_of_map({"a": 0, "b": 1})


def test_an_override_that_is_no_field_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(ModelError, match="'hidden_dropout' is no field") as caught:
        albert_cli.AlbertModel.from_pretrained(tmp_path, hidden_dropout=0.1)
    assert caught.value.hint is not None
    assert "hidden_dropout_prob" in caught.value.hint
    assert albert_cli.AlbertModel.from_pretrained(tmp_path, hidden_dropout_prob=0.1).embeddings.dropout.p == 0.1


def test_saving_over_a_model_that_is_in_use_is_safe(tmp_path: Path) -> None:
    model = saved(tmp_path)
    loaded = albert_cli.AlbertForPreTraining.from_pretrained(tmp_path)
    loaded.save_pretrained(tmp_path)
    assert torch.equal(loaded(IDS).sop_logits, model(IDS).sop_logits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_auto_names_are_our_classes(tmp_path: Path) -> None:
    saved(tmp_path, "AlbertForMaskedLM")
    assert type(AutoModelForMaskedLM.from_pretrained(tmp_path)) is albert_cli.AlbertForMaskedLM
    assert AutoModel is albert_cli.AlbertModel is albert_cli.AutoModel
    assert type(AutoModel.from_config(AlbertConfig(**SMALL))) is albert_cli.AlbertModel
    with pytest.raises(ModelError, match="names no class of ours"):
        saved_class(AlbertConfig(architectures=["BertModel"]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, albert_cli; albert_cli.AlbertConfig; "
        "heavy = {'torch', 'numpy', 'transformers', 'datasets', 'safetensors'} & set(sys.modules); "
        "assert not heavy, heavy; assert 'AlbertModel' in dir(albert_cli); albert_cli.NoSuchName"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("AttributeError: module 'albert_cli' has no attribute 'NoSuchName'")


def test_loading_draws_nothing_that_the_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, "AlbertForMaskedLM")
    drawn: list[tuple[int, ...]] = []
    real = torch.nn.init.trunc_normal_
    monkeypatch.setattr(
        torch.nn.init, "trunc_normal_", lambda values, **how: (drawn.append(values.shape), real(values, **how))[1]
    )
    state = torch.get_rng_state()
    albert_cli.AlbertForMaskedLM.from_pretrained(tmp_path)
    assert drawn == []
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.warns(UserWarning, match="begins at random"):
        albert_cli.AlbertForTokenClassification.from_pretrained(tmp_path)
    assert drawn == [(2, 16)]
