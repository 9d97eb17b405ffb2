"""A manifest notices every change."""

from __future__ import annotations

import hashlib
import json

import pytest

from albert_cli.files.checksum import MANIFEST, file_sha256, verify_manifest, write_manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "sub" / "b.txt").write_text("b")
    write_manifest(tmp_path)
    return tmp_path


def test_what_was_written_verifies(folder):
    assert verify_manifest(folder) is None
    recorded = json.loads((folder / MANIFEST).read_text())["files"]
    assert set(recorded) == {"a.bin", "sub/b.txt"}
    assert recorded["sub/b.txt"] == {"size": 1, "sha256": hashlib.sha256(b"b").hexdigest()}


def test_a_flipped_bit_is_noticed(folder):
    content = bytearray((folder / "a.bin").read_bytes())
    content[12345] ^= 4
    (folder / "a.bin").write_bytes(content)
    assert verify_manifest(folder) == "a.bin has another checksum than when it was written"


def test_a_cut_file_is_noticed(folder):
    (folder / "a.bin").write_bytes(b"short")
    assert verify_manifest(folder) == "a.bin has 5 bytes instead of 25600"


def test_missing_files_are_noticed(folder):
    (folder / "sub" / "b.txt").unlink()
    assert verify_manifest(folder) == "sub/b.txt is missing"
    (folder / MANIFEST).unlink()
    assert verify_manifest(folder) == f"{MANIFEST} is missing"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": {"a.bin": 3}}', '{"files": []}', "\udcff"])
def test_a_damaged_manifest_is_noticed(folder, content):
    (folder / MANIFEST).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert verify_manifest(folder) == f"{MANIFEST} is damaged"


def test_the_sum_is_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
