"""Which tensors does a file of ``torch.save`` hold? Read here step by step, so that nothing in it can run or crash.

Such a file is a pickle beside the numbers: a zip archive (``data.pkl``, ``data/KEY``), or, in older files, pickles and
numbers one after another. A pickle is a program. Ours knows only the few instructions that named tensors are written
with, makes plain values of them, and compares every place and size with what the file really holds.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

_MOST_STEPS = 250_000  # a tensor takes about 25
_MOST_PICKLE_BYTES = 16 << 20
_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING"}
_VALUES |= {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_MARK = object()
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, struct.error, LookupError, TypeError, ValueError)


class TorchFileError(ValueError):
    """The file is damaged, or none of ``torch.save``."""


class ForeignContentError(TorchFileError):
    """The file wants to do more than to hold tensors."""


@dataclass(frozen=True)
class _Global:
    """Something of a module, named and never looked up."""

    name: str


@dataclass(frozen=True)
class _Storage:
    dtype: torch.dtype
    key: str
    numel: int


@dataclass(frozen=True)
class _View:
    """A tensor: a part of a storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read_torch_file(path: Path) -> dict[str, Tensor]:
    """Named tensors of a file, on the processor.

    Raises:
        ForeignContentError: it holds calls of anything that no tensor needs.
        TorchFileError: it is damaged, or holds no named tensors.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        try:
            content, numbers = _open_zip(file) if is_zip else _open_legacy(file)
        except TorchFileError:
            raise
        except _DAMAGE as error:
            raise TorchFileError(f"{type(error).__name__}: {error}") from None
        if not isinstance(content, dict) or not all(isinstance(value, _View) for value in content.values()):
            raise TorchFileError("it does not hold named tensors")
        return _tensors(file, content, numbers)


def _tensors(file: BinaryIO, views: Mapping[str, _View], numbers: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
    flat: dict[str, Tensor] = {}
    found: dict[str, Tensor] = {}
    for name, view in views.items():
        storage = view.storage
        if storage.key not in flat:
            flat[storage.key] = _read_storage(file, storage, numbers)
        whole = flat[storage.key]
        _check(view, len(whole))
        found[name] = whole.as_strided(view.size, view.stride, view.offset).clone(memory_format=torch.contiguous_format)
    return found


def _read_storage(file: BinaryIO, storage: _Storage, numbers: Mapping[str, tuple[int, int]]) -> Tensor:
    place, size = numbers.get(storage.key, (0, -1))
    if storage.numel < 0 or storage.numel * storage.dtype.itemsize != size:
        raise TorchFileError(f"{storage.numel} numbers in {size} bytes")
    if size == 0:
        return torch.empty(0, dtype=storage.dtype)
    file.seek(place)
    data = bytearray(file.read(size))
    if len(data) != size:
        raise TorchFileError("it is cut short")
    return torch.frombuffer(data, dtype=storage.dtype)


def _check(view: _View, numel: int) -> None:
    last = view.offset + sum((size - 1) * step for size, step in zip(view.size, view.stride, strict=True))
    count: int = prod(view.size)
    if count > numel or (count and last >= numel):
        raise TorchFileError(f"a tensor of shape {view.size} in {numel} numbers")


def _open_zip(file: BinaryIO) -> tuple[Any, dict[str, tuple[int, int]]]:
    """The pickle's value, and where the numbers of each storage are: first byte and count of bytes."""
    end = file.seek(0, io.SEEK_END)
    members: dict[str, tuple[int, int]] = {}
    for info in zipfile.ZipFile(file).infolist():
        file.seek(info.header_offset)
        header = file.read(30)
        if info.compress_type != zipfile.ZIP_STORED or header[:4] != b"PK\x03\x04":
            raise TorchFileError("its parts are packed or damaged")
        place = info.header_offset + 30 + sum(struct.unpack_from("<HH", header, 26))
        if place + info.file_size > end:
            raise TorchFileError("it is cut short")
        members[info.filename] = place, info.file_size
    top = next((name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")), None)
    if top is None:
        raise TorchFileError("no data.pkl in it")
    if f"{top}byteorder" in members and _part(file, members[f"{top}byteorder"]) != b"little":
        raise TorchFileError("its numbers are stored big end first")
    below = f"{top}data/"
    numbers = {name.removeprefix(below): where for name, where in members.items() if name.startswith(below)}
    return _interpret(io.BytesIO(_part(file, members[f"{top}data.pkl"]))), numbers


def _part(file: BinaryIO, where: tuple[int, int]) -> bytes:
    if where[1] > _MOST_PICKLE_BYTES:
        raise TorchFileError(f"a list of tensors of {where[1]:,} bytes")
    file.seek(where[0])
    return file.read(where[1])


def _open_legacy(file: BinaryIO) -> tuple[Any, dict[str, tuple[int, int]]]:
    """The same of an older file: mark, version, machine, value, keys of the storages, and the storages."""
    end = file.seek(0, io.SEEK_END)
    head = io.BytesIO(_part(file, (0, min(end, _MOST_PICKLE_BYTES))))
    used: list[_Storage] = []
    if _interpret(head) != _MAGIC:
        raise TorchFileError("it does not begin like one")
    _interpret(head)
    machine = _interpret(head)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise TorchFileError("its numbers are stored big end first")
    value, keys = _interpret(head, used), _interpret(head)
    dtypes = {storage.key: storage.dtype for storage in used}
    place = head.tell()
    numbers: dict[str, tuple[int, int]] = {}
    for key in keys if isinstance(keys, list) else ():
        file.seek(place)
        size = struct.unpack("<q", file.read(8))[0] * dtypes[key].itemsize
        if size < 0 or place + 8 + size > end:
            raise TorchFileError("it is cut short")
        numbers[key] = place + 8, size
        place += 8 + size
    return value, numbers


def _interpret(stream: io.BytesIO, used: list[_Storage] | None = None) -> Any:
    """Follow one pickle to its end.

    Args:
        stream: begins with it; stands behind it afterwards.
        used: takes the storages that it names.
    """
    machine = _Machine([] if used is None else used)
    for name, argument in _steps(stream):
        if name == "STOP":
            return machine.stack.pop()
        machine.do(name, argument)
    raise TorchFileError("its pickle has no end")


def _steps(stream: io.BytesIO) -> Iterator[tuple[str, Any]]:
    steps = pickletools.genops(stream)
    for _ in range(_MOST_STEPS):
        try:
            operation, argument, _ = next(steps)
        except StopIteration:
            return
        except (ValueError, OverflowError, UnicodeDecodeError) as error:
            raise TorchFileError(f"its pickle is damaged: {error}") from None
        yield operation.name, argument
    raise TorchFileError(f"its pickle has more than {_MOST_STEPS:,} steps")


class _Machine:
    """A stack of plain values and what the few known instructions do to it."""

    def __init__(self, used: list[_Storage]) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._used = used

    def do(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name == "GLOBAL":
            stack.append(_Global(argument))
        elif name == "STACK_GLOBAL":
            last, module = stack.pop(), stack.pop()
            stack.append(_Global(f"{module} {last}"))
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
            self._used.append(stack[-1])
        elif name == "REDUCE":
            given, called = stack.pop(), stack.pop()
            stack.append(_call(called, given))
        elif name == "BUILD":  # what a dictionary of weights says of its modules' versions
            stack.pop()
        elif name not in ("PROTO", "FRAME"):
            self._collect(name)

    def _collect(self, name: str) -> None:
        """The instructions that make and fill tuples, lists and dictionaries."""
        stack = self.stack
        if name == "MARK":
            stack.append(_MARK)
        elif name in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if name == "EMPTY_DICT" else [])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(self._to_mark()))
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self._to_mark()
            _fill(stack[-1], items)
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self._to_mark()
            if not isinstance(stack[-1], list):
                raise TorchFileError("its pickle is damaged: no list to append to")
            stack[-1].extend(items)
        else:
            raise ForeignContentError(f"the instruction {name}")

    def _to_mark(self) -> list[Any]:
        place = next((at for at in reversed(range(len(self.stack))) if self.stack[at] is _MARK), None)
        if place is None:
            raise TorchFileError("its pickle is damaged: no mark")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items


def _fill(values: Any, items: list[Any]) -> None:
    if not isinstance(values, dict) or len(items) % 2:
        raise TorchFileError("its pickle is damaged: nothing to fill")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str):
            raise TorchFileError("it does not hold named tensors")
        values[key] = value


def _storage(said: Any) -> _Storage:
    """What a pickle says of a storage: the word, type, key, device, count of numbers, in older files a part of it."""
    if not isinstance(said, tuple) or len(said) not in (5, 6) or said[0] != "storage" or said[5:] not in ((), (None,)):
        raise TorchFileError("a storage of an unknown form")
    _, kind, key, _, numel = said[:5]
    module, _, name = kind.name.rpartition(" ") if isinstance(kind, _Global) else ("", "", "")
    if module != "torch" or name not in _DTYPES or not isinstance(key, str) or type(numel) is not int:
        raise TorchFileError("a storage of an unknown type")
    return _Storage(_DTYPES[name], key, numel)


def _call(called: Any, given: Any) -> Any:
    """What the few known functions make of their arguments."""
    name = called.name if isinstance(called, _Global) else "something"
    if not isinstance(given, tuple):
        raise TorchFileError("its pickle is damaged: a call without arguments")
    if name == "collections OrderedDict" and given in ((), ([],)):
        return {}
    if name == "torch._utils _rebuild_parameter" and given and isinstance(given[0], _View):
        return given[0]
    if name in ("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor") and len(given) >= 4:
        storage, offset, size, stride = given[:4]
        sizes = [offset, *size, *stride] if isinstance(size, tuple) and isinstance(stride, tuple) else [None]
        if not isinstance(storage, _Storage) or not all(type(one) is int and 0 <= one < 2**62 for one in sizes):
            raise TorchFileError("a tensor of an unknown form")
        if len(size) != len(stride) or len(size) > 8:
            raise TorchFileError("a tensor of an unknown form")
        return _View(storage, offset, size, stride)
    raise ForeignContentError(f"a call of {name[:100]}")
