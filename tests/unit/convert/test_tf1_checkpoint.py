"""Checkpoints of TensorFlow 1: what is written is read again, and what is damaged is refused in one message."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from albert_cli.convert.sorted_table import TableError, masked_crc, read_table, read_varint, write_table, write_varint
from albert_cli.convert.tf1_checkpoint import Checkpoint, write_checkpoint
from albert_cli.errors import ModelError


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    variables: dict[str, np.ndarray] = {
        f"layer_{number:03d}/kernel": rng.normal(size=(4, number)).astype(np.float32) for number in range(200)
    }
    variables["global_step"] = np.array(7, np.int64)
    write_checkpoint(tmp_path / "model", {name: lambda array=array: array for name, array in variables.items()})
    return tmp_path / "model"


def test_the_checksum_is_that_of_the_format() -> None:
    # CRC-32C of "123456789" is 0xE3069283 (RFC 3720, B.4); the format rotates it by 15 and adds a constant.
    assert masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_numbers_of_any_size(value: int) -> None:
    assert read_varint(write_varint(value) + b"x", 0) == (value, len(write_varint(value)))


def test_a_number_that_never_ends_is_refused() -> None:
    with pytest.raises(TableError, match="64 bits"):
        read_varint(b"\xff" * 20, 0)
    with pytest.raises(TableError, match="over the end"):
        read_varint(b"\xff", 0)


def test_a_table_of_many_blocks() -> None:
    values = {f"key/{number:05d}".encode(): bytes([number % 251]) * (number % 90) for number in range(3000)}
    assert read_table(write_table(values)) == values
    assert read_table(write_table({})) == {}


def test_variables_are_read_as_they_were_written(prefix: Path) -> None:
    checkpoint = Checkpoint(prefix)
    rng = np.random.default_rng(0)
    for number in range(200):
        expected = rng.normal(size=(4, number)).astype(np.float32)
        assert np.array_equal(checkpoint.read(f"layer_{number:03d}/kernel"), expected)
    assert checkpoint.read("global_step") == 7
    assert checkpoint.read("global_step").shape == ()


def test_the_path_may_end_in_index(prefix: Path) -> None:
    assert set(Checkpoint(f"{prefix}.index").variables) == set(Checkpoint(prefix).variables)


@pytest.mark.parametrize("place", [0, 40, 500, 2000, -60, -3])
def test_a_flipped_byte_of_the_index_is_refused(prefix: Path, place: int) -> None:
    index = Path(f"{prefix}.index")
    data = bytearray(index.read_bytes())
    data[place] ^= 0x10
    index.write_bytes(data)
    with pytest.raises(ModelError, match=r"model\.index"):
        Checkpoint(prefix)


def test_a_flipped_byte_of_the_data_is_refused(prefix: Path) -> None:
    data_file = Path(f"{prefix}.data-00000-of-00001")
    data = bytearray(data_file.read_bytes())
    data[-1] ^= 1
    data_file.write_bytes(data)
    with pytest.raises(ModelError, match="wrong checksum of layer_199/kernel"):
        Checkpoint(prefix).read("layer_199/kernel")


@pytest.mark.parametrize("keep", [0, 10, 60, 3000])
def test_a_cut_index_is_refused(prefix: Path, keep: int) -> None:
    index = Path(f"{prefix}.index")
    index.write_bytes(index.read_bytes()[:keep])
    with pytest.raises(ModelError, match="damaged or no checkpoint index"):
        Checkpoint(prefix)


def test_cut_and_missing_data(prefix: Path) -> None:
    data_file = Path(f"{prefix}.data-00000-of-00001")
    data_file.write_bytes(data_file.read_bytes()[:-4])
    with pytest.raises(ModelError, match="cut short"):
        Checkpoint(prefix).read("layer_199/kernel")
    data_file.unlink()
    with pytest.raises(ModelError, match="cannot read"):
        Checkpoint(prefix).read("layer_199/kernel")


def test_a_size_that_no_file_has_allocates_nothing() -> None:
    # A block handle of 2**60 bytes in an otherwise valid footer.
    footer = (write_varint(0) + write_varint(2**60)) * 2
    data = footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")
    with pytest.raises(TableError, match="outside the file"):
        read_table(data)
