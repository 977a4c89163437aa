"""Tensors in files that any language can write: raw little-endian numbers, or `.npy`.

Files of a port are not trusted: paths outside its folder, lengths that do not match the shape, unknown dtypes and damaged
headers are refused with a one-line message.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from npfaceapi.errors import GoldenError, one_line, shown
from npfaceapi.reading.files import file_inside, open_at_once, open_regular, read_up_to, reason_of
from npfaceapi.reading.json_text import read_json as json_of
from npfaceapi.weights import is_shape

__all__ = ["FORMATS", "BadAnswer", "describe", "inside", "read_answer", "read_json", "read_npy", "write_tensor"]

Array = np.ndarray[Any, Any]
T = TypeVar("T")

FORMATS = {"raw": ".bin", "npy": ".npy"}
MAX_BYTES = 2**28  # of a file that a port writes
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in ("float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
}


class BadAnswer(Exception):
    """A port's answer that cannot be read; the message is one line."""


def inside(folder: Path, path: Any) -> Path:
    """The file of that path, which must be in the folder after links are resolved."""
    if not isinstance(path, str) or not path or "\0" in path:
        raise BadAnswer(f"expected the path of a file, got {shown(path)}")
    try:
        return file_inside(folder, path)
    except OSError as error:
        raise BadAnswer(f"expected the path of a file, got {shown(path)}: {reason_of(error)}") from None
    except ValueError:
        raise BadAnswer(f"expected a path inside {folder}, got {shown(path)}") from None


def read_answer(folder: Path, stated: Any) -> Any:
    """Read one answer, given as `{"value": JSON}` or `{"file", "dtype", "shape"}`: a JSON value or an array."""
    if not isinstance(stated, Mapping):
        raise BadAnswer(f'expected {{"file", "dtype", "shape"}} or {{"value"}}, got {shown(stated)}')
    if "value" in stated:
        return stated["value"]
    file = inside(folder, stated.get("file"))
    if file.suffix == ".npy":
        return read_npy(file)
    name, shape = stated.get("dtype"), stated.get("shape")
    if not isinstance(name, str) or name not in DTYPES:
        raise BadAnswer(f"{file.name}: expected a dtype out of {', '.join(DTYPES)}, got {shown(name)}")
    if not is_shape(shape):
        raise BadAnswer(f"{file.name}: expected a shape, a list of integers, got {shown(shape)}")
    return _open(file, lambda opened: _numbers(file, opened, DTYPES[name], tuple(shape)))


def read_npy(file: Path) -> Array:
    """Read a `.npy` file of exactly the right length; pickles are refused."""

    def read(opened: io.BufferedIOBase) -> Array:
        form: Any = np.lib.format  # older NumPy versions leave it untyped
        try:
            version = form.read_magic(opened)
            read_header = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
            shape, fortran, dtype = read_header(opened)
        except Exception as error:  # NumPy raises many kinds of errors for a bad header
            raise BadAnswer(f"{file.name}: expected a .npy file, got {one_line(str(error))[:100]}") from None
        if dtype.name not in DTYPES:
            raise BadAnswer(f"{file.name}: expected a dtype out of {', '.join(DTYPES)}, got {dtype}")
        if not is_shape(list(shape)):
            raise BadAnswer(f"{file.name}: expected the shape of a tensor, got {shown(shape)}")
        return _numbers(file, opened, dtype, shape, "F" if fortran else "C")

    return _open(file, read)


def _numbers(file: Path, opened: io.BufferedIOBase, dtype: np.dtype[Any], shape: tuple[int, ...], order: Any = "C") -> Array:
    """Read the rest of an open file, which must have the length of such a tensor."""
    expected = math.prod(shape) * dtype.itemsize
    if expected > MAX_BYTES:
        raise BadAnswer(f"{file.name}: expected a tensor of at most {MAX_BYTES} bytes, got {dtype.name} {list(shape)}")
    length = os.fstat(opened.fileno()).st_size - opened.tell()
    data = read_up_to(opened, expected) if length == expected else b""
    if length != expected or len(data) != expected:
        raise BadAnswer(f"{file.name}: expected {expected} bytes for {dtype.name} {list(shape)}, got {length}")
    return np.frombuffer(data, dtype).reshape(shape, order=order).astype(dtype.newbyteorder("="))


def read_json(file: Path) -> Any:
    """Read a port's JSON file."""
    data = _open(file, lambda opened: read_up_to(opened, MAX_BYTES + 1))
    if len(data) > MAX_BYTES:
        raise BadAnswer(f"{file.name}: expected at most {MAX_BYTES} bytes, got more")
    try:
        return json_of(data)
    except ValueError as error:
        raise BadAnswer(f"{file.name}: expected JSON, got {one_line(str(error))[:100]}") from None


def _open(file: Path, use: Callable[[io.BufferedIOBase], T]) -> T:
    try:
        with open_regular(file) as opened:
            return use(opened)
    except (OSError, ValueError) as error:
        raise BadAnswer(f"{file.name}: expected a file that can be read, got {reason_of(error)}") from None


def describe(array: Array, file: str) -> dict[str, Any]:
    """The description of an input in a question."""
    return {"file": file, "dtype": array.dtype.name, "shape": list(array.shape)}


def write_tensor(folder: Path, name: str, array: Array, form: str = "raw") -> dict[str, Any]:
    """Write an array as `folder/name` with the suffix of its format; returns its description."""
    file = folder / f"{name}{FORMATS[form]}"
    plain = np.ascontiguousarray(array).reshape(array.shape)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "wb", opener=open_at_once) as opened:
            if form == "npy":
                np.save(opened, plain, allow_pickle=False)
            else:
                opened.write(plain.astype(plain.dtype.newbyteorder("<")).tobytes())
    except OSError as error:
        raise GoldenError(f"{file}: expected to write an input there, got: {reason_of(error)}") from None
    return describe(array, f"{name}{FORMATS[form]}")
