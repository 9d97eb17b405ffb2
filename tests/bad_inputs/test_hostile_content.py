"""Sound files whose content is hostile: what is shown, written and passed on of it is harmless."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from house import SHOUT, SIZES

from albert_cli.cli.app import main

RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
SCRIPT = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("http://x","y")'
LABELS = (FORMULA, f"{SHOUT}{SCRIPT}")
SECRET = "hunter2-in-the-environment"

Albert = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder below a private place, the working directory of this module."""
    import tiny_models

    folder = tmp_path_factory.mktemp("marmaduke")
    tiny_models.make_tokenizer(folder / "tokenizer")
    texts = [f"fine {SHOUT} day {SCRIPT}", f"@SUM(1) \u0000 grey \u2028 evening {FORMULA}"]
    rows = [{"text": text, "label": label} for text, label in zip(texts, LABELS, strict=True)]
    for split, times in (("train", 8), ("dev", 4)):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows * times))
    said = {
        "stage": "finetune",
        "task": "text-classification",
        "description": f"{SHOUT} {SCRIPT}".replace("\x1b", "").replace("\x07", ""),
        "model": SIZES,
        "tokenizer": str(folder / "tokenizer"),
        "data": {"path": str(folder), "max_length": 32, "cache": str(folder / "cache")},
        "train": {"batch_size": 8, "max_steps": 2, "learning_rate": 1e-3},
        "runtime": {"threads": 1, "device": "cpu"},
    }
    (folder / "r.yaml").write_text(json.dumps(said))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", SECRET)
        patch.setenv("MY_PASSWORD", SECRET)
        patch.setenv("USER", "marmaduke-the-user")
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
            patch.delenv(name, raising=False)
        assert main(["finetune", str(folder / "r.yaml"), "--out", str(folder / "run"), "--quiet"]) == 0
        yield folder


@pytest.fixture
def albert(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Albert:
    """Run a command in this process."""

    def run(*arguments: object, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    "line",
    [
        "data inspect @r.yaml",
        "data inspect @r.yaml --json",
        "finetune @r.yaml --dry-run --out @nowhere",
        "eval @run --errors 3 --details",
        "eval @run --json",
        "predict @run @dev.jsonl",
        "runs ls @",
        "runs show @run",
        "runs show @run --json",
        "runs compare @run @run",
        "recipe show @r.yaml --resolved",
        "recipe check @r.yaml",
        "recipe diff @r.yaml @run",
        "run --task text-classification --model @run --pretty --top-k 2 fine",
        "run --task text-classification --model @run --top-k 2 fine",
        "run --task text-classification --model @run --pretty --input @dev.jsonl --column text",
    ],
)
def test_no_escape_reaches_a_terminal(line: str, home: Path, albert: Albert) -> None:
    words = [str(home / word[1:]) if word.startswith("@") else word for word in line.split()]
    code, out, err = albert(*words)
    assert code == 0, err
    assert not RAW.search(out + err)


def test_no_escape_is_in_the_log(home: Path) -> None:
    assert not RAW.search((home / "run" / "log.txt").read_text())


def test_names_of_files_are_shown_harmless(home: Path, albert: Albert) -> None:
    for arguments in (("run", "--task", "ner", "--model", "\x1b[31m/x", "a"), ("runs", "show", "\x1b]0;x\x07")):
        code, out, err = albert(*arguments)
        assert code == 3
        assert not RAW.search(out + err)


def _shown_to_others(run: Path) -> Iterator[Path]:
    for name in ("report.html", "README.md", "environment.json", "log.txt", "model/README.md", "model/config.json"):
        if (run / name).is_file():
            yield run / name


def test_what_others_see_holds_no_path_no_user_no_secret(home: Path) -> None:
    seen = {path.name for path in _shown_to_others(home / "run")}
    assert {"report.html", "README.md", "environment.json"} <= seen
    for path in _shown_to_others(home / "run"):
        text = path.read_text()
        assert SECRET not in text, path
        assert "marmaduke-the-user" not in text, path
        assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text), path
        if path.name != "log.txt":  # it is the talk of the terminal, where paths are wanted
            assert str(home) not in text, path
            assert str(Path.home()) + "/" not in text, path


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.scripts += tag == "script"


def test_the_report_shows_markup_of_others_as_text(home: Path) -> None:
    text = (home / "run" / "report.html").read_text()
    parser = _Tags()
    parser.feed(text)
    assert parser.scripts == 0
    assert SCRIPT not in text


def test_a_spreadsheet_computes_nothing(home: Path, albert: Albert, tmp_path: Path) -> None:
    code, _, err = albert("predict", home / "run", home / "dev.jsonl", "--out", tmp_path / "p.csv", "--quiet")
    assert code == 0, err
    cells = [cell for row in csv.reader((tmp_path / "p.csv").read_text().splitlines()) for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert [cell for cell in cells if cell[:1] in ("=", "@", "\t") or re.match(r"[+-](?![\d.])", cell)] == []


def test_code_that_a_model_or_a_data_set_brings_is_never_run(home: Path, albert: Albert, tmp_path: Path) -> None:
    import shutil

    model, evil = tmp_path / "model", f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    shutil.copytree(home / "run" / "model", model)
    config = json.loads((model / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}
    config["trust_remote_code"] = True
    (model / "config.json").write_text(json.dumps(config))
    for folder in (model, tmp_path / "data"):
        folder.mkdir(exist_ok=True)
        for name in ("evil.py", "data.py", "model.py", "conftest.py", "sitecustomize.py"):
            (folder / name).write_text(evil)
    assert albert("run", "--task", "text-classification", "--model", model, "fine")[0] == 0
    for change in (f"data.path={tmp_path / 'data'}", f"data.path={tmp_path / 'data' / 'data.py'}"):
        assert albert("data", "inspect", home / "r.yaml", "--set", change)[0] == 3
    assert not (tmp_path / "ran").exists()
