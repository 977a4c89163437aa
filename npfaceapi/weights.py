"""Weight files: a JSON manifest and raw shards, decoded to a flat dict from names to arrays, float32 in all bundled models.

The format is TensorFlow.js's.  The manifest is a list of groups `{"weights": [...], "paths": [...]}`; the
shards of a group are concatenated, and hold its entries one after the other without alignment.  A quantized
entry holds integers q that stand for q * scale + min, evaluated in float64 and then rounded to float32.

A manifest is checked before a shard is read: its shards must be files in its own folder, and their total size follows from its
entries, so no more than that is ever read.

Source: face-api.js 0.22.2 (`loadWeightMap`) and TensorFlow.js 1.7.0 (`io.decodeWeights`).
"""

from __future__ import annotations

import functools
import hashlib
import io
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeGuard
from urllib.parse import SplitResult, quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, WeightsError, shown
from npfaceapi.photos.fetch import fetch_into, fetch_or_throw, is_url, path_of
from npfaceapi.reading.files import fill, open_inside, plain_name, reason_of
from npfaceapi.reading.json_text import read_json

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = [
    "OwnShards",
    "Shards",
    "ShardsInFolder",
    "bundled_weights",
    "bundled_weights_shapes",
    "data_folder",
    "is_shape",
    "load_weight_map",
    "read_tensors",
    "tensor_shapes",
]

Array = np.ndarray[Any, Any]
#: Tensors by name; those of every bundled model are float32.
WeightMap: TypeAlias = dict[str, NDArray[np.float32 | np.int32 | np.bool_ | np.uint8 | np.uint16]]

#: How each dtype is stored in a shard.
_STORED = {"float32": "<f4", "int32": "<i4", "bool": "u1", "uint8": "u1", "uint16": "<u2"}
#: The largest quantized numbers, and the largest decoded ones.
_LEVELS = {"uint8": 255, "uint16": 65535}
_LARGEST = {"float32": float(np.finfo(np.float32).max), "int32": 2.0**31 - 1}
#: Limits of a manifest: its bytes, the bytes of all its decoded tensors (the largest model has 63 million), and the dimensions
#: of a tensor, as in NumPy 1.
_MAX_MANIFEST_BYTES, _MAX_BYTES, _MAX_DIMENSIONS = 2**24, 2**30, 32
_CHUNK = 2**13  # numbers decoded at once


def data_folder(name: str) -> Traversable:
    """The folder `weights` or `golden`: the checkout's own in a clone or an editable install, otherwise the installed copy."""
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    return resources.files("npfaceapi").joinpath("_data").joinpath(name)


# ------------------------------------------------------------------ the manifest


class _Entry(NamedTuple):
    """A tensor of a manifest."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    stored: np.dtype[Any]
    quantization: tuple[float, float] | None  # scale, min

    @property
    def nbytes(self) -> int:
        """The bytes that it takes in the shards."""
        return math.prod(self.shape) * self.stored.itemsize


class _Group(NamedTuple):
    """Tensors stored one after the other in some concatenated shards."""

    entries: list[_Entry]
    paths: list[str]

    def check_length(self, length: int, where: str) -> None:
        """Raise WeightsError unless the shards have as many bytes as the entries say."""
        files, end = ", ".join(self.paths), 0
        for entry in self.entries:
            at, end = end, end + entry.nbytes
            if end > length:
                raise WeightsError(
                    f"{files}: expected bytes {at} to {end} for tensor {entry.name}, got {length} bytes in all (truncated?)"
                )
        if end < length:
            raise WeightsError(f"{files}: expected {end} bytes as {where} lists them, got {length}")


def _manifest(data: bytes, where: str) -> list[_Group]:
    try:
        groups = [_group(each) for each in _of(list, read_json(data), "manifest")]
        _refuse_repeated("tensor", [entry.name for group in groups for entry in group.entries])
        _refuse_repeated("shard", [path for group in groups for path in group.paths])
        decoded = sum(math.prod(e.shape) * np.dtype(e.dtype).itemsize for group in groups for e in group.entries)
        if decoded > _MAX_BYTES:
            raise ValueError(f"tensors of {decoded} bytes, more than {_MAX_BYTES}")
    except ValueError as error:
        raise WeightsError(f"{where}: expected a TensorFlow.js weights manifest (JSON), got {error}") from None
    return groups


def _group(stated: Any) -> _Group:
    entries, paths = (_field(stated, key, list) for key in ("weights", "paths"))
    return _Group([_entry(each) for each in entries], [plain_name(_of(str, path, "path")) for path in paths])


def _entry(stated: Any) -> _Entry:
    name, shape, dtype = _field(stated, "name", str), _field(stated, "shape", list), _field(stated, "dtype", str)
    if not is_shape(shape):
        raise ValueError(f"tensor {name} of shape {shown(shape)}")
    quantization, stored = None, dtype
    if "quantization" in stated:
        how = _field(stated, "quantization", dict)
        stored, scale, least = _field(how, "dtype", str), _field(how, "scale", int, float), _field(how, "min", int, float)
        quantization = float(scale), float(least)
    if dtype not in _STORED or stored not in _STORED or (quantization and (stored not in _LEVELS or dtype not in _LARGEST)):
        raise ValueError(f"tensor {name} of dtype {shown(dtype)}, stored as {shown(stored)}")
    if quantization and not all(abs(q * quantization[0] + quantization[1]) <= _LARGEST[dtype] for q in (0, _LEVELS[stored])):
        raise ValueError(f"tensor {name} with numbers beyond {dtype}: scale {quantization[0]}, min {quantization[1]}")
    return _Entry(name, tuple(shape), dtype, np.dtype(_STORED[stored]), quantization)


def is_shape(value: object, most: int = _MAX_BYTES) -> TypeGuard[list[int]]:
    """Whether a JSON value is a shape of at most `most` numbers; a 0 counts as 1, as in NumPy's own limit."""
    if not isinstance(value, list) or len(value) > _MAX_DIMENSIONS or not all(type(n) is int and n >= 0 for n in value):
        return False
    return math.prod(n or 1 for n in value) <= most


def _field(stated: Any, key: str, *kinds: type) -> Any:
    return _of(kinds, _of(dict, stated, "object").get(key), key)


def _of(kinds: type | tuple[type, ...], value: Any, what: str) -> Any:
    """The value, if it is of one of these types; bool does not count as int."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ValueError(f"{what} {shown(value)}")
    return value


def _refuse_repeated(what: str, names: list[str]) -> None:
    for name, count in Counter(names).most_common(1):
        if count > 1:
            raise ValueError(f"{what} {name} twice")


def tensor_shapes(manifest: bytes, where: str) -> dict[str, tuple[int, ...]]:
    """The shape of every entry of a manifest by name, in order."""
    return {entry.name: entry.shape for group in _manifest(manifest, where) for entry in group.entries}


# ------------------------------------------------------------------ shards


class Shards(Protocol):
    """A source of the shards of a manifest."""

    def size(self, path: str) -> int | None:
        """The size of a shard in bytes; None if unknown before it is read."""
        ...

    def read_into(self, path: str, room: memoryview) -> int:
        """Read a shard into the start of `room`; returns its length, or more than `len(room)` if it does not fit."""
        ...


class OwnShards:
    """Bundled shards, read by a function."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read

    def size(self, path: str) -> int | None:
        return None

    def read_into(self, path: str, room: memoryview) -> int:
        data = self._read(path)
        room[: len(data)] = data[: len(room)]
        return len(data)


class ShardsInFolder:
    """Shards in a folder that is not trusted: only regular files, and no link that leads out of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, path: str) -> int | None:
        return self._open(path, lambda file: os.fstat(file.fileno()).st_size)

    def read_into(self, path: str, room: memoryview) -> int:
        return self._open(path, lambda file: fill(file, room))

    def _open(self, path: str, use: Callable[[io.BufferedIOBase], int]) -> int:
        try:
            with open_inside(self._folder, path) as file:
                return use(file)
        except (OSError, ValueError) as error:
            raise WeightsError(f"{self._folder / path}: expected a readable weight file, got {reason_of(error)}") from None


class _ShardsAtUrl:
    """Shards in the folder of a URL, requested with the URL's query."""

    def __init__(self, folder: SplitResult) -> None:
        self._folder = folder

    def size(self, path: str) -> int | None:
        return None

    def read_into(self, path: str, room: memoryview) -> int:
        url = self._folder._replace(path=f"{self._folder.path}/{quote(path)}").geturl()
        try:
            return fetch_into(url, room)
        except FetchError as error:
            raise WeightsError(str(error)) from None


# ------------------------------------------------------------------ tensors


def _decode(entry: _Entry, raw: Array) -> Array:
    if entry.quantization is None:
        return raw.astype(np.dtype(entry.dtype)).reshape(entry.shape)
    scale, least = entry.quantization
    decoded = np.empty(raw.size, entry.dtype)
    for at in range(0, raw.size, _CHUNK):  # in chunks: the whole tensor in float64 takes eight times the bytes of its shard
        values = raw[at : at + _CHUNK].astype(np.float64)
        values *= scale
        values += least
        decoded[at : at + _CHUNK] = np.floor(values + 0.5) if entry.dtype == "int32" else values
    return decoded.reshape(entry.shape)


def read_tensors(manifest: bytes, shards: Shards, where: str, names: Iterable[str] | None = None) -> WeightMap:
    """Decode the tensors of a manifest.

    Besides the tensors, it takes at most as much memory as the shards have bytes.

    Parameters
    ----------
    manifest : bytes
        The JSON text.
    shards : Shards
        Where the shards are read from.
    where : str
        The manifest's file name, for error messages.
    names : iterable of str, optional
        Decode these tensors only.

    Raises
    ------
    WeightsError
        If a shard is missing, too short or too long; the message names the file, the tensor and the bytes.
    """
    wanted = None if names is None else set(names)
    groups = _manifest(manifest, where)
    for group in groups:
        sizes = [size for path in group.paths if (size := shards.size(path)) is not None]
        if len(sizes) == len(group.paths):
            group.check_length(sum(sizes), where)
    tensors: WeightMap = {}
    for group in groups:
        data, at = np.empty(sum(entry.nbytes for entry in group.entries), np.uint8), 0
        for path in group.paths:
            at += shards.read_into(path, data.data[at:])
            if at > len(data):
                break
        group.check_length(at, where)
        at = 0
        for entry in group.entries:
            raw = data[at : at + entry.nbytes].view(entry.stored)
            if wanted is None or entry.name in wanted:
                tensors[entry.name] = _decode(entry, raw)
            at += entry.nbytes
    return tensors


@functools.cache
def _checksums() -> dict[str, str]:
    folder = data_folder("weights")
    try:
        lines = folder.joinpath("SHA256SUMS").read_text("ascii").splitlines()
    except OSError:
        raise WeightsError(
            f"{folder}: expected the bundled weights with their SHA256SUMS, got no such file; reinstall npfaceapi"
        ) from None
    return {name.lstrip("*"): digest for digest, name in (line.split() for line in lines if line)}


def _read_bundled(name: str) -> bytes:
    file = data_folder("weights").joinpath(name)
    try:
        data = file.read_bytes()
    except OSError:
        raise WeightsError(f"{file}: expected a bundled weight file, got no readable file; reinstall npfaceapi") from None
    expected, found = _checksums().get(name), hashlib.sha256(data).hexdigest()
    if found != expected:
        raise WeightsError(f"{file}: expected SHA-256 {expected}, got {found} ({len(data)} bytes); reinstall npfaceapi")
    return data


@functools.cache
def bundled_weights_shapes(model: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a bundled model's tensors by name, read from its manifest alone."""
    name = f"{model}-weights_manifest.json"
    return tensor_shapes(_read_bundled(name), name)


def bundled_weights(model: str, names: Iterable[str] | None = None) -> WeightMap:
    """The tensors of a bundled model; the hashes of its files are checked."""
    name = f"{model}-weights_manifest.json"
    return read_tensors(_read_bundled(name), OwnShards(_read_bundled), name, names)


def load_weight_map(uri: str | os.PathLike[str] | None, default_model_name: str) -> WeightMap:
    """Load every tensor of a model from a folder, a manifest file or a URL of either.

    Parameters
    ----------
    uri : str, path or None
        A folder (the manifest is `<default_model_name>-weights_manifest.json` in it), a path that ends in
        `.json`, or an `http(s)://` or `file:` URL of either; None means the bundled files.
    default_model_name : str
        For example `face_landmark_68_model`.

    Returns
    -------
    dict of str to ndarray
        float32 arrays by the manifest's names.

    Raises
    ------
    WeightsError
        If a file is missing, damaged, truncated or too long.

    Examples
    --------
    >>> len(load_weight_map(None, "face_landmark_68_model"))
    49
    """
    if uri is None and isinstance(default_model_name, str):
        return bundled_weights(default_model_name)
    if not isinstance(uri, (str, os.PathLike)) or not isinstance(default_model_name, str):
        raise InvalidType(f"load_weight_map: expected a path or URL and a name, got {shown(uri)}, {shown(default_model_name)}")
    text = os.fspath(uri)
    if not isinstance(text, str) or not text:
        raise InvalidArgument(f"load_weight_map: expected a folder, a manifest file or a URL, got {shown(uri)}")
    name = f"{default_model_name}-weights_manifest.json"
    manifest: str | Path
    shards: Shards
    try:
        if is_url(text) and text[:5].lower() != "file:":
            manifest, shards = _on_server(text, name)
        else:
            path = Path(path_of(text) if is_url(text) else text)
            manifest = path if path.suffix == ".json" else path / name
            shards = ShardsInFolder(manifest.parent)
        return read_tensors(fetch_or_throw(manifest, max_bytes=_MAX_MANIFEST_BYTES), shards, str(manifest))
    except FetchError as error:
        raise WeightsError(str(error)) from None


def _on_server(url: str, name: str) -> tuple[str, Shards]:
    """The URL of the manifest, and its shards: they have the same host and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise WeightsError(f"{url}: expected the URL of a folder or of a manifest, got none") from None
    path = parts.path if url.endswith(".json") or parts.path.endswith(".json") else f"{parts.path.rstrip('/')}/{name}"
    return parts._replace(path=path).geturl(), _ShardsAtUrl(parts._replace(path=path.rpartition("/")[0]))
