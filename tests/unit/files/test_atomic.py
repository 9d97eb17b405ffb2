"""Files and directories are whole or not at all."""

from __future__ import annotations

import os

import pytest

from albert_cli.files import atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path):
    atomic.write_file(tmp_path / "deep" / "a.txt", "ä")
    atomic.write_file(tmp_path / "deep" / "a.txt", b"two")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == b"two"
    assert names(tmp_path / "deep") == ["a.txt"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    atomic.write_file(tmp_path / "a.txt", "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write_file(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_directory_appears_when_it_is_whole(tmp_path):
    with atomic.new_directory(tmp_path / "whole") as partial:
        (partial / "one").write_text("1")
        assert not (tmp_path / "whole").exists()
        assert partial.name.startswith(atomic.PARTIAL)
    assert names(tmp_path) == ["whole"]
    assert (tmp_path / "whole" / "one").read_text() == "1"


def fill_and_fail(path):
    with atomic.new_directory(path) as partial:
        (partial / "half").write_text("h")
        raise RuntimeError("power cut")


def test_a_directory_that_fails_changes_nothing(tmp_path):
    with atomic.new_directory(tmp_path / "kept") as partial:
        (partial / "one").write_text("1")
    with pytest.raises(RuntimeError, match="power cut"):
        fill_and_fail(tmp_path / "kept")
    assert names(tmp_path) == ["kept"]
    assert (tmp_path / "kept" / "one").read_text() == "1"


def test_a_directory_is_replaced_whole(tmp_path):
    for content in ("1", "2"):
        with atomic.new_directory(tmp_path / "d") as partial:
            (partial / f"file{content}").write_text(content)
    assert names(tmp_path) == ["d"]
    assert names(tmp_path / "d") == ["file2"]


def test_a_link_is_repointed_and_relative(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    atomic.point_link(tmp_path / "best", "one")
    atomic.point_link(tmp_path / "best", "two")
    assert os.readlink(tmp_path / "best") == "two"
    assert names(tmp_path) == ["best", "one", "two"]


def test_removing_goes_through_a_partial_name(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("x")
    atomic.remove_directory(tmp_path / "d")
    assert names(tmp_path) == []


def test_sweeping_takes_only_what_is_ours(tmp_path):
    (tmp_path / f"{atomic.PARTIAL}step-1-99").mkdir()
    (tmp_path / f"{atomic.PARTIAL}step-1-99" / "half").write_text("x")
    (tmp_path / f"{atomic.PARTIAL}a.txt-99").write_text("x")
    (tmp_path / "partial-notes").mkdir()
    assert len(atomic.sweep_partial(tmp_path)) == 2
    assert names(tmp_path) == ["partial-notes"]
    assert atomic.sweep_partial(tmp_path / "absent") == []


def test_what_a_kill_left_without_a_name_gets_it_back(tmp_path):
    """Killed after the old directory was moved aside, before the new one took its place."""
    with atomic.new_directory(tmp_path / "kept") as folder:
        (folder / "file").write_text("old")
    aside = tmp_path / f"{atomic.PARTIAL}old-kept-17"
    (tmp_path / "kept").rename(aside)
    (tmp_path / f"{atomic.PARTIAL}kept-17").mkdir()
    assert atomic.sweep_partial(tmp_path) == [tmp_path / f"{atomic.PARTIAL}kept-17"]
    assert (tmp_path / "kept" / "file").read_text() == "old"
    aside.mkdir()  # killed later, while the old one was removed
    assert atomic.sweep_partial(tmp_path) == [aside]
    assert (tmp_path / "kept" / "file").read_text() == "old"
