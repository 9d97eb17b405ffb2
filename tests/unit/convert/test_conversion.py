"""What conversion refuses, keeps, leaves out and says; every cell of its table is in test_cells.py."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from albert_cli.convert.content import Content
from albert_cli.convert.formats import FORMATS, read_checkpoint
from albert_cli.convert.names import FLAX, TF1, TF2
from albert_cli.errors import AlbertError, ModelError, UsageError
from albert_cli.models.heads import MODEL_CLASSES
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.stages.convert import convert, report_lines

PEERS = tuple(name for name in MODEL_CLASSES if name != "AlbertForQuestionAnsweringBeam")

TinyModel = Callable[..., Path]


@pytest.fixture
def factorised(tiny_model: TinyModel) -> TinyModel:
    """Tiny models whose embeddings are narrower than the encoder: only these have a projection in every format."""
    return lambda head, **config: tiny_model(head, **{"embedding_size": 64, **config})


def request(source: Path, target: Path, to: str, **more: Any) -> ConvertRequest:
    return ConvertRequest(source=str(source), target=str(target), to=to, quiet=True, **more)


@pytest.mark.parametrize("head", PEERS)
def test_the_peer_loads_what_is_written_without_a_word(factorised: TinyModel, tmp_path: Path, head: str) -> None:
    folder = tmp_path / "hf"
    convert(request(factorised(head), tmp_path / "flax", "flax"))
    convert(request(tmp_path / "flax", folder, "hf"))
    model, info = getattr(transformers, head).from_pretrained(folder, output_loading_info=True)
    assert {key: list(found) for key, found in info.items() if key != "error_msgs" and found} == {}
    ours = MODEL_CLASSES[head].from_pretrained(folder)
    shape = (2, 3, 7) if head == "AlbertForMultipleChoice" else (2, 7)
    ids = torch.randint(5, 90, shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        theirs, mine = model.eval()(input_ids=ids), ours(input_ids=ids)
    for name, value in theirs.items():
        assert torch.allclose(value, mine[name], atol=1e-4), name


def test_a_choice_from_tf1_must_be_named(factorised: TinyModel, tmp_path: Path) -> None:
    convert(request(factorised("AlbertForMultipleChoice"), tmp_path / "tf1", "tf1"))
    path = tmp_path / "tf1" / "albert_config.json"
    values = json.loads(path.read_text())
    # As google's own files are: nothing says what the one output is for.
    path.write_text(json.dumps({key: value for key, value in values.items() if key != "architectures"}))
    guessed = read_checkpoint(tmp_path / "tf1", "tf1")
    assert (guessed.head, guessed.config.problem_type) == ("AlbertForSequenceClassification", "regression")
    assert "--head" in guessed.notes[0]
    assert read_checkpoint(tmp_path / "tf1", "tf1", head="AlbertForMultipleChoice").head == "AlbertForMultipleChoice"


def test_an_exact_gelu_is_refused_by_tf1_unless_it_was_never_meant(factorised: TinyModel, tmp_path: Path) -> None:
    source = factorised("AlbertModel", hidden_act="gelu")
    with pytest.raises(ModelError, match="tanh form"):
        convert(request(source, tmp_path / "out", "tf1"))
    convert(request(source, tmp_path / "out", "tf1", hidden_act="gelu_new"))
    assert json.loads((tmp_path / "out" / "albert_config.json").read_text())["hidden_act"] == "gelu"


def test_equal_sizes_need_an_identity_in_tf1(factorised: TinyModel, tmp_path: Path) -> None:
    source = factorised("AlbertForPreTraining", embedding_size=128)
    with pytest.raises(ModelError, match="no projection"):
        convert(request(source, tmp_path / "out", "tf1"))
    content = read_checkpoint(source, "hf")
    content.state["albert.encoder.embedding_hidden_mapping_in.weight"] = torch.eye(128)
    content.state["albert.encoder.embedding_hidden_mapping_in.bias"] = torch.zeros(128)
    (tmp_path / "identity").mkdir()
    FORMATS["hf"].write(content, tmp_path / "identity")
    report = convert(request(tmp_path / "identity", tmp_path / "out", "tf1"))
    assert {one.name.rsplit(".", 1)[-1] for one in report.left_out_of_target} == {"weight", "bias"}
    assert report.largest_difference == 0.0


def test_a_prefix_of_tf_hub_and_optimiser_slots_are_taken_off(factorised: TinyModel, tmp_path: Path) -> None:
    from albert_cli.convert.tf1_checkpoint import Checkpoint, write_checkpoint

    source = factorised("AlbertForPreTraining")
    convert(request(source, tmp_path / "tf1", "tf1"))
    prefix = tmp_path / "tf1" / "model.ckpt-best"
    arrays = {name: Checkpoint(prefix).read(name) for name in Checkpoint(prefix).variables}
    for old in (tmp_path / "tf1").glob("model.ckpt-best.*"):
        old.unlink()
    renamed = {f"module/{name}": array for name, array in arrays.items()}
    renamed["module/bert/pooler/dense/bias/adam_m"] = arrays["bert/pooler/dense/bias"]
    write_checkpoint(
        tmp_path / "tf1" / "variables", {name: lambda array=array: array for name, array in renamed.items()}
    )
    report = convert(request(tmp_path / "tf1", tmp_path / "hf", "hf"))
    assert [(one.name, one.reason) for one in report.left_out_of_source] == [
        ("module/bert/pooler/dense/bias/adam_m", "state of the optimiser")
    ]
    back = load_file(tmp_path / "hf" / "model.safetensors")
    assert all(torch.equal(back[name], tensor) for name, tensor in load_file(source / "model.safetensors").items())


def test_nothing_is_left_of_a_failed_conversion(factorised: TinyModel, tmp_path: Path) -> None:
    source = shutil.copytree(factorised("AlbertForMaskedLM"), tmp_path / "source")
    state = load_file(source / "model.safetensors")
    lost = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight"
    del state[lost]
    save_file(state, source / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"ffn\.weight"):
        convert(request(source, tmp_path / "out", "flax"))
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_missing_head_weight_is_an_error(factorised: TinyModel, tmp_path: Path) -> None:
    source = shutil.copytree(factorised("AlbertForMaskedLM"), tmp_path / "source")
    state = load_file(source / "model.safetensors")
    del state["predictions.dense.weight"]
    save_file(state, source / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks weights of AlbertForMaskedLM"):
        convert(request(source, tmp_path / "out", "hf-bin"))


def test_an_existing_target_is_kept_unless_it_may_go(factorised: TinyModel, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    source = factorised("AlbertModel")
    with pytest.raises(UsageError, match="exists"):
        convert(request(source, tmp_path / "out", "hf-bin"))
    assert (tmp_path / "out" / "mine.txt").read_text() == "kept"
    convert(request(source, tmp_path / "out", "hf-bin", overwrite=True))
    assert (tmp_path / "out" / "pytorch_model.bin").is_file()
    assert not (tmp_path / "out" / "mine.txt").exists()


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


def test_a_pickle_that_wants_to_run_code_is_not_opened(
    factorised: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = shutil.copytree(factorised("AlbertModel"), tmp_path / "source")
    (source / "model.safetensors").unlink()
    (source / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match="not opened"):
        convert(request(source, tmp_path / "out", "hf"))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("format_", "file"),
    [
        ("hf", "model.safetensors"),
        ("hf-bin", "pytorch_model.bin"),
        ("tf1", "model.ckpt-best.index"),
        ("tf1", "model.ckpt-best.data-00000-of-00001"),
        ("tf2", "tf_model.h5"),
        ("flax", "flax_model.msgpack"),
    ],
)
@pytest.mark.parametrize("damage", ["empty", "half", "noise"])
def test_damaged_files_are_one_message(
    factorised: TinyModel, tmp_path: Path, format_: str, file: str, damage: str
) -> None:
    convert(request(factorised("AlbertForMaskedLM"), tmp_path / "source", format_))
    path = tmp_path / "source" / file
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "noise": b"\xc1\xff\x80" * 400}[damage])
    with pytest.raises(AlbertError) as refused:
        convert(request(tmp_path / "source", tmp_path / "out", "hf"))
    assert refused.value.exit_code == 3
    assert "\n" not in refused.value.message
    assert [one.name for one in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        (
            "bert/encoder/transformer/group_0_2/layer_2/inner_group_0/layer_normalization_5/beta",
            "per layer and not shared",
        ),
        ("bert/encoder/layer_shared/attention/self/query/bias", "brightmart/albert_zh"),
        ("bert/embeddings/word_embeddings_2", "brightmart/albert_zh"),
        ("bert/encoder/layer_0/attention/self/query/bias", "a BERT"),
        ("model/layer-1/bias/.ATTRIBUTES/VARIABLE_VALUE", "object graph of TensorFlow 2"),
        ("bert/something/else", "no place for variable"),
    ],
)
def test_other_layouts_are_named(factorised: TinyModel, tmp_path: Path, odd: str, says: str) -> None:
    from albert_cli.convert.tf1_checkpoint import Checkpoint, write_checkpoint

    convert(request(factorised("AlbertForPreTraining"), tmp_path / "tf1", "tf1"))
    prefix = tmp_path / "tf1" / "model.ckpt-best"
    opened = Checkpoint(prefix)
    arrays = {name: opened.read(name) for name in opened.variables}
    arrays[odd] = arrays["bert/pooler/dense/bias"]
    write_checkpoint(prefix, {name: lambda array=array: array for name, array in arrays.items()})
    with pytest.raises(ModelError, match=says) as refused:
        convert(request(tmp_path / "tf1", tmp_path / "hf", "hf"))
    assert odd in refused.value.message
    assert not (tmp_path / "hf").exists()


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ("bert.encoder.layer_shared.attention.self.query.weight", "PyTorch port"),
        ("bert.encoder.layer.0.attention.self.query.weight", "a BERT"),
    ],
)
def test_other_layouts_of_pytorch_are_named(factorised: TinyModel, tmp_path: Path, odd: str, says: str) -> None:
    source = shutil.copytree(factorised("AlbertModel"), tmp_path / "source")
    save_file({odd: torch.ones(2, 2)}, source / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=says) as refused:
        convert(request(source, tmp_path / "out", "tf1"))
    assert odd in refused.value.message


def test_the_report_says_what_happened(factorised: TinyModel, tmp_path: Path) -> None:
    report = convert(request(factorised("AlbertForPreTraining"), tmp_path / "out", "tf1"))
    text = "\n".join(report_lines(report))
    assert "bert/encoder/embedding_hidden_mapping_in/kernel" in text
    assert "tensors the same bits, largest difference of a forward pass 0" in text
    assert json.loads(json.dumps(report.to_dict()))["tensors"][0]["is_equal"] is True


@pytest.mark.parametrize("table", [TF1, TF2, FLAX])
def test_name_tables_are_read_in_both_directions(table: Any) -> None:
    for rule in table.rules:
        theirs, ours = rule.theirs.format(g=3, n=11), rule.ours.format(g=3, n=11)
        assert table.to_ours(theirs) == (ours, rule.transposed)
        assert table.to_theirs(ours) == (theirs, rule.transposed)
    assert table.to_ours("no/such/name") is None


def test_content_of_a_wrong_class_is_refused(factorised: TinyModel, tmp_path: Path) -> None:
    content: Content = read_checkpoint(factorised("AlbertForMaskedLM"), "hf")
    assert content.head == "AlbertForMaskedLM"
    with pytest.raises(ModelError, match="lacks weights of AlbertForQuestionAnswering"):
        convert(request(factorised("AlbertForMaskedLM"), tmp_path / "out", "hf", head="AlbertForQuestionAnswering"))


def test_safetensors_of_another_framework_are_read_as_its_own(factorised: TinyModel, tmp_path: Path) -> None:
    """Flax names with dots and Flax layout, as `save_pretrained(..., safe_serialization=True)` of Flax wrote them."""
    source = factorised("AlbertForMaskedLM")
    content = read_checkpoint(source, "hf")
    folder = tmp_path / "flax"
    folder.mkdir()
    shutil.copy(source / "config.json", folder)
    tensors = {}
    for name, tensor in content.state.items():
        theirs, transposed = FLAX.to_theirs(name) or pytest.fail(name)
        tensors[theirs.replace("/", ".")] = tensor.t().contiguous() if transposed else tensor
    save_file(tensors, folder / "model.safetensors", metadata={"format": "flax"})
    back = read_checkpoint(folder, "hf")
    assert back.state.keys() == content.state.keys()
    assert all(torch.equal(back.state[name], tensor) for name, tensor in content.state.items())
    save_file(tensors, folder / "model.safetensors", metadata={"format": "mlx"})
    with pytest.raises(ModelError, match="framework 'mlx'"):
        read_checkpoint(folder, "hf")


def test_a_header_longer_than_any_file_allocates_nothing(factorised: TinyModel, tmp_path: Path) -> None:
    source = shutil.copytree(factorised("AlbertModel"), tmp_path / "source")
    path = source / "model.safetensors"
    path.write_bytes((2**60).to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        convert(request(source, tmp_path / "out", "hf-bin"))
    assert [one.name for one in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("shard", ["model-00002-of-00002.safetensors", "../outside.safetensors"])
def test_a_shard_that_is_not_there_or_lies_elsewhere(factorised: TinyModel, tmp_path: Path, shard: str) -> None:
    source = shutil.copytree(factorised("AlbertModel"), tmp_path / "source")
    path = source / "model.safetensors"
    names = list(load_file(path))
    shutil.copy(path, tmp_path / "outside.safetensors")
    path.rename(source / "model-00001-of-00002.safetensors")
    places = {name: shard if number else "model-00001-of-00002.safetensors" for number, name in enumerate(names)}
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    with pytest.raises(ModelError, match="names a file that is not beside it"):
        convert(request(source, tmp_path / "out", "tf2"))
    assert not (tmp_path / "out").exists()


def test_sharded_files_are_read_whole(factorised: TinyModel, tmp_path: Path) -> None:
    source = factorised("AlbertForMaskedLM")
    state = load_file(source / "model.safetensors")
    sharded = tmp_path / "sharded"
    shutil.copytree(source, sharded)
    (sharded / "model.safetensors").unlink()
    names = sorted(state)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: state[name] for name in part}, sharded / file, metadata={"format": "pt"})
    places = {name: file for file, part in halves.items() for name in part}
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    report = convert(request(sharded, tmp_path / "flax", "flax"))
    assert len(report.tensors) == len(names)
    assert report.largest_difference == 0.0
