"""What the shell is offered after a few letters, quickly: without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from albert_cli.cli import completion

_ASK = """
import contextlib, io, json, os, sys
from albert_cli.cli.app import main
found = []
for words in json.loads(sys.argv[1]):
    os.environ.update(_ALBERT_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main([])
    found.append(out.getvalue().split())
heavy = sorted({"torch", "datasets", "accelerate", "transformers", "huggingface_hub"} & set(sys.modules))
print(json.dumps([found, heavy]))
"""


def test_completion_offers_what_is_there_and_imports_nothing_heavy(tmp_path: Path) -> None:
    for name in ("runs/mrpc", "runs/rte", "models"):
        (tmp_path / name).mkdir(parents=True)
    hub = tmp_path / "hub"
    (hub / "models--someone--albert-tiny").mkdir(parents=True)
    cases = {
        "albert fin": ["finetune"],
        "albert doc": ["doctor"],
        "albert data in": ["inspect"],
        "albert finetune --see": ["--seed", "--seeds"],
        "albert finetune glue/ss": ["glue/sst2"],
        "albert finetune x --precision b": ["bf16"],
        "albert finetune x --set train.learning_rate": ["train.learning_rate=", "train.learning_rate_for_batch="],
        "albert runs show runs/": ["runs/mrpc", "runs/rte"],
        "albert runs compare runs/mrpc runs/r": ["runs/rte"],
        "albert eval runs/m": ["runs/mrpc"],
        "albert eval glue/mr": ["glue/mrpc", "glue/mrpc-from-mnli"],
        "albert recipe diff squad runs/r": ["runs/rte"],
        "albert run --task fill": ["fill-mask"],
        "albert run --model albert-xx": ["albert-xxlarge-v1", "albert-xxlarge-v2"],
        "albert run --model some": ["someone/albert-tiny"],
        "albert run --model mod": ["models"],
        "albert serve --model runs/mr": ["runs/mrpc"],
        "albert convert a b --to tf": ["tf1", "tf2"],
    }
    done = subprocess.run(
        [sys.executable, "-c", _ASK, json.dumps(list(cases))],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_CACHE": str(hub)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found, heavy = json.loads(done.stdout)
    assert dict(zip(cases, found, strict=True)) == cases
    assert heavy == []


def test_folders_that_cannot_be_read_offer_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    assert completion.complete_run("") == []
    assert completion.complete_run("nowhere/x") == []
    assert completion.complete_model("zzz") == []
