"""Tensors in files, as ports in any language can write them: raw little-endian numbers, or `.npy`.

What a port writes is not trusted: a path that leaves its folder, a file of another length than its shape says, a dtype that
is none and a damaged header are refused, in one line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npfaceapi.errors import GoldenError, one_line

__all__ = ["FORMATS", "BadAnswer", "describe", "inside", "read_answer", "read_json", "read_npy", "write_tensor"]

Array = np.ndarray[Any, Any]

FORMATS = {"raw": ".bin", "npy": ".npy"}
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in ("float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
}


class BadAnswer(Exception):
    """A port's answer that cannot be read; the message is one line."""


def inside(folder: Path, path: Any) -> Path:
    """The file of that path, which must lie in the folder, links followed."""
    if not isinstance(path, str) or not path or "\0" in path:
        raise BadAnswer(f"expected the path of a file, got {str(path)[:80]!r}")
    try:
        file, root = (folder / path).resolve(), folder.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
        raise BadAnswer(f"expected the path of a file, got {path!r}: {one_line(str(error))}") from None
    if not file.is_relative_to(root) or file == root:
        raise BadAnswer(f"expected a path inside of {folder}, got {path!r}")
    return file


def read_answer(folder: Path, stated: Any) -> Any:
    """What a port states about one answer, `{"value": JSON}` or `{"file", "dtype", "shape"}`, as JSON or as an array."""
    if not isinstance(stated, Mapping):
        raise BadAnswer(f'expected {{"file", "dtype", "shape"}} or {{"value"}}, got {json.dumps(stated)[:80]}')
    if "value" in stated:
        return stated["value"]
    file = inside(folder, stated.get("file"))
    if file.suffix == ".npy":
        return read_npy(file)
    name, shape = stated.get("dtype"), stated.get("shape")
    if name not in DTYPES:
        raise BadAnswer(f"{file.name}: expected a dtype out of {', '.join(DTYPES)}, got {name!r}")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise BadAnswer(f"{file.name}: expected a shape, a list of whole numbers, got {str(shape)[:80]}")
    data, dtype = _bytes(file), DTYPES[name]
    expected = math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise BadAnswer(f"{file.name}: expected {expected} bytes for {name} {shape}, got {len(data)}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def read_npy(file: Path) -> Array:
    """A `.npy` file; no pickles, and no bytes too many or too few."""
    data = _bytes(file)
    try:
        from io import BytesIO

        stream = BytesIO(data)
        form: Any = np.lib.format  # which older NumPys leave untyped
        version = form.read_magic(stream)
        read_header = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        shape, fortran, dtype = read_header(stream)
        rest = data[stream.tell() :]
    except Exception as error:  # NumPy raises much on what is no header
        raise BadAnswer(f"{file.name}: expected a .npy file, got {one_line(str(error))[:100]}") from None
    if dtype.name not in DTYPES:
        raise BadAnswer(f"{file.name}: expected a dtype out of {', '.join(DTYPES)}, got {dtype}")
    if len(rest) != math.prod(shape) * dtype.itemsize:
        raise BadAnswer(
            f"{file.name}: expected {math.prod(shape) * dtype.itemsize} bytes for {dtype} {list(shape)}, got {len(rest)}"
        )
    array: Array = np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="))


def read_json(file: Path) -> Any:
    """A JSON file of a port's."""
    try:
        return json.loads(_bytes(file))
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"{file.name}: expected JSON, got {one_line(str(error))[:100]}") from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadAnswer(f"{file.name}: expected a file that can be read, got {error.strerror or error}") from None


def describe(array: Array, file: str) -> dict[str, Any]:
    """What a question states about one of its inputs."""
    return {"file": file, "dtype": array.dtype.name, "shape": list(array.shape)}


def write_tensor(folder: Path, name: str, array: Array, form: str = "raw") -> dict[str, Any]:
    """Write an array as `folder/name` with the suffix of its format; gives its description."""
    file = folder / f"{name}{FORMATS[form]}"
    plain = np.ascontiguousarray(array).reshape(array.shape)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if form == "npy":
            np.save(file, plain, allow_pickle=False)
        else:
            file.write_bytes(plain.astype(plain.dtype.newbyteorder("<")).tobytes())
    except OSError as error:
        raise GoldenError(f"{file}: expected to write an input there, got: {error.strerror or error}") from None
    return describe(array, f"{name}{FORMATS[form]}")
