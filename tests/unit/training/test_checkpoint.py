"""Checkpoints: whole or absent, verified, kept and removed as promised."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn
from training_toys import cpu

from albert_cli.errors import AlbertError, CheckpointError
from albert_cli.files.atomic import PARTIAL, sweep_partial
from albert_cli.training.checkpoint import (
    TrainState,
    checkpoint_name,
    find_checkpoint,
    list_checkpoints,
    load_checkpoint,
    mend_links,
    on_main_process,
    save_checkpoint,
)
from albert_cli.training.optim import Lamb, parameter_groups


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(6, 3)
        self.decoder = nn.Linear(3, 6)
        self.decoder.weight = self.table.weight
        self.register_buffer("positions", torch.arange(4))


def trained(seed=0):
    torch.manual_seed(seed)
    model = Tied()
    optimizer = Lamb(parameter_groups(model), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model.decoder(model.table(torch.arange(6))).square().sum().backward()
        optimizer.step()
    return model, optimizer


def save(folder, step, *, model=None, **options):
    made, optimizer = trained(step)
    state = TrainState(step=step, seed=7, best_score=0.5, extra={"misses": 2})
    return save_checkpoint(folder, model=model or made, optimizer=optimizer, state=state, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_everything_comes_back(tmp_path):
    model, optimizer = trained(1)
    scaler = torch.amp.GradScaler("cpu", init_scale=128.0)
    state = TrainState(500, 42, 0.9, 400, "d", {"torch": "x"}, {"misses": 1})
    path = save_checkpoint(tmp_path, model=model, optimizer=optimizer, state=state, scaler=scaler)
    assert path.name == "step-00000500"
    other, fresh = trained(2)
    other_scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    assert load_checkpoint(path, model=other, optimizer=fresh, scaler=other_scaler) == state
    assert torch.equal(other.table.weight, model.table.weight)
    assert other.decoder.weight is other.table.weight
    for mine, theirs in zip(optimizer.state.values(), fresh.state.values(), strict=True):
        assert torch.equal(mine["exp_avg_sq"], theirs["exp_avg_sq"])
    assert other_scaler.get_scale() == scaler.get_scale() == 128.0


def test_tied_weights_are_stored_once(tmp_path):
    from safetensors.torch import load_file

    path = save(tmp_path, 1)
    assert sorted(load_file(path / "model.safetensors")) == ["decoder.bias", "positions", "table.weight"]


def test_more_files_are_part_of_it(tmp_path):
    path = save(tmp_path, 1, more=lambda folder: (folder / "config.json").write_text("{}"))
    (path / "config.json").write_text("{1}")
    assert find_checkpoint(tmp_path).skipped[0][1] == "config.json has 3 bytes instead of 2"


def test_keep_leaves_the_newest_the_best_and_the_last(tmp_path):
    for step in range(1, 7):
        save(tmp_path, step, keep=2, best=step == 2)
    assert names(tmp_path) == ["best", "last", *(checkpoint_name(step) for step in (2, 5, 6))]
    assert os.readlink(tmp_path / "best") == "step-00000002"
    assert os.readlink(tmp_path / "last") == "step-00000006"
    assert load_checkpoint(tmp_path / "best").step == 2


def test_old_ones_stay_when_the_new_one_fails(tmp_path):
    for step in (1, 2):
        save(tmp_path, step, keep=1)

    def fail(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match="no space left on the disk"):
        save(tmp_path, 3, keep=1, more=fail)
    assert names(tmp_path) == ["last", "step-00000002"]
    assert load_checkpoint(tmp_path / "last").step == 2


def test_the_same_step_saved_again_replaces_it(tmp_path):
    save(tmp_path, 4)
    model, optimizer = trained(9)
    save_checkpoint(tmp_path, model=model, optimizer=optimizer, state=TrainState(4, 1, best_score=0.75), best=True)
    assert load_checkpoint(tmp_path / "best").best_score == 0.75
    assert names(tmp_path) == ["best", "last", "step-00000004"]


def test_too_little_room_is_said_before_writing(tmp_path, monkeypatch):
    monkeypatch.setattr("albert_cli.files.limits.free_bytes", lambda path: 1000)
    with pytest.raises(AlbertError, match="no room for a checkpoint") as raised:
        save(tmp_path, 1)
    assert raised.value.exit_code == 3
    assert names(tmp_path) == []


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_is_found_and_the_one_before_taken(tmp_path):
    for step in (10, 20, 30):
        save(tmp_path, step, keep=3)
    flip_a_bit(tmp_path / "step-00000030" / "model.safetensors")
    (tmp_path / "step-00000020" / "manifest.json").unlink()
    found = find_checkpoint(tmp_path)
    assert found.path == tmp_path / "step-00000010"
    assert [(path.name, problem) for path, problem in found.skipped] == [
        ("step-00000030", "model.safetensors has another checksum than when it was written"),
        ("step-00000020", "manifest.json is missing"),
    ]
    with pytest.raises(CheckpointError, match="another checksum"):
        load_checkpoint(tmp_path / "step-00000030", model=Tied())


def test_nothing_there_is_no_checkpoint(tmp_path):
    assert find_checkpoint(tmp_path / "absent").path is None
    (tmp_path / "step-12").mkdir()
    (tmp_path / f"{PARTIAL}step-00000001-5").mkdir()
    assert list_checkpoints(tmp_path) == []
    with pytest.raises(CheckpointError, match="no such directory"):
        load_checkpoint(tmp_path / "step-00000001")


def test_steps_beyond_eight_digits_sort_as_numbers(tmp_path):
    for step in (99_999_999, 100_000_000):
        save(tmp_path, step)
    assert find_checkpoint(tmp_path).path.name == "step-100000000"


def test_weights_of_another_model_are_refused(tmp_path):
    path = save(tmp_path, 1)
    with pytest.raises(CheckpointError, match="does not fit"):
        load_checkpoint(path, model=nn.Linear(3, 3))
    wider = Tied()
    wider.decoder.bias = nn.Parameter(torch.zeros(8))
    with pytest.raises(CheckpointError, match=r"decoder.bias is \(6,\)"):
        load_checkpoint(path, model=wider)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    from albert_cli.files.checksum import write_manifest

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "owned"),))

    path = save(tmp_path, 1)
    torch.save({"optimizer": Evil(), "scaler": None}, path / "optimizer.pt")
    write_manifest(path)
    model, optimizer = trained()
    with pytest.raises(CheckpointError, match="something else than tensors"):
        load_checkpoint(path, model=model, optimizer=optimizer)
    assert not (tmp_path / "owned").exists()


KILLED = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from test_checkpoint import save
    folder, where = Path(sys.argv[1]), sys.argv[2]

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    save(folder, 1, keep=1)
    if where == "while writing":
        save(folder, 2, keep=1, more=die)
    import albert_cli.training.checkpoint as checkpoint
    if where == "before the manifest":
        checkpoint.write_manifest = die
    if where == "before the links":
        checkpoint.point_link = die
    if where == "before removing":
        checkpoint.remove_directory = die
    save(folder, 2, keep=1)
""")


@pytest.mark.parametrize(
    ("where", "newest"),
    [("while writing", 1), ("before the manifest", 1), ("before the links", 2), ("before removing", 2)],
)
def test_killed_anywhere_a_sound_checkpoint_is_found(tmp_path, where, newest):
    here = os.path.dirname(__file__)
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), where, here], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    found = find_checkpoint(tmp_path)
    assert found.path == tmp_path / checkpoint_name(newest)
    assert found.skipped == []
    assert load_checkpoint(found.path, model=Tied()).step == newest
    sweep_partial(tmp_path)
    assert load_checkpoint(tmp_path / "last").step in (1, 2)
    save(tmp_path, 3, keep=1)
    assert names(tmp_path) == ["last", "step-00000003"]


def rewrite_state(path, **changes):
    from albert_cli.files.checksum import write_manifest

    facts = json.loads((path / "state.json").read_text())
    facts |= changes
    (path / "state.json").write_text(json.dumps({k: v for k, v in facts.items() if v is not None}))
    write_manifest(path)


def test_a_checkpoint_of_the_first_format_is_read(tmp_path):
    """It had no number, and may lack what later ones added."""
    path = save(tmp_path, 4)
    rewrite_state(path, format=None, versions=None, extra=None)
    assert load_checkpoint(path, model=Tied()) == TrainState(step=4, seed=7, best_score=0.5)


def test_a_checkpoint_of_a_later_format_is_refused_with_its_number(tmp_path):
    path = save(tmp_path, 4)
    rewrite_state(path, format=99)
    with pytest.raises(CheckpointError, match="is of format 99, and this albert knows those up to"):
        load_checkpoint(path, model=Tied())


def test_the_links_are_mended_before_a_run_goes_on(tmp_path):
    for step in (10, 20, 30):
        save(tmp_path, step, keep=3, best=True)
    flip_a_bit(tmp_path / "step-00000030" / "model.safetensors")
    assert mend_links(tmp_path, tmp_path / "step-00000020", best_step=10) is None
    assert names(tmp_path) == ["best", "last", "step-00000010", "step-00000020"]
    assert os.readlink(tmp_path / "best") == "step-00000010"
    assert os.readlink(tmp_path / "last") == "step-00000020"
    flip_a_bit(tmp_path / "step-00000010" / "model.safetensors")
    assert "another checksum" in mend_links(tmp_path, tmp_path / "step-00000020", best_step=10)
    assert os.readlink(tmp_path / "best") == "step-00000020"
    assert mend_links(tmp_path, tmp_path / "step-00000020", best_step=None) is None
    assert not (tmp_path / "best").is_symlink()


def test_alone_the_main_process_just_does_it():
    assert on_main_process(cpu(), lambda: 5) == 5


def test_keeping_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="keep must be 1 or more"):
        save(tmp_path, 1, keep=0)
