"""The page in a real browser: what people see when they ask."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from serve_running import NLI, Running, prepare, running, serve_model

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HOSTILE = "<img src=x onerror=\"document.body.append('pwned')\"><script>alert(1)</script>"


def browser() -> str:
    found = os.environ.get("CHROME") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on the PATH (or CHROME=path)")
    return found


class Seen(HTMLParser):
    """What a page shows: text, marked words, and elements by name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.marks: list[str] = []
        self.elements: list[str] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append(tag)
        if tag not in ("meta", "link", "img", "br", "input"):
            self._open.append(tag)
        if tag == "mark":
            self.marks.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                continue

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style", "textarea", "pre", "title"):
            self.text += data
        if "mark" in self._open and "span" not in self._open:
            self.marks[-1] += data


class Visitor:
    """Opens pages of a server in a browser of its own.

    Args:
        folder: where the browser keeps its files.
    """

    def __init__(self, folder: Path) -> None:
        self._command = [browser(), "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder}"]
        self._command += ["--no-sandbox"] if os.geteuid() == 0 else []

    def see(self, server: Running, **asked: str) -> Seen:
        """The page after it has asked."""
        url = f"http://127.0.0.1:{server.port}/?{urlencode({**asked, 'go': '1'})}"
        command = [*self._command, "--virtual-time-budget=10000", "--dump-dom", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        page = done.stdout
        return Seen(page)


def test_the_page_asks_and_shows_every_task(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    visitor = Visitor(tmp_path)

    with running(serve_model(*prepare(tiny_model("AlbertForMaskedLM"), "fill-mask"))) as server:
        page = visitor.see(server, text="the capital of [MASK] is [MASK] 😀")
        best = [
            words[0]["token_str"]
            for words in server.post("/fill-mask", "the capital of [MASK] is [MASK] 😀").json()["results"]
        ]
        assert page.marks == best
        assert ("Mask 1" in page.text, "Mask 2" in page.text, page.text.count(" %")) == (True, True, 16)
        assert "answered in" in page.text
        refused = visitor.see(server, text=f"{HOSTILE} without a mask")
        assert "error: no [MASK] in the text" in refused.text
        assert "answered in" not in refused.text
        hostile = visitor.see(server, text=f"{HOSTILE} [MASK]")
        assert HOSTILE in hostile.text
        assert ("pwned" in hostile.text.replace(HOSTILE, ""), "img" in hostile.elements) == (False, False)
        assert hostile.elements.count("script") == 1

    tags = {"id2label": {0: "B-<b>X", 1: "B-Y"}}
    with running(
        serve_model(*prepare(tiny_model("AlbertForTokenClassification", **tags), "token-classification"))
    ) as server:
        text = "😀 paris and 𝔘nicode in berlin"
        page = visitor.see(server, text=text)
        found = server.post("/ner", text).json()["results"]
        assert page.marks == [text[one["start"] : one["end"]] for one in found]
        assert {one["entity_group"] for one in found} <= set(re.findall(r"<b>X|Y", page.text))
        assert "b" not in page.elements

    with running(serve_model(*prepare(tiny_model("AlbertForQuestionAnswering"), "question-answering"))) as server:
        asked = {"question": "what 😀 is it", "context": "the 😀 capital of france is paris and a river runs"}
        best = server.post("/question-answering", asked).json()["results"][0]
        page = visitor.see(server, **asked)
        assert page.marks == ([best["answer"]] if best["answer"] else [])

    labels = {"id2label": {0: "<i>no</i>", 1: "yes"}}
    with running(
        serve_model(*prepare(tiny_model("AlbertForSequenceClassification", **labels), "text-classification"))
    ) as server:
        page = visitor.see(server, text="paris", text_pair="berlin")
        assert ("<i>no</i>" in page.text, "i" in page.elements, page.text.count(" %")) == (True, False, 2)

    with running(serve_model(*prepare(tiny_model("AlbertForMultipleChoice"), "multiple-choice"))) as server:
        page = visitor.see(server, context="the capital", question="which", choices="paris\nberlin\n\nlondon")
        assert page.text.count(" %") == 3

    with running(serve_model(*prepare(tiny_model("AlbertForPreTraining"), "sentence-order"))) as server:
        assert re.search("in order|swapped", visitor.see(server, text="a river", text_pair="runs").text)

    with running(serve_model(*prepare(tiny_model("AlbertModel"), "feature-extraction"))) as server:
        assert "vectors of 128 numbers" in visitor.see(server, text="a river").text

    model = prepare(tiny_model("AlbertForSequenceClassification", **NLI), "zero-shot-classification")
    with running(serve_model(*model)) as server:
        assert visitor.see(server, text="a river", labels="water\nfire").text.count(" %") == 2
