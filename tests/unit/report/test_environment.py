"""The environment report says what matters and keeps secrets to itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from albert_cli.report.environment import describe_environment, environment_table, public_text, redact


def test_the_facts_can_be_kept_as_json():
    facts = describe_environment(command=["albert", "env"])
    assert json.loads(json.dumps(facts)) == facts
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["packages"]["torch"]
    assert facts["processor"]["cores"] >= 1
    assert facts["memory_bytes"] > 0
    assert facts["command"] == ["albert", "env"]


def test_without_devices_torch_is_not_imported():
    code = (
        "import sys; from albert_cli.report.environment import describe_environment\n"
        "describe_environment(); print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout == "False\n"


def test_devices_are_told_on_request():
    facts = describe_environment(devices=True)
    assert facts["devices"]["threads"] >= 1
    assert "accelerators" in environment_table(facts).text()


def test_the_commit_and_changes_of_the_working_directory_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert describe_environment()["git"] is None
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    (tmp_path / "a").write_text("1")
    for words in (["init", "-q"], ["add", "a"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True, cwd=tmp_path)
    state = describe_environment()["git"]
    assert len(state["commit"]) == 40
    assert state["is_dirty"] is False
    (tmp_path / "a").write_text("2")
    assert describe_environment()["git"]["is_dirty"] is True


@pytest.mark.parametrize(
    ("argument", "kept"),
    [
        ("--token=abc", "--token=***"),
        ("--set=trackers.wandb_api_key=abc", "--set=trackers.wandb_api_key=***"),
        ("--token=a=b", "--token=***"),
        ("hub_token=abc", "hub_token=***"),
        ("hf_abcdefghijklmnop", "***"),
        ("tokenizer.vocab_size=8000", "tokenizer.vocab_size=8000"),
        ("train.batch_tokens=8", "train.batch_tokens=8"),
        ("/home/somebody/data/train.tsv", ".../train.tsv"),
        ("data.path=/home/somebody/data", "data.path=.../data"),
        ("recipes/squad.yaml", "recipes/squad.yaml"),
    ],
)
def test_secrets_and_private_places_are_taken_out(argument, kept):
    assert redact([argument]) == [kept]


def test_the_value_after_a_secret_option_is_taken_out_but_a_tokenizer_stays():
    assert redact(["--token", "abc", "--tokenizer", "dir"]) == ["--token", "***", "--tokenizer", "dir"]


def test_paths_inside_the_working_directory_become_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert redact([str(Path.cwd() / "runs" / "a")]) == ["runs/a"]


def test_no_user_or_host_name_is_in_the_report(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    text = json.dumps(describe_environment(devices=True))
    assert "hf_secret" not in text
    assert str(Path.home()) + "/" not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("out: /home/anna/my runs/x\n", "out: .../x\n"),
        ('  path: "/home/anna/data"', '  path: ".../data"'),
        ("- /home/anna/a.txt\n- b/c.txt", "- .../a.txt\n- b/c.txt"),
        ("cannot read /home/anna/x.tsv: gone", "cannot read .../x.tsv: gone"),
        ("dataset: nyu-mll/glue  # a/b, see https://x.org/y", "dataset: nyu-mll/glue  # a/b, see https://x.org/y"),
        ("token: hf_abcdefghijkl", "token: ***"),
        ("1/2 and 3 / 4", "1/2 and 3 / 4"),
    ],
)
def test_a_text_for_others_keeps_the_last_part_of_paths(text, shown):
    assert public_text(text) == shown
