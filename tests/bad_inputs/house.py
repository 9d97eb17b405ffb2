"""The folder of inputs that the cases name: sound ones, and ones that are wrong in one way each."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import tiny_models

from albert_cli.cli.app import main

GOOD_ROWS = "sentence\tlabel\n" + "a fine morning\t1\na grey evening\t0\n" * 8
SIZES = {
    "embedding_size": 16,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
SHOUT = "\x1b]0;owned\x07\x1b[31mred\u202e"
QUESTION = {"question": "where is paris?", "id": "1", "answers": [{"text": "france", "answer_start": 9}]}


def squad(question: object = QUESTION, context: object = "paris is france") -> bytes:
    """A SQuAD file of one question."""
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": [question]}]}]}).encode()


def recipe(**changes: object) -> bytes:
    """A recipe of a task with some keys otherwise; JSON is YAML."""
    said = {"stage": "finetune", "task": "sst2", "model": "tiny", "tokenizer": "tokenizer", "data": {"path": "SST-2"}}
    train = {"batch_size": 8, "max_steps": 2, "learning_rate": 1e-3}
    return json.dumps({**said, "train": train, **changes}, indent=1).encode()


FILES: Mapping[str, bytes] = {
    "empty.txt": b"",
    "empty.tsv": b"",
    "empty.json": b"",
    "empty.yaml": b"",
    "blank.txt": b"\n \n\t\n",
    "short.txt": b"one.\n",
    "utf16.txt": "paris and berlin\n".encode("utf-16"),
    "utf16.tsv": GOOD_ROWS.encode("utf-16"),
    "latin1.tsv": b"sentence\tlabel\ncaf\xe9\t1\n",
    "binary.tsv": bytes(range(256)) * 8,
    "binary.txt": bytes(range(256)) * 8,
    "header.tsv": b"sentence\tlabel\n",
    "ragged.tsv": GOOD_ROWS.encode() + b"one cell\n",
    "twice.tsv": b"sentence\tsentence\tlabel\na\tb\t1\n",
    "label.tsv": GOOD_ROWS.encode() + b"fine\tmaybe\n",
    "shout.tsv": GOOD_ROWS.encode() + f"fine\t{SHOUT}\n".encode(),
    f"shout{SHOUT[:8]}.tsv": b"",
    "unlabelled.tsv": b"sentence\na\nb\n",
    "good.tsv": GOOD_ROWS.encode(),
    "open_quote.csv": b'sentence,label\n"never closed,1\n',
    "not.json": b"{'single': 'quotes'}",
    "list.jsonl": b"[1, 2]\n",
    "number.json": b"17",
    "deep.json": b"[" * 200_000,
    "deep.jsonl": b'{"sentence":' * 50_000 + b"\n",
    "digits.jsonl": b'{"sentence": "a", "label": ' + b"9" * 6000 + b"}\n",
    "types.jsonl": b'{"sentence": ["a"], "label": {"a": 1}}\n',
    "huge_number.jsonl": b'{"sentence": "a", "label": 1e999}\n',
    "cut.tsv.gz": gzip.compress(GOOD_ROWS.encode())[:-12],
    "not.tsv.gz": GOOD_ROWS.encode(),
    "bomb.tsv.gz": gzip.compress(b"a" * (65 << 20), 1),
    "not.parquet": b"PAR1 nothing PAR1",
    "cut.parquet": b"PAR1" + bytes(40),
    "table.xlsx": b"PK\x03\x04",
    "squad_list.json": json.dumps([1, 2]).encode(),
    "squad_number.json": squad(question=7),
    "squad_start.json": squad({**QUESTION, "answers": [{"text": "france", "answer_start": 900}]}),
    "squad_word.json": squad({**QUESTION, "answers": [{"text": "france", "answer_start": "nine"}]}),
    "squad_context.json": squad(context=None),
    "squad_good.json": squad(),
    "conll_ragged.txt": b"paris X B-LOC\nis O\n",
    "conll_good.txt": b"paris B-LOC\nis O\n\nberlin B-LOC\n" * 6,
    "race_options.txt": json.dumps(
        {"article": "a", "questions": ["q"], "options": [["x", "y"], ["z"]], "answers": ["A"]}
    ).encode(),
    "race_answer.txt": json.dumps(
        {"article": "a", "questions": ["q"], "options": [["x", "y"]], "answers": ["Z"]}
    ).encode(),
    "race_article.txt": json.dumps({"questions": ["q"], "options": [["x", "y"]], "answers": ["A"]}).encode(),
    "not.tar.gz": b"no archive at all",
    "choices.jsonl": b'{"context": "c", "question": "q", "choices": "one", "label": 0}\n',
    "choices_label.jsonl": b'{"context": "c", "question": "q", "choices": ["x", "y"], "label": 9}\n',
    "predictions.tsv": b"index\tprediction\n0\t9\n",
    "predictions_few.tsv": b"index\tprediction\n0\t1\n",
    "a_file": b"mine\n",
    # recipes
    "list.yaml": b"- stage\n- finetune\n",
    "scalar.yaml": b"17\n",
    "tab.yaml": b"stage: finetune\n\tmodel: tiny\n",
    "open.yaml": b"stage: [finetune\n",
    "nul.yaml": b"stage: fine\0tune\n",
    "utf16.yaml": "stage: finetune\n".encode("utf-16"),
    "binary.yaml": bytes(range(256)),
    "twice.yaml": b"stage: finetune\nstage: pretrain\n",
    "anchor.yaml": b"stage: &a finetune\nmodel: *a\n",
    "merge.yaml": b"base:\n  a: 1\nstage:\n  <<: base\n",
    "tag.yaml": b"!!python/object/apply:os.system ['touch owned']\n",
    "laughs.yaml": b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
    "documents.yaml": b"stage: finetune\n---\nstage: pretrain\n",
    "deep.yaml": b"a: " + b"[" * 5000,
    "huge.yaml": b"# " + b"x" * 1_000_001,
    "digits.yaml": recipe().replace(b"0.001", b"9" * 500),
    "stage.yaml": b"stage: dance\n",
    "no_stage.yaml": b"task: sst2\n",
    "unknown.yaml": recipe(modle="tiny"),
    "types.yaml": recipe(task=7, seed="many", data={"path": {"a": 1}}),
    "task.yaml": recipe(task="sst3"),
    "both.yaml": recipe(data={"path": "a", "dataset": "b"}),
    "neither.yaml": recipe(data={}),
    "circle.yaml": b"extends: ./circle.yaml\nstage: finetune\n",
    "orphan.yaml": b"extends: ./nowhere.yaml\nstage: finetune\n",
    "shout.yaml": recipe(task=SHOUT),
    "convert.yaml": b"stage: convert\n",
    "nul_escape.yaml": recipe(task="sst2\0").replace(b"\\u0000", b"\\0"),
    "long_parent.yaml": recipe(extends="n" * 5000),
    "infinite.yaml": recipe(train={"batch_size": 8, "max_steps": 2, "learning_rate": float("inf")}),
}
"""Content by name."""


class _Owned:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("owned"),))  # type: ignore[return-value]


def _zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02]" + b"]" * (1 << 20))
        archive.writestr("archive/version", b"3\n")
    return out.getvalue()


SPOILED: Mapping[str, tuple[str, Mapping[str, bytes | None]]] = {
    "model_no_config": ("cls", {"config.json": None}),
    "model_no_weights": ("cls", {"model.safetensors": None}),
    "model_no_tokenizer": ("cls", {"spiece.model": None, "tokenizer.json": None}),
    "model_empty_weights": ("cls", {"model.safetensors": b""}),
    "model_cut_weights": ("cls", {"model.safetensors": b"CUT"}),
    "model_long_header": ("cls", {"model.safetensors": struct.pack("<Q", 1 << 60) + b"{}"}),
    "model_bad_header": ("cls", {"model.safetensors": struct.pack("<Q", 9) + b"[1, 2, 3]"}),
    "model_config_list": ("cls", {"config.json": b"[1]"}),
    "model_config_cut": ("cls", {"config.json": b'{"vocab_size": 3'}),
    "model_config_latin1": ("cls", {"config.json": b'{"a": "caf\xe9"}'}),
    "model_config_deep": ("cls", {"config.json": b"[" * 200_000}),
    "model_config_words": ("cls", {"config.json": b'{"model_type": "albert", "hidden_size": "wide"}'}),
    "model_config_huge": ("cls", {"config.json": b'{"model_type": "albert", "hidden_size": 1000000000000}'}),
    "model_config_bert": ("cls", {"config.json": b'{"model_type": "bert", "hidden_size": 32}'}),
    "model_other_size": ("cls", {"config.json": b'{"model_type": "albert", "hidden_size": 96, "embedding_size": 8}'}),
    "model_bad_tokenizer": ("cls", {"spiece.model": b"no model", "tokenizer.json": None}),
    "model_bad_json": ("cls", {"spiece.model": None, "tokenizer.json": b'{"model": {"type": "BPE"}}'}),
    "model_bad_settings": ("cls", {"tokenizer_config.json": b'{"do_lower_case": "perhaps"}'}),
    "model_pickle": ("cls", {"model.safetensors": None, "pytorch_model.bin": pickle.dumps(_Owned())}),
    "model_pickle_bomb": ("cls", {"model.safetensors": None, "pytorch_model.bin": _zip_bomb()}),
    "model_bin_text": ("cls", {"model.safetensors": None, "pytorch_model.bin": b"hello"}),
    "model_index_out": (
        "cls",
        {
            "model.safetensors": None,
            "model.safetensors.index.json": b'{"weight_map": {"a": "../cls/model.safetensors"}}',
        },
    ),
    "model_index_list": ("cls", {"model.safetensors": None, "model.safetensors.index.json": b"[]"}),
    "model_tf1": ("cls", {"model.safetensors": None, "model.ckpt-best.index": b"no index"}),
    "model_tf1_shard": ("cls", {"model.safetensors": None, "model.ckpt-best.index": bytes(48)}),
    "model_tf2": ("cls", {"model.safetensors": None, "tf_model.h5": b"\x89HDF\r\n\x1a\n" + bytes(100)}),
    "model_flax": ("cls", {"model.safetensors": None, "flax_model.msgpack": b"\xdf\xff\xff\xff\xff"}),
    "model_flax_text": ("cls", {"model.safetensors": None, "flax_model.msgpack": b"hello"}),
    "model_onnx": ("cls", {"model.safetensors": None, "model.onnx": b"no onnx"}),
    "run_no_status": ("run", {"status.json": None, "recipe.yaml": None, "metrics.jsonl": None}),
    "run_bad_status": ("run", {"status.json": b"{"}),
    "run_bad_metrics": ("run", {"metrics.jsonl": b'{"step": 1}\n{broken\n\xff\n'}),
    "run_list_metrics": ("run", {"metrics.jsonl": b'[1]\n{"step": "x", "split": 3, "loss": "y"}\n'}),
    "run_no_metrics": ("run", {"metrics.jsonl": None}),
    "run_bad_recipe": ("run", {"recipe.yaml": b"stage: finetune\n"}),
    "run_bad_environment": ("run", {"environment.json": b"[]"}),
    "run_shout": ("run", {"status.json": json.dumps({"state": SHOUT, "reason": SHOUT}).encode()}),
}
"""Folders made of another: what differs, by file; None takes the file away."""


def build(home: Path) -> None:
    """Make everything below ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (home / name).write_bytes(content)
    (home / "text.txt").write_text((tiny_models.TEXT.replace(" people", ".\nPeople") + ".\n\n") * 12)
    tokenizer = tiny_models.make_tokenizer(home / "tokenizer")
    kinds = {"mlm": "MaskedLM", "cls": "SequenceClassification", "qa": "QuestionAnswering", "mc": "MultipleChoice"}
    for name, kind in {**kinds, "ner": "TokenClassification", "bare": "Model"}.items():
        kind = "AlbertModel" if kind == "Model" else f"AlbertFor{kind}"
        tiny_models.make_model(kind, home / name, tokenizer=tokenizer, **SIZES)
    (home / "SST-2").mkdir()
    for split in ("train", "dev"):
        (home / "SST-2" / f"{split}.tsv").write_text(GOOD_ROWS)
    (home / "empty_folder").mkdir()
    _write_recipes(home)
    _archive(home / "escape.tar.gz")
    code = main(["finetune", str(home / "finetune.yaml"), "--out", str(home / "run"), "--quiet"])
    assert code == 0, "the sound recipe does not run"
    for name, (base, changes) in SPOILED.items():
        shutil.copytree(home / base, home / name, symlinks=True)
        for file, content in changes.items():
            path = home / name / file
            if content == b"CUT":
                content = path.read_bytes()[:-100]
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)


def _write_recipes(home: Path) -> None:
    common = {"model": SIZES, "tokenizer": str(home / "tokenizer"), "runtime": {"threads": 1, "device": "cpu"}}
    train = {"batch_size": 8, "max_steps": 2, "learning_rate": 1e-3}
    data = {"path": str(home / "SST-2"), "max_length": 32, "cache": str(home / "cache")}
    finetune = {"stage": "finetune", "task": "sst2", **common, "data": data, "train": train}
    pretrain = {
        "stage": "pretrain",
        **common,
        "data": {"path": str(home / "text.txt"), "max_length": 32, "cache": str(home / "cache")},
        "train": train,
    }
    tokenizer = {
        "stage": "train-tokenizer",
        "data": {"path": str(home / "text.txt")},
        "tokenizer": {"vocab_size": 60},
        "runtime": {"threads": 1},
    }
    for name, content in (("finetune", finetune), ("pretrain", pretrain), ("tokenizer", tokenizer)):
        (home / f"{name}.yaml").write_text(json.dumps(content, indent=1))


def _archive(path: Path) -> None:
    """An archive whose members point out of it."""
    content = json.dumps({"article": "a b", "questions": [], "options": [], "answers": []}).encode()
    with tarfile.open(path, "w:gz") as archive:
        for name in ("../../owned/high/1.txt", "/owned/high/2.txt"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("train/high/3.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
