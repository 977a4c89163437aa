"""Weight files: a JSON manifest and raw shards, decoded to a flat dict of name -> float32 array.

The format is TensorFlow.js's.  The manifest is a list of groups `{"weights": [...], "paths": [...]}`; the
shards of a group are joined, and its entries follow each other in them without any alignment.  A quantized
entry holds integers q that stand for q * scale + min, evaluated in float64 and then rounded to float32.

Source: face-api.js 0.22.2 (`loadWeightMap`) and TensorFlow.js 1.7.0 (`io.decodeWeights`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import FetchError, InvalidArgument, WeightsError

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = ["bundled_weights", "bundled_weights_shapes", "data_folder", "load_weight_map", "read_tensors", "tensor_shapes"]

Array = np.ndarray[Any, Any]
#: Tensors by name; those of every bundled model are float32.
WeightMap: TypeAlias = dict[str, NDArray[np.float32 | np.int32 | np.bool_ | np.uint8 | np.uint16]]

_STORED = {"float32": "<f4", "int32": "<i4", "bool": "u1", "uint8": "u1", "uint16": "<u2"}


def data_folder(name: str) -> Traversable:
    """The folder `weights` or `golden`: the checkout's own in a clone or an editable install, else the installed copy."""
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    return resources.files("npfaceapi").joinpath("_data").joinpath(name)


def _manifest(data: bytes, where: str) -> list[dict[str, Any]]:
    try:
        groups, names = json.loads(data), set()
        for group in groups:
            for entry in group["weights"]:
                _check_entry(entry)
                if entry["name"] in names:
                    raise ValueError(f"tensor {entry['name']} twice")
                names.add(entry["name"])
            if not all(isinstance(path, str) for path in group["paths"]):
                raise ValueError(f"paths: {group['paths']}")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{where}: expected a TensorFlow.js weights manifest (JSON), got {_shorten(error)}") from None
    return list(groups)


def _check_entry(entry: Mapping[str, Any]) -> None:
    name, shape, quantization = entry["name"], entry["shape"], entry.get("quantization")
    if not isinstance(name, str) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"tensor {name!r} of shape {shape!r}")
    if _stored_dtype(entry) not in _STORED or entry["dtype"] not in _STORED:
        raise ValueError(f"tensor {name} of dtype {_stored_dtype(entry)!r}")
    if quantization is not None and not all(isinstance(quantization[key], (int, float)) for key in ("scale", "min")):
        raise ValueError(f"tensor {name} with quantization {quantization!r}")


def _shorten(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]


def _stored_dtype(entry: Mapping[str, Any]) -> str:
    return str(entry["quantization"]["dtype"] if "quantization" in entry else entry["dtype"])


def tensor_shapes(manifest: bytes, where: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every entry of a manifest, in its order."""
    return {e["name"]: tuple(e["shape"]) for group in _manifest(manifest, where) for e in group["weights"]}


def _decode(entry: Mapping[str, Any], raw: Array) -> Array:
    quantization = entry.get("quantization")
    if quantization is not None:
        narrow = raw.dtype.kind == "u"  # few values, so each is computed once: the whole tensor in float64 would take much memory
        levels = np.arange(np.iinfo(raw.dtype).max + 1, dtype=np.float64) if narrow else raw.astype(np.float64)
        values = levels * quantization["scale"] + quantization["min"]
        decoded = np.floor(values + 0.5).astype(np.int32) if entry["dtype"] == "int32" else values.astype(np.float32)
        decoded = decoded[raw] if narrow else decoded
    else:
        decoded = raw.astype({"float32": np.float32, "int32": np.int32, "bool": np.bool_}.get(entry["dtype"], raw.dtype))
    return np.asarray(decoded.reshape(entry["shape"]))


def read_tensors(manifest: bytes, read: Callable[[str], bytes], where: str, names: Iterable[str] | None = None) -> WeightMap:
    """Decode the tensors of a manifest; `read(path)` gives the bytes of a shard.

    Parameters
    ----------
    manifest : bytes
        The JSON text.
    read : callable
        Called with each path of the manifest.
    where : str
        The manifest's file name, for error messages.
    names : iterable of str, optional
        Decode these tensors only.

    Raises
    ------
    WeightsError
        A shard is missing, too short or too long; the message names the file, the tensor and the bytes.
    """
    wanted = None if names is None else set(names)
    tensors: WeightMap = {}
    for group in _manifest(manifest, where):
        shards = [read(path) for path in group["paths"]]
        data, at = b"".join(shards), 0
        files = ", ".join(group["paths"])
        for entry in group["weights"]:
            dtype = np.dtype(_STORED[_stored_dtype(entry)])
            count = math.prod(entry["shape"])
            end = at + count * dtype.itemsize
            if end > len(data):
                raise WeightsError(
                    f"{files}: expected bytes {at} to {end} for tensor {entry['name']}, got {len(data)} bytes in all (truncated?)"
                )
            if wanted is None or entry["name"] in wanted:
                tensors[entry["name"]] = _decode(entry, np.frombuffer(data, dtype, count, at))
            at = end
        if at != len(data):
            raise WeightsError(f"{files}: expected {at} bytes as {where} lists them, got {len(data)}")
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
    """Name -> shape of a bundled model's tensors, from its manifest alone."""
    name = f"{model}-weights_manifest.json"
    return tensor_shapes(_read_bundled(name), name)


def bundled_weights(model: str, names: Iterable[str] | None = None) -> WeightMap:
    """The tensors of a bundled model, its files' hashes checked."""
    name = f"{model}-weights_manifest.json"
    return read_tensors(_read_bundled(name), _read_bundled, name, names)


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
        A file is missing, damaged, truncated or too long.

    Examples
    --------
    >>> len(load_weight_map(None, "face_landmark_68_model"))
    49
    """
    if uri is None:
        return bundled_weights(default_model_name)
    text = os.fspath(uri)
    if not isinstance(text, str) or not text:
        raise InvalidArgument(f"load_weight_map: expected a folder, a manifest file or a URL, got {uri!r}")
    if text.startswith(("http://", "https://", "file:")):
        return _load_from_url(text, default_model_name)
    path = Path(text)
    manifest = path if path.suffix == ".json" else path / f"{default_model_name}-weights_manifest.json"

    def read(name: str) -> bytes:
        file = manifest.parent / name
        try:
            return file.read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            reason = getattr(error, "strerror", None) or error
            raise WeightsError(f"{file}: expected a readable weight file, got {reason}") from None

    return read_tensors(read(manifest.name), read, manifest.name)


def _load_from_url(url: str, default_model_name: str) -> WeightMap:
    from npfaceapi.photos.fetch import fetch_or_throw

    address = url if url.endswith(".json") else f"{url.rstrip('/')}/{default_model_name}-weights_manifest.json"
    folder = address.rpartition("/")[0]

    def read(name: str) -> bytes:
        try:
            return fetch_or_throw(f"{folder}/{name}")
        except FetchError as error:
            raise WeightsError(str(error)) from None

    name = address.rpartition("/")[2]
    return read_tensors(read(name), read, name)
