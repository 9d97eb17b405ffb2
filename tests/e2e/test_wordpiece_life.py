"""A Chinese checkpoint as google publishes them, from TensorFlow files with a ``vocab.txt`` to predictions and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from command_line import albert, done

from albert_cli import AlbertTokenizer
from albert_cli.convert.tf1_checkpoint import Checkpoint, write_checkpoint

CHARACTERS = "今天气好不坏我们在北京上海看电影很喜欢这个了吃饭来去的是和有"
VOCABULARY = [
    "[PAD]",
    *(f"[unused{n}]" for n in range(1, 10)),
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"，。！?a",
    *CHARACTERS,
]
RUNTIME = ("--set", "runtime.threads=1", "--device", "cpu")


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``albert_config.json``, ``vocab_chinese.txt`` and variables, and no word of a head, as the original's are."""
    import tiny_models

    folder = tmp_path_factory.mktemp("chinese")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    words = folder / "words"
    AlbertTokenizer(folder / "vocab.txt").save_pretrained(words)
    sizes = {"embedding_size": 16, "hidden_size": 32, "intermediate_size": 64}
    tiny_models.make_model("AlbertForPreTraining", folder / "hf", tokenizer=words, **sizes)
    done("convert", folder / "hf", folder / "google", "--to", "tf1")
    place = folder / "google"
    (place / "vocab.txt").rename(place / "vocab_chinese.txt")
    path = place / "albert_config.json"
    ours = {"architectures", "classifier_dropout_prob", "layer_norm_eps", "id2label", "problem_type"}
    ours |= {"pad_token_id", "bos_token_id", "eos_token_id"}
    values = {key: value for key, value in json.loads(path.read_text()).items() if key not in ours}
    path.write_text(json.dumps({**values, "net_structure_type": 0, "down_scale_factor": 1}))
    return place


@pytest.fixture(scope="module")
def converted(google: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The same in the ``hf`` layout, and the report."""
    out = tmp_path_factory.mktemp("converted") / "hf"
    outcome = albert("convert", google, out, "--to", "hf", "--json")
    assert outcome.code == 0, outcome.err
    return out, outcome.result


def test_it_converts_with_its_vocabulary(converted: tuple[Path, dict[str, Any]]) -> None:
    folder, report = converted
    assert (report["head"], report["source_format"]) == ("AlbertForPreTraining", "tf1")
    assert report["tokenizer"]["kind"] == "wordpiece"
    written = {one["key"]: one["written"] for one in report["config"]}
    assert (written["bos_token_id"], written["eos_token_id"]) == (VOCABULARY.index("[CLS]"), VOCABULARY.index("[SEP]"))
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = AlbertTokenizer.from_pretrained(folder)
    for text in ("今天天气很好，我们去看电影。", "a今天 的b", "[MASK]京", ""):
        assert theirs(text)["input_ids"] == ours(text)["input_ids"]
    model, info = transformers.AlbertForPreTraining.from_pretrained(folder, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.inference_mode():
        assert model(**theirs("今天", return_tensors="pt")).prediction_logits.shape == (1, 4, len(VOCABULARY))


def test_it_answers(converted: tuple[Path, dict[str, Any]]) -> None:
    folder = converted[0]
    outcome = albert("run", "--task", "fill-mask", "--model", folder, "--top-k", "3", "今天[MASK]气很好", "没有 [MASK]")
    assert outcome.code == 0, outcome.err
    first, second = (json.loads(line) for line in outcome.out.splitlines())
    assert len(first["results"]) == len(second["results"]) == 3
    peer = transformers.pipeline("fill-mask", str(folder), device="cpu")("今天[MASK]气很好", top_k=3)
    for ours, theirs in zip(first["results"], peer, strict=True):
        assert (ours["token"], ours["token_str"], ours["sequence"]) == (
            theirs["token"],
            theirs["token_str"],
            theirs["sequence"],
        )
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-5)
    order = albert("run", "--task", "sentence-order", "--model", folder, "今天天气好\t我们去看电影")
    assert order.code == 0, order.err


def test_it_is_trained_and_predicts(converted: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = [("今天天气很好", "good"), ("这个电影不好", "bad"), ("我们喜欢上海", "good"), ("饭很坏", "bad")] * 4
    for name in ("train", "dev"):
        (data / f"{name}.tsv").write_text("text\tlabel\n" + "".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    run = tmp_path / "run"
    done(
        *("finetune", "own/text-classification", "--set", f"data.path={data}", "--set", f"init.from={converted[0]}"),
        *("--set", "data.max_length=16", "--set", "train.max_steps=2", "--set", "train.epochs=null"),
        *("--set", "train.warmup_steps=0", *RUNTIME),
        *("--out", run),
    )
    assert {"vocab.txt", "tokenizer.json"} <= {path.name for path in (run / "model").iterdir()}
    outcome = albert("predict", run, data / "dev.tsv", "--out", tmp_path / "answers.tsv")
    assert outcome.code == 0, outcome.err
    assert len((tmp_path / "answers.tsv").read_text().splitlines()) >= len(rows)
    peer = transformers.AutoModelForSequenceClassification.from_pretrained(run / "model")
    assert set(peer.config.id2label.values()) == {"good", "bad"}


def test_it_is_pretrained_further(converted: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    lines = ["今天天气很好。我们去看电影。这个电影很好看！", "我们在北京吃饭。上海的饭很好吃。"]
    text.write_text("\n\n".join(lines * 40), encoding="utf-8")
    run = tmp_path / "run"
    done(
        *("pretrain", "pretrain/domain-adaptation", "--set", f"data.path={text}"),
        *("--set", f"init.from={converted[0]}", "--set", "data.language=zh", "--set", "data.max_length=32"),
        *("--set", "train.batch_size=4", "--set", "train.effective_batch=null", "--set", "train.epochs=null"),
        *("--set", "train.max_steps=2", "--set", "train.warmup_steps=0", "--set", "runtime.precision=fp32"),
        *("--set", f"data.cache={tmp_path / 'cache'}", *RUNTIME, "--out", run),
    )
    assert AlbertTokenizer.from_pretrained(run / "model").kind == "wordpiece"


def test_it_goes_back_to_google(google: Path, converted: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    done("convert", converted[0], tmp_path / "tf1", "--to", "tf1")
    before, after = (Checkpoint(place / "model.ckpt-best") for place in (google, tmp_path / "tf1"))
    assert before.variables.keys() == after.variables.keys()
    assert all((before.read(name) == after.read(name)).all() for name in before.variables)
    assert (tmp_path / "tf1" / "vocab.txt").read_text() == (google / "vocab_chinese.txt").read_text()


def test_the_layout_of_albert_zh_is_named(google: Path, tmp_path: Path) -> None:
    """brightmart/albert_zh: one shared layer under its own name, and a second table that widens the words."""
    opened = Checkpoint(google / "model.ckpt-best")
    table = opened.read("bert/embeddings/word_embeddings")
    folder = tmp_path / "albert_zh"
    folder.mkdir()
    (folder / "albert_config.json").write_text((google / "albert_config.json").read_text())
    names = {
        "bert/embeddings/word_embeddings": table,
        "bert/embeddings/word_embeddings_2": table[:16].T.copy(),
        "bert/encoder/layer_shared/attention/self/query/kernel": table[:4],
    }
    write_checkpoint(folder / "albert_model.ckpt", {name: lambda array=array: array for name, array in names.items()})
    albert("convert", folder, tmp_path / "out", "--to", "hf").refused(3, "albert_zh")
    assert not (tmp_path / "out").exists()
