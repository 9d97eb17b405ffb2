"""Preparation at scale: the same bytes whoever works, and whatever interrupts; light processes; several sources."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pretraining_toys import LetterTokenizer, write_corpus

from albert_cli.data import encoding_pool, file_digests
from albert_cli.data.corpus import Corpus
from albert_cli.data.parts import PartLaw, encode_part, make_part, read_part
from albert_cli.data.prepare import prepare_shards
from albert_cli.data.shards import FILES, Shards
from albert_cli.errors import DataError
from albert_cli.tokenization.tokenizer import AlbertTokenizer


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("albert_cli.data.prepare._CHUNK_CHARACTERS", 1500)


def content(shards: Shards) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(shards.folder.iterdir())}


def test_any_number_of_processes_gives_the_same_bytes(tmp_path: Path, tiny_tokenizer: Path) -> None:
    tokenizer = AlbertTokenizer.from_pretrained(tiny_tokenizer)
    corpus = Corpus(path=str(write_corpus(tmp_path, documents=30)), sentences="newline")
    alone = prepare_shards(corpus, tokenizer, cache_dir=tmp_path / "one")
    together = prepare_shards(corpus, tokenizer, cache_dir=tmp_path / "three", workers=3)
    assert content(alone) == content(together)
    assert set(content(alone)) == {*FILES, "manifest.json"}
    texts = (tmp_path / "corpus.txt").read_text().replace("\n\n", "\n").split("\n")
    rows = tokenizer.encode_batch([text for text in texts if text])
    assert alone.ids.tolist() == [index for row in rows for index in row]
    assert [path.name[:6] for path in (tmp_path / "three").iterdir() if path.name.startswith("parts")] == []


def test_the_processes_load_neither_torch_nor_datasets(tmp_path: Path) -> None:
    program = (
        "import sys, albert_cli.data.encoding_worker, albert_cli.data.parts, albert_cli.tokenization.tokenizer, "
        "albert_cli.stages.prepare;"
        "print([name for name in ('torch', 'datasets', 'accelerate', 'transformers') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_a_second_try_keeps_the_parts_that_are_there(tmp_path: Path) -> None:
    corpus = Corpus(path=str(write_corpus(tmp_path, documents=30)), sentences="newline")
    whole = prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "whole")
    tokenizer = LetterTokenizer()
    stop_after = 4

    def stop(_characters: int) -> None:
        nonlocal stop_after
        stop_after -= 1
        if not stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_shards(corpus, tokenizer, cache_dir=tmp_path / "cache", on_progress=stop)
    assert not list((tmp_path / "cache").glob("shards-*"))
    done = tokenizer.calls
    assert done == 4
    (next((tmp_path / "cache").glob("parts-*")) / ".unfinished-1").write_bytes(b"half a part")
    again = prepare_shards(corpus, tokenizer, cache_dir=tmp_path / "cache")
    all_parts = LetterTokenizer()
    prepare_shards(corpus, all_parts, cache_dir=tmp_path / "other")
    assert tokenizer.calls == all_parts.calls  # nothing was made twice
    assert content(again) == content(whole)
    assert not list((tmp_path / "cache").glob("parts-*"))


def test_a_damaged_part_is_made_again(tmp_path: Path) -> None:
    law, tokenizer = PartLaw("newline", "en", "keep", "x"), LetterTokenizer()
    texts = ["the cat.\nit sat.", "a dog"]
    facts = make_part(tmp_path, texts, law, encode=tokenizer.flat_encoder(), unk=1)
    path = tmp_path / facts.name
    good = path.read_bytes()
    for bad in (b"", good[:-30], good[:200] + b"?" + good[201:]):
        path.write_bytes(bad)
        assert make_part(tmp_path, texts, law, encode=tokenizer.flat_encoder(), unk=1) == facts
        part = read_part(path)
        assert part is not None
        assert part.ids.tolist() == encode_part(texts, law, encode=tokenizer.flat_encoder(), unk=1).ids.tolist()


KILLED = """
import sys, time
from pathlib import Path
from albert_cli.data import prepare
from albert_cli.data.corpus import Corpus
from albert_cli.tokenization.tokenizer import AlbertTokenizer

prepare._CHUNK_CHARACTERS = 1500
text, tokenizer, cache = sys.argv[1:]
corpus = Corpus(path=text, sentences="newline")
slow = lambda characters: time.sleep(0.15)
prepare.prepare_shards(
    corpus, AlbertTokenizer.from_pretrained(tokenizer), cache_dir=Path(cache), workers=2, on_progress=slow
)
"""


@pytest.mark.parametrize("name", FILES)
def test_shards_with_another_byte_are_made_again_and_it_is_said(tmp_path: Path, name: str) -> None:
    corpus = Corpus(path=str(write_corpus(tmp_path, documents=10)), sentences="newline")
    shards = prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "cache")
    whole = content(shards)
    raw = bytearray((shards.folder / name).read_bytes())
    raw[len(raw) // 2] ^= 4
    (shards.folder / name).write_bytes(raw)
    said: list[str] = []
    again = prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "cache", warn=said.append)
    assert content(again) == whole
    assert f"are damaged ({name} has another checksum" in said[0]


def test_killed_in_the_middle_it_finishes_the_next_time_with_the_same_bytes(
    tmp_path: Path, tiny_tokenizer: Path
) -> None:
    text = write_corpus(tmp_path, documents=60)
    corpus, tokenizer = Corpus(path=str(text), sentences="newline"), AlbertTokenizer.from_pretrained(tiny_tokenizer)
    cache = tmp_path / "cache"
    command = [sys.executable, "-c", KILLED, str(text), str(tiny_tokenizer), str(cache)]
    killed = subprocess.Popen(command, start_new_session=True)
    until = time.monotonic() + 60
    while time.monotonic() < until and len(list(cache.glob("parts-*/*.npz"))) < 5:
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    parts = {path.name: path.stat().st_mtime_ns for path in cache.glob("parts-*/*.npz")}
    assert len(parts) >= 5
    assert not list(cache.glob("shards-*"))
    deadline = time.monotonic() + 30
    while _session_lives(killed.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _session_lives(killed.pid)  # its processes end by themselves
    again = prepare_shards(corpus, tokenizer, cache_dir=cache, workers=2)
    assert content(again) == content(prepare_shards(corpus, tokenizer, cache_dir=tmp_path / "whole"))


def _session_lives(session: int) -> bool:
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_dies_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_tokenizer: Path) -> None:
    monkeypatch.setattr(encoding_pool, "_PROGRAM", "import sys; sys.stdin.buffer.read(1); sys.exit(9)")
    corpus = Corpus(path=str(write_corpus(tmp_path, documents=30)), sentences="newline")
    with pytest.raises(DataError, match=r"a process that encoded text died \(exit code 9\)") as caught:
        prepare_shards(corpus, AlbertTokenizer.from_pretrained(tiny_tokenizer), cache_dir=tmp_path / "c", workers=2)
    assert "data.workers=1" in str(caught.value.hint)


def test_the_cache_follows_content_not_names_and_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_corpus(tmp_path / "a")
    tokenizer, cache = LetterTokenizer(), tmp_path / "cache"
    first = prepare_shards(Corpus(path=str(path), sentences="newline"), tokenizer, cache_dir=cache)
    os.utime(path, (1, 1))
    moved = tmp_path / "b" / "corpus.txt"
    moved.parent.mkdir()
    path.rename(moved)
    calls = tokenizer.calls
    assert (
        prepare_shards(Corpus(path=str(moved), sentences="newline"), tokenizer, cache_dir=cache).folder == first.folder
    )
    assert tokenizer.calls == calls
    monkeypatch.setattr(file_digests, "file_sha256", None)  # hashed once, and remembered
    prepare_shards(Corpus(path=str(moved), sentences="newline"), tokenizer, cache_dir=cache)
    monkeypatch.undo()
    size, date = moved.stat().st_size, moved.stat().st_mtime_ns
    moved.write_text(moved.read_text().replace("a", "b"))
    assert moved.stat().st_size == size
    assert moved.stat().st_mtime_ns != date
    assert (
        prepare_shards(Corpus(path=str(moved), sentences="newline"), tokenizer, cache_dir=cache).folder != first.folder
    )


def test_sources_follow_one_another_and_are_counted_apart(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("one two.\nthree.\n\nfour.\n")
    (tmp_path / "y.jsonl").write_text(json.dumps({"text": "five."}) + "\n" + json.dumps({"text": ""}) + "\n")
    sources = [
        Corpus(path=str(tmp_path / "x.txt"), sentences="newline"),
        Corpus(path=str(tmp_path / "y.jsonl"), sentences="newline", language="de"),
    ]
    shards = prepare_shards(sources, LetterTokenizer(), cache_dir=tmp_path / "cache")
    found = shards.manifest
    assert [(Path(s["name"]).name, s["language"], s["documents"], s["tokens"]) for s in found.sources] == [
        ("x.txt", "en", 2, 18),
        ("y.jsonl", "de", 1, 5),
    ]
    assert (found.documents, found.sentences, found.single_sentence_documents, found.empty_documents) == (3, 4, 2, 1)
    assert found.single_sentence_share == pytest.approx(2 / 3)
    assert found.text_sha256 != found.sha256["ids.bin"]
    assert np.array_equal(shards.document_offsets, [0, 2, 3, 4])


TEXT = "\n".join(f"sentence number {number} says a little and then it ends." for number in range(40))


@pytest.mark.parametrize(("rule", "kept"), [("keep", 5), ("exact", 4), ("near", 3)])
def test_documents_that_repeat_an_earlier_one_are_left_out(tmp_path: Path, rule: str, kept: int) -> None:
    documents = [
        TEXT,
        TEXT.replace("number 7", "number seven"),  # nearly the same
        "something else altogether, and rather short",
        "  " + TEXT.replace("\n", "  \n") + "\n",  # the same sentences
        TEXT.replace("a", "o").replace("e", "u").replace("s", "t"),  # other words
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
    corpus = Corpus(path=str(tmp_path / "d.jsonl"), sentences="newline")
    found = prepare_shards(corpus, LetterTokenizer(), cache_dir=tmp_path / "c", duplicates=rule)  # type: ignore[arg-type]
    assert found.manifest.documents == kept
    assert found.manifest.duplicate_documents == 5 - kept
    assert found.manifest.tokens == len(found.ids) == found.sentence_offsets[-1]
    first = LetterTokenizer().encode_batch(TEXT.split("\n"))
    assert found.ids[: sum(map(len, first))].tolist() == [index for row in first for index in row]


def test_odd_bytes_and_empty_documents_are_counted_and_survived(tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_bytes(b"one \xff\xfe two.\n\n\x00\n\n \n\nnul\x00 here.\n\n")
    found = prepare_shards(
        Corpus(path=str(tmp_path / "odd.txt"), sentences="newline"), LetterTokenizer(), cache_dir=tmp_path / "c"
    ).manifest
    assert (found.documents, found.invalid_bytes) == (2, 4)
    (tmp_path / "rows.jsonl").write_text('{"text": "a\\u0000b \\ud800."}\n{"text": ""}\n{"text": null}\n')
    found = prepare_shards(
        Corpus(path=str(tmp_path / "rows.jsonl"), sentences="newline"), LetterTokenizer(), cache_dir=tmp_path / "c"
    ).manifest
    assert (found.documents, found.empty_documents, found.invalid_bytes) == (1, 2, 2)
    (tmp_path / "none.txt").write_text(" \n\n\n")
    with pytest.raises(DataError, match="no text in"):
        prepare_shards(Corpus(path=str(tmp_path / "none.txt")), LetterTokenizer(), cache_dir=tmp_path / "c")
    assert not list((tmp_path / "c").glob("parts-*"))
