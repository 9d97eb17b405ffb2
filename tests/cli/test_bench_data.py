"""`albert bench data`: what it measures, and what it says of wrong usage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from albert_cli.cli.app import main


def test_speeds_and_memory_as_json(tiny_tokenizer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"A sentence of words. Another one, {number}." * 5 for number in range(200)))
    command = ["bench", "data", "--tokenizer", str(tiny_tokenizer), "--text", str(text), "--length", "32"]
    assert main([*command, "--batch-size", "4", "--workers", "2", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema_version"], found["command"]) == (1, "bench data")
    assert found["splitting"]["megabytes_per_second"] > 0
    encoding = found["text_to_ids"]
    assert encoding["ratio"] == pytest.approx(
        encoding["megabytes_per_second"] / encoding["sentencepiece_megabytes_per_second"]
    )
    assert found["ids_to_batches"]["tokens_per_second"] > 0
    assert "ratio" not in found["ids_to_batches"]
    made = found["prepare"]
    assert (made["workers"], made["processes"] >= 1) == (2, True)
    assert made["peak_pss_bytes"] is None or 1e7 < made["peak_pss_bytes"] < 1e9


def test_a_table_for_people_beside_transformers(
    tiny_tokenizer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"A sentence of words. Another one, {number}." * 5 for number in range(60)))
    command = ["bench", "data", "--tokenizer", str(tiny_tokenizer), "--text", str(text), "--length", "32"]
    assert main([*command, "--batch-size", "4", "--workers", "0", "--vs", "transformers"]) == 0
    out = capsys.readouterr().out
    assert "x DataCollatorForLanguageModeling" in out
    assert "x sentencepiece" in out
    assert "data prepare" not in out


def test_a_tokenizer_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "data"]) == 2
    assert "--tokenizer" in capsys.readouterr().err


def test_a_wordpiece_tokenizer_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    assert main(["bench", "data", "--tokenizer", str(tmp_path)]) == 2
    assert "the comparison is with SentencePiece" in capsys.readouterr().err
