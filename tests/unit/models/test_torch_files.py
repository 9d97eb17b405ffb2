"""Files of ``torch.save`` are read without running anything in them, and as torch itself reads them."""

from __future__ import annotations

import collections
import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from albert_cli.models.torch_files import ForeignContentError, TorchFileError, read_torch_file

DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


def saved(content: Any, *, is_zip: bool = True) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=is_zip)
    return out.getvalue()


def read(data: bytes, folder: Path) -> dict[str, Tensor]:
    path = folder / "x.bin"
    path.write_bytes(data)
    return read_torch_file(path)


def of_every_kind() -> dict[str, Tensor]:
    whole = torch.arange(24.0).reshape(4, 6)
    state = {name: torch.arange(6).to(getattr(torch, name)).reshape(2, 3) for name in DTYPES}
    views = {"turned": whole.t(), "part": whole[1:3, 2:5], "shared": whole, "scalar": torch.tensor(7.0)}
    return {**state, **views, "empty": torch.zeros(0, 3), "parameter": nn.Parameter(torch.ones(2))}


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("content", [of_every_kind(), nn.Linear(3, 2).state_dict(), collections.OrderedDict(), {}])
def test_the_same_tensors_as_torch_itself(content: Mapping[str, Tensor], is_zip: bool, tmp_path: Path) -> None:
    data = saved(content, is_zip=is_zip)
    theirs = torch.load(io.BytesIO(data), weights_only=True)
    ours = read(data, tmp_path)
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert ours[name].shape == tensor.shape
        assert torch.equal(ours[name], tensor)
        assert ours[name].is_contiguous()


class Touch:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("is_zip", [True, False, None])
def test_nothing_runs(is_zip: bool | None, tmp_path: Path) -> None:
    content = {"x": Touch(tmp_path / "ran")}
    data = pickle.dumps(content) if is_zip is None else saved(content, is_zip=is_zip)
    with pytest.raises(ForeignContentError):
        read(data, tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content", [[torch.ones(1)], {"x": 3}, {3: torch.ones(1)}, {"x": {"y": torch.ones(1)}}, torch.ones(1), None]
)
def test_what_is_no_dictionary_of_tensors_is_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(TorchFileError):
        read(saved(content), tmp_path)


def with_pickle(program: bytes, *, compressed: bool = False) -> bytes:
    """A zip like torch's with a pickle of our own and one storage of four bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/data/0", struct.pack("<f", 1.5))
    return out.getvalue()


def tensor_program(
    *, numel: int = 1, size: str = "K\x01\x85", stride: str = "K\x01\x85", offset: str = "K\x00"
) -> bytes:
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu" + b"J" + struct.pack("<i", numel)
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + (offset + size + stride).encode("latin-1")
    return b"\x80\x02}X\x01\0\0\0x" + tensor + b"\x89ccollections\nOrderedDict\n)RtRs."


def test_a_file_made_by_hand_is_read(tmp_path: Path) -> None:
    assert read(with_pickle(tensor_program()), tmp_path)["x"].tolist() == [1.5]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (tensor_program(numel=1 << 30), "numbers in 4 bytes"),
        (tensor_program(numel=-1), "numbers in 4 bytes"),
        (tensor_program(size="J\xff\xff\xff\x7f\x85"), "a tensor of shape"),
        (tensor_program(size="J\xff\xff\xff\x7f\x85", stride="K\x00\x85"), "a tensor of shape"),
        (tensor_program(offset="K\x01"), "a tensor of shape"),
        (tensor_program(offset="J\xff\xff\xff\xff"), "unknown form"),
        (tensor_program(stride=")"), "unknown form"),
        (b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "bytearray"),
        (b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.", "os system"),
        (b"\x80\x02cos\nsystem\n)\x81.", "NEWOBJ"),
        (b"\x80\x02" + b"]" * 300_000 + b".", "more than 250,000 steps"),
        (b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.", "named tensors"),
        (b"\x80\x02}r\xff\xff\xff\xff.", None),
        (b"\x80\x02}", "no end|damaged"),
        (b"\x80\x02t.", "no mark"),
        (b"\x80\x02.", "IndexError"),
        (b"\x80\x02h\x05.", "KeyError"),
    ],
)
def test_a_hostile_pickle_is_refused(program: bytes, words: str | None, tmp_path: Path) -> None:
    if words is None:
        assert read(with_pickle(program), tmp_path) == {}
        return
    with pytest.raises(TorchFileError, match=words):
        read(with_pickle(program), tmp_path)


def test_a_packed_archive_is_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(TorchFileError, match="packed"):
        read(with_pickle(b"\x80\x02" + b"]" * 1_000_000, compressed=True), tmp_path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_cut_file_is_refused(is_zip: bool, tmp_path: Path) -> None:
    data = saved({"x": torch.ones(100)}, is_zip=is_zip)
    for cut in (0, 3, 30, 200, len(data) - 50):
        with pytest.raises(TorchFileError):
            read(data[:cut], tmp_path)
