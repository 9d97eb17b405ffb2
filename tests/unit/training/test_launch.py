"""Several processes on one machine: exit codes, messages, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from albert_cli.errors import UsageError
from albert_cli.training import launch


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a few lines in several processes; gives the exit code."""
    monkeypatch.setattr(launch, "_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(launch, "_GRACE_SECONDS", 0.6)

    def start(lines, *, nproc=2, argv=()):
        script = tmp_path / "script.py"
        script.write_text("import os, sys, time, signal\nrank = int(os.environ['RANK'])\n" + textwrap.dedent(lines))
        return launch.relaunch(nproc, argv, program=[str(script)])

    return start


def test_every_process_knows_its_place_and_gets_the_arguments(run, tmp_path):
    lines = """
        from pathlib import Path
        names = "RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR ALBERT_NPROC".split()
        Path(sys.argv[1], f"rank{rank}").write_text(" ".join(os.environ[name] for name in names))
    """
    assert run(lines, nproc=3, argv=[str(tmp_path)]) == 0
    for number in range(3):
        assert (tmp_path / f"rank{number}").read_text() == f"{number} {number} 3 3 127.0.0.1 3"


def test_the_cores_are_shared_out(run, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    lines = "open(sys.argv[1] + str(rank), 'w').write(os.environ['OMP_NUM_THREADS'])"
    assert run(lines, argv=[str(tmp_path / "threads")]) == 0
    assert int((tmp_path / "threads1").read_text()) == max(1, launch.usable_cores() // 2)


def test_what_all_say_is_shown_once(run, capfd):
    assert run("print('result'); print('error: the file is bad', file=sys.stderr); sys.exit(3)") == 3
    out, err = capfd.readouterr()
    assert out == "result\n"
    assert err == "error: the file is bad\n"


def test_the_same_failure_is_shown_once_whoever_is_first(run, capfd):
    assert run("time.sleep(0 if rank else 0.2); print('error: bad', file=sys.stderr); sys.exit(3)") == 3
    assert capfd.readouterr().err == "error: bad\n"


def test_the_process_that_failed_first_decides_and_is_heard(run, capfd):
    lines = """
        if rank == 1:
            print("error: not finite", file=sys.stderr)
            sys.exit(4)
        time.sleep(60)
    """
    began = time.monotonic()
    assert run(lines) == 4
    assert time.monotonic() - began < 30
    assert capfd.readouterr().err == "error: not finite\n"


def test_one_that_ignores_the_request_is_ended(run):
    assert run("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nif rank: sys.exit(3)\ntime.sleep(60)") == 3


def test_a_killed_process_gives_the_code_of_a_shell_and_is_spoken_for(run, capfd):
    assert run("if rank: os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(60)") == 137
    assert "process 1 of 2 was ended by SIGKILL; the system does that when memory runs out" in capfd.readouterr().err


PARENT = textwrap.dedent("""
    import sys
    from albert_cli.training import launch
    launch._PATIENCE_SECONDS = launch._GRACE_SECONDS = 0.1
    sys.exit(launch.relaunch(2, sys.argv[2:], program=[sys.argv[1]]))
""")

CHILD = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path
    from albert_cli.training.interrupt import stop_on_signals
    from albert_cli.training.launch import check_world
    check_world(2)
    place = Path(sys.argv[1]) / os.environ["RANK"]
    with stop_on_signals() as stop:
        place.with_suffix(".up").touch()
        end = time.monotonic() + 45
        while not stop.requested and time.monotonic() < end:
            time.sleep(0.02)
        assert stop.requested
        time.sleep(0.2 + 0.5 * int(os.environ["RANK"]))
        place.with_suffix(".saved").touch()
    sys.exit(128 + stop.signal_number)
""")


@pytest.fixture
def parent(tmp_path):
    (tmp_path / "child.py").write_text(CHILD)
    command = [sys.executable, "-c", PARENT, str(tmp_path / "child.py"), str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(tmp_path, ["0.up", "1.up"])
    yield process
    process.kill()
    process.communicate()


def wait_for(folder, names):
    for _ in range(600):
        if all((folder / name).exists() for name in names):
            return
        time.sleep(0.05)
    raise AssertionError(f"{names} did not appear: {os.listdir(folder)}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_all_and_they_may_save(parent, tmp_path, number):
    parent.send_signal(number)
    _, err = parent.communicate(timeout=60)
    assert parent.returncode == 128 + number
    assert err == ""
    wait_for(tmp_path, ["0.saved", "1.saved"])


def test_a_second_signal_ends_all_at_once(parent, tmp_path):
    parent.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    parent.send_signal(signal.SIGTERM)
    parent.communicate(timeout=60)
    assert parent.returncode == 143
    assert not (tmp_path / "1.saved").exists()


def test_a_schedulers_warning_counts_as_a_request_to_end(parent, tmp_path):
    parent.send_signal(signal.SIGUSR1)
    parent.communicate(timeout=60)
    assert parent.returncode == 143
    wait_for(tmp_path, ["0.saved", "1.saved"])


def test_a_ctrl_c_at_the_terminal_counts_once(parent, tmp_path):
    os.killpg(parent.pid, signal.SIGINT)  # what a terminal does: everybody in the foreground gets it
    _, err = parent.communicate(timeout=60)
    assert parent.returncode == 130
    assert err == ""
    wait_for(tmp_path, ["0.saved", "1.saved"])


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_when_the_parent_is_killed_the_others_save_and_end(parent, tmp_path):
    parent.kill()
    wait_for(tmp_path, ["0.saved", "1.saved"])


def test_another_number_of_processes_than_asked_for_is_refused(monkeypatch):
    monkeypatch.delenv(launch.MARKER, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(UsageError, match="2 processes asked for, 1 running"):
        launch.check_world(2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    launch.check_world(2)
    launch.check_world(1)  # an outside launcher's choice


def test_the_first_process_is_the_main_one(monkeypatch):
    assert launch.is_main()
    monkeypatch.setenv("RANK", "1")
    assert not launch.is_main()
    assert launch.rank() == 1


def test_launching_imports_no_torch():
    program = "import sys, albert_cli.training.launch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_an_accelerate_launch_that_came_down_to_one_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its launcher leaves in the environment when it was told of several processes and has no GPUs for them."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    launch.check_world(1)  # one process was asked for
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(UsageError, match="told of several processes and started one"):
        launch.check_world(1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    launch.check_world(2)
