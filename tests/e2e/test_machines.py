"""A run on two machines, here two groups of processes with the variables that torchrun sets, and no disk in common.

Each group has a cache of its own; with ``own`` also files of its own, and a working directory in which they lie.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from command_line import ROOT, Outcome, albert, done, events, settings
from small_texts import write_corpus

from albert_cli.training.launch import _free_port

FEW = settings(train__max_steps=12, train__eval_every=6, train__save_every=6, train__log_every=1, train__batch_size=4)


def on_two_machines(folders: Sequence[Path], *arguments: str | Path, each: int = 1) -> list[Outcome]:
    """Run a command on two machines with ``each`` processes, in a working directory and with a cache of its own."""
    port = str(_free_port())
    processes = []
    for number in range(2 * each):
        machine = number // each
        environment = {
            **os.environ,
            **{"RANK": str(number), "LOCAL_RANK": str(number % each), "GROUP_RANK": str(machine)},
            **{"WORLD_SIZE": str(2 * each), "LOCAL_WORLD_SIZE": str(each), "GROUP_WORLD_SIZE": "2"},
            **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        }
        command = [sys.executable, "-m", "albert_cli", *map(str, arguments)]
        processes.append(
            subprocess.Popen(
                command,
                cwd=folders[machine],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return [Outcome(process.returncode, *said) for process in processes for said in [process.communicate(timeout=120)]]


def went_well(outcomes: Sequence[Outcome]) -> Outcome:
    """What the first process said, if none failed."""
    for outcome in outcomes:
        assert outcome.code == 0, outcome.err
    return outcomes[0]


def lose_the_last_checkpoint(run: Path, copy: Path) -> None:
    """Copy a run as it was in the middle."""
    shutil.copytree(run, copy, symlinks=True)
    shutil.rmtree(copy / "checkpoints" / "step-00000012")


def facts(cache: Path) -> list[dict[str, object]]:
    """Manifests of the shards in a cache."""
    return [json.loads(path.read_text()) for path in cache.glob("shards-*/manifest.json")]


@pytest.fixture(scope="module")
def recipe(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe of the other tests with files and caches that are named from the working directory."""
    values = json.loads((home / "pretrain.yaml").read_text())
    values["data"] |= {"cache": "cache"}
    path = tmp_path_factory.mktemp("recipe") / "pretrain.yaml"
    path.write_text(json.dumps(values))
    return path


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """A working directory for each machine."""
    made = [tmp_path / "machine 0", tmp_path / "machine 1"]
    for folder in made:
        folder.mkdir()
    return made


def test_each_machine_prepares_its_part_and_a_killed_run_goes_on_exactly(recipe: Path, folders: list[Path]) -> None:
    """Half of the run is made again; only the first machine has the run directory."""
    whole, halves = folders[0] / "whole", folders[0] / "halves"
    part = ("pretrain", recipe, *FEW, *settings(data__each_node="part"))
    said = went_well(on_two_machines(folders, *part, "--out", "whole", "--json"))
    assert "2 machines, each with its own part of the text: " in said.err
    assert "batch: 8 = 4 x 1 micro-batches x 2 processes" in said.err
    (first,), (second,) = (facts(folder / "cache") for folder in folders)
    assert first["key"] != second["key"]
    for name in ("documents", "sentences", "tokens"):
        assert first[name] + second[name] == said.result["data"][name]
    assert said.result["data"]["documents"] == 60
    assert abs(first["documents"] - second["documents"]) <= 1
    assert [line["step"] for line in events(whole, "train")] == list(range(1, 13))
    lose_the_last_checkpoint(whole, halves)
    went_well(on_two_machines(folders, *part, "--out", "halves", "--resume"))
    assert events(halves) == events(whole)
    assert [path.name for path in folders[1].iterdir()] == ["cache"]


def test_machines_with_files_of_their_own(recipe: Path, folders: list[Path], tmp_path: Path) -> None:
    """Two processes on each; the same name, other texts."""
    for number, folder in enumerate(folders):
        write_corpus(folder / "text.txt", documents=20 + 20 * number, seed=number)
    own = settings(data__path="text.txt", data__each_node="own", train__batch_size=2)
    run = tmp_path / "run"
    said = went_well(on_two_machines(folders, "pretrain", recipe, *FEW, *own, "--out", run, "--json", each=2))
    assert "batch: 8 = 2 x 1 micro-batches x 4 processes" in said.err
    assert "so a small part is seen more often" in said.err
    assert said.result["data"]["documents"] == 60
    assert [line["step"] for line in events(run, "train")] == list(range(1, 13))


def test_text_read_in_its_own_order_goes_on_exactly_on_every_machine(
    recipe: Path, folders: list[Path], tmp_path: Path
) -> None:
    for number, folder in enumerate(folders):
        write_corpus(folder / "text.txt", documents=30, seed=number)
    live = settings(data__path="text.txt", data__each_node="own", data__order="as_read", data__held_out=0.0)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    words = ("pretrain", recipe, *FEW, *live)
    went_well(on_two_machines(folders, *words, "--out", whole))
    lose_the_last_checkpoint(whole, halves)
    went_well(on_two_machines(folders, *words, "--out", halves, "--resume"))
    assert events(halves) == events(whole)
    position = json.loads((whole / "checkpoints" / "last" / "state.json").read_text())["extra"]["position"]
    assert len(position) == 2


def test_one_text_under_the_name_of_two_is_refused(recipe: Path, folders: list[Path], tmp_path: Path) -> None:
    outcomes = on_two_machines(
        folders, "pretrain", recipe, *FEW, *settings(data__each_node="own"), "--out", tmp_path / "r"
    )
    for outcome in outcomes:
        assert outcome.code == 3
    assert "error: 2 machines, but only 1 different texts among them" in outcomes[0].err
    assert "try: --set data.each_node=part if all see the same files" in outcomes[0].err
    assert not (tmp_path / "r").exists()


def test_a_machine_without_text_ends_the_run_with_the_reason(recipe: Path, folders: list[Path], tmp_path: Path) -> None:
    """The other one, which waits for it, says that it need not look further."""
    write_corpus(folders[0] / "text.txt", documents=3)
    (folders[1] / "text.txt").write_text("\n")
    own = settings(data__path="text.txt", data__each_node="own")
    waiting, failed = on_two_machines(folders, "pretrain", recipe, *FEW, *own, "--out", tmp_path / "run")
    failed.refused(3, "no text in text.txt")
    waiting.refused(3, "another process ended while this one waited")


def test_parts_can_be_prepared_ahead(recipe: Path, tmp_path: Path) -> None:
    cache = settings(data__cache=tmp_path / "cache", data__each_node="part")
    made = [done("data", "prepare", recipe, *cache, "--node", f"{number}/3", "--json").result for number in range(3)]
    assert len({one["key"] for one in made}) == 3
    assert sum(one["documents"] for one in made) == 60
    albert("data", "prepare", recipe, *cache, "--node", "3/3").refused(2, "--node 3/3")
    whole = albert("data", "prepare", recipe, *cache, "--node", "0/3", "--set", "data.each_node=whole")
    whole.refused(2, "there every machine prepares all that it sees")
