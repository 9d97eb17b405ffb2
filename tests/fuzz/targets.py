"""Which readers meet hostile files, what do sound files look like, and how are broken ones put before a reader?"""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import tiny_models
from mutate import mutate
from target import Target
from targets_of_models import SIZES, checkpoint_targets

from albert_cli.errors import AlbertError

ROWS = [{"sentence": "a fine day", "label": 1, "id": "x"}, {"sentence": 'caf\u00e9, "grey"', "label": 0, "id": None}]


def make_targets(folder: Path) -> dict[str, Target]:
    """All targets by name; each has its own folder below ``folder``, with the sound files that stand beside."""
    model = folder / "model"
    tokenizer = tiny_models.make_tokenizer(folder / "tokenizer")
    tiny_models.make_model("AlbertForSequenceClassification", model, tokenizer=tokenizer, **SIZES)
    found = [*_recipes(), *_tables(), *_tasks(), *_texts(), *_tokenizers(tokenizer), *_lines()]
    found += [*checkpoint_targets(model, folder), *_runs()]
    for target in found:
        (folder / target.name).mkdir()
        for name, content in target.beside.items():
            (folder / target.name / name).write_bytes(content)
    return {target.name: target for target in found}


def _recipes() -> list[Target]:
    from albert_cli.recipe.load import load_recipe
    from albert_cli.recipe.shipped import shipped_file, shipped_names

    seeds = [path.read_bytes() for name in shipped_names() if (path := shipped_file(name))]
    words = [
        b"extends: squad\n",
        b"stage: ",
        b"train:\n  ",
        b"data:\n  path: ",
        b"model: {hidden_size: 8}\n",
        b"? ",
        b"|\n",
        b">\n",
    ]
    return [Target("recipe", "r.yaml", seeds, lambda path: load_recipe(path, inputs_may_be_open=True), words)]


def _tables() -> list[Target]:
    import pyarrow
    from pyarrow import parquet

    from albert_cli.data.readers_arrow import read_parquet
    from albert_cli.data.readers_delimited import read_csv, read_tsv
    from albert_cli.data.readers_json import read_json, read_jsonl

    lines = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
    packed = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(ROWS * 20), packed)
    lists = io.BytesIO()
    parquet.write_table(pyarrow.table({"tokens": [["a", "b"], []], "tags": [[1, 2], []]}), lists, compression="none")
    return [
        Target("csv", "t.csv", [b'sentence,label\n"a, b",1\nc,0\n', b"a;b\n1;2\n"], read_csv),
        Target("tsv", "t.tsv", [b"sentence\tlabel\na b\t1\nc\t0\n", b"\xef\xbb\xbfa\tb\n1\t2\n"], read_tsv),
        Target("tsv_gz", "t.tsv.gz", [gzip.compress(b"sentence\tlabel\na b\t1\n" * 9, mtime=0)], read_tsv),
        Target("jsonl", "t.jsonl", [lines, b'{"a": {"b": [1, 2.5e3, null, true]}}\n'], read_jsonl),
        Target("json", "t.json", [json.dumps(ROWS).encode(), b'{"data": [{"a": 1}]}', lines], read_json),
        Target("parquet", "t.parquet", [packed.getvalue(), lists.getvalue()], read_parquet),
    ]


def _tasks() -> list[Target]:
    from albert_cli.data.conll_files import read_conll
    from albert_cli.data.race_files import find_race_files, read_race_file
    from albert_cli.data.readers_json import read_json
    from albert_cli.data.squad_files import nested_questions

    def squad(path: Path) -> None:
        list(nested_questions(read_json(path), Counter()))

    def race(path: Path) -> None:
        for file in find_race_files(path):
            read_race_file(file, needs_label=True)

    question = {"question": "q?", "id": "1", "is_impossible": False, "answers": [{"text": "is", "answer_start": 6}]}
    articles = {"data": [{"title": "t", "paragraphs": [{"context": "paris is france", "qas": [question]}]}]}
    passage = {"article": "a b", "questions": ["q _"], "options": [["x", "y"]], "answers": ["A"], "id": "high1.txt"}
    text = json.dumps(passage).encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("RACE/train/high/1.txt", "RACE/dev/middle/2.txt"):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    conll = [b"-DOCSTART- -X- O\n\nparis NNP B-LOC\nis VBZ O\n\n", b"1\ten:a\tO\n2\ten:b\tB-X\n", b"# text\n1 a _ O\n"]
    return [
        Target("squad", "s.json", [json.dumps(articles).encode()], squad, [b'"answers": {}', b'"is_impossible": "x",']),
        Target("race", "1.txt", [text, text + b"\n" + text], race),
        Target("race_tar", "r.tar", [archive.getvalue()], race, [b"../../", b"ustar", b"2", b"L"]),
        Target("conll", "c.txt", conll, read_conll),
    ]


def _texts() -> list[Target]:
    from albert_cli.data.text_files import Reading, read_documents

    def documents(path: Path) -> None:
        for _ in read_documents(path, column="text", documents="auto", reading=Reading()):
            pass

    wiki = b'<doc id="1" title="T">\nT\n\nBody &amp; soul.\n</doc>\n'
    rows = b'{"text": "one"}\n{"text": "two"}\n'
    return [
        Target("corpus_txt", "c.txt", [b"One. Two.\n\nThree.\n" * 4, wiki], documents),
        Target("corpus_bare", "c", [b"One.\n", wiki, rows, b"PAR1"], documents),
        Target("corpus_jsonl", "c.jsonl", [rows], documents),
        Target("corpus_json", "c.json", [b'[{"text": "one"}, {"text": "two"}]'], documents),
    ]


def _tokenizers(tokenizer: Path) -> list[Target]:
    from albert_cli.tokenization.spm_file import build_spm, parse_spm
    from albert_cli.tokenization.tokenizer import AlbertTokenizer

    texts = ["the capital of France, 1,000!", "\u00e9\u4e2d[MASK]  \u200b"]

    def whole(path: Path) -> None:
        loaded = AlbertTokenizer.from_pretrained(path if path.suffix in (".model", ".txt") else path.parent)
        for text in texts:
            loaded.decode(loaded(text, max_length=16, truncation=True)["input_ids"])

    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cap", "##ital", "of")
    rules = _few_rules(tokenizer.parent)
    model = replace(parse_spm((tokenizer / "spiece.model").read_bytes()), charsmap=rules)
    (tokenizer / "few.model").write_bytes(build_spm(model))
    AlbertTokenizer(vocab_file=str(tokenizer / "few.model")).save_pretrained(tokenizer)
    (tokenizer / "few.model").unlink()

    def changed_rules(draw: random.Random, seeds: list[bytes]) -> bytes:
        return build_spm(replace(model, charsmap=mutate(draw, seeds)))

    files = {
        name: (tokenizer / name).read_bytes() for name in ("spiece.model", "tokenizer.json", "tokenizer_config.json")
    }
    wordpiece = {
        "model": {"type": "WordPiece", "vocab": {name: n for n, name in enumerate(names)}, "unk_token": "[UNK]"}
    }
    found = [
        Target("spm", "m.model", [files["spiece.model"]], whole),
        Target("spm_rules", "m.model", [rules], whole, change=changed_rules),
        Target("tokenizer_json", "tokenizer.json", [files["tokenizer.json"], json.dumps(wordpiece).encode()], whole),
        Target("vocab_txt", "vocab.txt", ["\n".join(names).encode()], whole),
    ]
    beside = {"spiece.model": files["spiece.model"]}
    config = files["tokenizer_config.json"]
    return [*found, Target("tokenizer_config", "tokenizer_config.json", [config], whole, beside=beside)]


def _few_rules(folder: Path) -> bytes:
    """Compiled normalisation rules of a few letters; the usual ones are a quarter of a megabyte."""
    import sentencepiece

    from albert_cli.tokenization.spm_file import parse_spm

    (folder / "rules.tsv").write_text("41\t61\nE9\t65\n4E2D 6587\t7A\n")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the capital of france is a town"] * 200),
        model_prefix=str(folder / "rules"),
        vocab_size=40,
        hard_vocab_limit=False,
        normalization_rule_tsv=str(folder / "rules.tsv"),
        minloglevel=2,
        num_threads=1,
    )
    return parse_spm((folder / "rules.model").read_bytes()).charsmap


def _lines() -> list[Target]:
    from albert_cli.inference.choice_records import choice_reader, read_choice_document
    from albert_cli.inference.records import read_json_document, reader_for
    from albert_cli.stages.predict_lines import read_line

    def lines(path: Path) -> None:
        data = path.read_bytes()
        text = data.decode("utf-8", "replace").split("\n")
        readers: list[Any] = [reader_for(format_, "question-answering") for format_ in ("infer", "tsv", "csv", "jsonl")]
        for reader in (*readers, choice_reader("infer"), choice_reader("csv")):
            with suppress(AlbertError):  # the others are to be tried as well
                for line in text:
                    reader.feed(line)
                reader.finish()
        for line in text:
            with suppress(AlbertError):
                read_line(line, plain_text=False)
        with suppress(AlbertError):
            read_json_document(data, "question-answering", column=None, place="x")
        read_choice_document(data, column=None, place="x")

    asked = (
        b'{"question": "who?", "context": "me"}\nwho?\tme\n{"context": "c", "question": "q", "choices": ["a", "b"]}\n'
    )
    return [Target("run_lines", "lines", [asked, b'question,context\n"a, b",c\n', b"prompt\ta\tb\n"], lines)]


def _runs() -> list[Target]:
    from albert_cli.report.run_dir import RunDir
    from albert_cli.report.run_summary import as_json, summarise_run

    def summary(path: Path) -> None:
        as_json(summarise_run(RunDir.open(path.parent)))

    status = b'{"state": "done", "reason": null, "step": 3, "updated": 1.5}'
    metrics = b'{"step": 1, "split": "train", "loss": 0.5}\n{"step": 2, "split": "dev", "loss": 0.25, "accuracy": 1}\n'
    chosen = {"split": "dev", "metric": "loss", "value": 0.25, "higher_is_better": False}
    result = json.dumps({"chosen_by": chosen, "intervals": {"dev": {"loss": [0.2, 0.3]}}, "seconds": 3}).encode()
    beside = {"status.json": status, "metrics.jsonl": metrics, "result.json": result}
    return [Target(f"run_{name.split('.')[0]}", name, [beside[name]], summary, beside=beside) for name in beside]
