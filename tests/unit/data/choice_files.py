"""Small files of questions with choices, written as the real ones are."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

PASSAGES = {
    "train/high/12.txt": {
        "id": "high12.txt",
        "article": "The shop opens at nine. It sells tea.",
        "questions": ["The shop opens at _ .", "What does it sell?"],
        "options": [["eight", "nine", "ten", "noon"], ["tea", "salt", "bread", "sugar"]],
        "answers": ["B", "A"],
    },
    "train/high/3.txt": {
        "id": "high3.txt",
        "article": "Birds sing in spring.",
        "questions": ["When do birds sing?"],
        "options": [["in spring", "at night", "never", "in snow"]],
        "answers": ["A"],
    },
    "train/middle/7.txt": {
        "id": "middle7.txt",
        "article": "Tom has a dog called Rex.",
        "questions": ["Who is Rex?"],
        "options": [["a cat", "a boy", "a dog", "a bird"]],
        "answers": ["C"],
    },
    "dev/middle/5.txt": {
        "id": "middle5.txt",
        "article": "Ann reads a book.",
        "questions": ["Ann reads _ , and _ again.", "Who reads?"],
        "options": [["a book", "a letter", "a sign", "nothing"], ["Ann", "Tom", "Rex", "Bob"]],
        "answers": ["A", "A"],
    },
    "dev/high/8.txt": {
        "id": "high8.txt",
        "article": "Snow covers the roofs.",
        "questions": ["What covers the roofs?"],
        "options": [["rain", "leaves", "dust", "snow"]],
        "answers": ["D"],
    },
    "test/middle/2.txt": {
        "id": "middle2.txt",
        "article": "The river runs through Paris.",
        "questions": ["Which city is it?"],
        "options": [["London", "Berlin", "Paris", "Rome"]],
        "answers": ["C"],
    },
}


def race_folder(folder: Path) -> Path:
    """RACE with a file for each passage, and what systems leave behind in such folders."""
    for name, passage in PASSAGES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(passage) + "\n")
    (folder / "train/high/._12.txt").write_bytes(b"\x00\x05\x16\x07")
    (folder / "README.md").write_text("about")
    return folder


def race_with_all_txt(folder: Path) -> Path:
    """RACE with one file for each level, one passage a line."""
    for name, passage in sorted(PASSAGES.items(), key=lambda item: int(Path(item[0]).stem)):
        path = folder / Path(name).parent / "all.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(passage) + "\n")
    return folder


def race_archive(path: Path) -> Path:
    """RACE as it is fetched."""
    with tarfile.open(path, "w:gz") as archive:
        for name, passage in reversed(PASSAGES.items()):
            content = json.dumps(passage).encode()
            for inner, data in ((f"RACE/{name}", content), (f"RACE/{Path(name).parent}/._1.txt", b"\x00")):
                member = tarfile.TarInfo(inner)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return path


def hub_rows(part: str) -> list[dict[str, Any]]:
    """The same as rows of the hub, a question each."""
    rows = []
    order = sorted(PASSAGES, key=lambda name: (name.split("/")[1], int(Path(name).stem)))
    for name in order:
        passage = PASSAGES[name]
        if name.startswith(part):
            asked = zip(passage["questions"], passage["options"], passage["answers"], strict=True)
            for question, options, answer in asked:
                row = {"example_id": passage["id"], "article": passage["article"], "answer": answer}
                rows.append({**row, "question": question, "options": options})
    return rows


def json_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
