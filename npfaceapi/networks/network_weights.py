"""The weights of a network: loaded from files, arrays or the package, checked, and exported.

Weights are replaced completely or not at all: the name, shape and dtype of every tensor are checked first.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, WeightsError, shown
from npfaceapi.graph import ParamTree
from npfaceapi.locks import ForkSafeLock
from npfaceapi.networks import registry, unbundled
from npfaceapi.networks.loaded import Loaded, Tensors
from npfaceapi.weights import bundled_weights, bundled_weights_shapes, load_weight_map

__all__ = ["NetworkWeights", "Shapes", "Weights", "as_array", "has_files"]

Shapes = dict[str, tuple[int, ...]]
#: The argument of `load`: a folder, a manifest or a URL, a `.weights` file, a flat array, None for the bundled weights.
Weights: TypeAlias = "str | os.PathLike[str] | NDArray[np.float32] | None"


_MANIFEST, _FLAT = "-weights_manifest.json", ".weights"


def as_array(values: ArrayLike) -> NDArray[Any]:
    """An array; an object array if NumPy makes none."""
    try:
        return np.asarray(values)
    except ValueError:  # ragged lists
        return np.empty((), object)


class NetworkWeights:
    """An object with the weights of a model: a network, or several networks of one model."""

    model_name: str
    decode_params: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, bundled: bool = False) -> None:
        self._bundled = bundled
        self._loaded: Loaded | None = None
        self._lock = ForkSafeLock()
        #: A function and its arguments that return this very network, if it is one of `npfaceapi.nets`.
        self._found_by: tuple[Callable[[str], Any], tuple[str]] | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether weights are in memory (those of `npfaceapi.nets` are read on first use)."""
        return self._loaded is not None

    @property
    def tensors(self) -> Tensors:
        """Every tensor of the network by its name in the manifest; read-only float32 arrays."""
        return self._ready().tensors

    @property
    def params(self) -> ParamTree:
        """The tensors as a nested dict, `net.params["dense0"]["conv1"]["bias"]`."""
        tree = ParamTree({name: t.shape for name, t in self.tensors.items()})
        for name, tensor in self.tensors.items():
            *folders, leaf = name.split("/")
            level = tree
            for folder in folders:
                level = level[folder]
            level[leaf] = tensor
        return tree

    def shapes(self) -> Shapes:
        """Name and shape of every tensor in the model's manifest."""
        return bundled_weights_shapes(self.model_name)

    def flat_order(self) -> list[str]:
        """The names of the tensors in the order of the flat form (see `load` with an array, and `serialize_params`)."""
        used = self._used()
        return [name for name in self.shapes() if name in used]

    def _flat_sizes(self) -> list[int]:
        shapes = self.shapes()
        return [math.prod(shapes[name]) for name in self.flat_order()]

    def from_flat(self, name: str, values: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """One tensor from its slice of the flat form."""
        return values.reshape(shape)

    def to_flat(self, name: str, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """One tensor as a slice of the flat form."""
        return tensor.reshape(-1)

    def _used(self) -> set[str]:
        """The names of the model's tensors that are used."""
        return set(self.shapes())

    def _where(self) -> str:
        return type(self).__name__

    def _ready(self) -> Loaded:
        loaded = self._loaded
        if loaded is None:
            if not self._bundled:
                self._refuse_without_weights()
            with self._lock:
                if self._loaded is None:
                    self._load_bundled()
                loaded = self._loaded
        assert loaded is not None
        return loaded

    def _refuse_without_weights(self) -> None:
        raise WeightsError(f"{self._where()}: expected weights before use, got none: call net.load() for the bundled ones")

    def _load_bundled(self) -> None:
        self._loaded = Loaded(self._read_bundled(), self._read_bundled, self.decode_params)

    def _read_bundled(self) -> Tensors:
        return self._checked(bundled_weights(self.model_name, self._used()), self.model_name, ours=True)

    def _set(self, weights: Mapping[str, ArrayLike], where: str, *, ours: bool = False) -> None:
        """Check every tensor, then replace the weights; on an error nothing changes."""
        tensors = self._checked(weights, where, ours=ours)
        if ours:
            self._tell_if_unknown(tensors, where)
        self._loaded = Loaded(tensors, always=self.decode_params)

    def _tell_if_unknown(self, tensors: Tensors, where: str) -> None:
        """Warn of weights other than the published ones, if those are known."""
        known = unbundled.known_numbers(self.model_name)
        if not known:
            return
        digest = hashlib.sha256()
        for name in self.flat_order():
            digest.update(np.ascontiguousarray(self.to_flat(name, tensors[name]), "<f4").data)
        if digest.hexdigest() not in known:
            from npfaceapi.display.standard_error import warn

            warn(
                f"npfaceapi {where}: expected the published weights of {self._where()}, whose float32 numbers have SHA-256 "
                f"{' or '.join(known)}, got {digest.hexdigest()}: they are used, but no golden case covers them",
                UserWarning,
            )

    def _checked(self, weights: Mapping[str, ArrayLike], where: str, *, ours: bool) -> Tensors:
        """The checked tensors, copied unless they are `ours` (just read from files): a caller's array can change later."""
        take = np.asarray if ours else np.array
        used, shapes = self._used(), self.shapes()
        tensors: Tensors = {}
        for name in shapes:
            if name not in used:
                continue
            if name not in weights:
                raise WeightsError(f"{where}: expected tensor {name} of shape {list(shapes[name])}, got none")
            given = as_array(weights[name])
            if given.dtype.kind not in "fiub":
                raise WeightsError(f"{where}: expected numbers in tensor {name}, got {given.dtype}")
            if given.shape != shapes[name]:
                raise WeightsError(f"{where}: expected tensor {name} of shape {list(shapes[name])}, got {list(given.shape)}")
            with np.errstate(over="ignore"):  # values too large for float32 become infinity, which is refused
                tensor = take(given, np.float32, order="C")
            if not np.isfinite(tensor).all():
                raise WeightsError(f"{where}: expected finite numbers in tensor {name}, got NaN or infinity")
            tensor.flags.writeable = False
            tensors[name] = tensor
        extra = [name for name in weights if name not in shapes]
        if extra:
            raise WeightsError(
                f"{where}: expected only the tensors of {self._where()}, got {extra[0]} as well ({len(extra)} extra)"
            )
        return tensors

    def load(self, weights: Weights = None) -> None:
        """Load weights: the bundled ones, a flat float32 array, a `.weights` file, or what `load_from_uri` takes.

        Parameters
        ----------
        weights : None, ndarray, str or path
            None for the bundled weights; a 1-D float32 array of all tensors in flat order, or the path of a file
            of these; any other string or path goes to `load_from_uri`.

        Raises
        ------
        WeightsError
            If the weights are missing, damaged or wrong; the old ones stay in place.
        """
        if weights is None:
            self._load_bundled()
        elif isinstance(weights, (str, os.PathLike)):
            text = os.fspath(weights)
            if isinstance(text, str) and text.endswith(_FLAT):
                self._load_flat(text)
            else:
                self.load_from_uri(weights)
        else:
            self.extract_weights(weights)

    def load_from_disk(self, path: str | os.PathLike[str]) -> None:
        """Load weights from a folder of model files (from `<model>.weights` if it has no manifest), or from a manifest."""
        flat = None if _file_in(path, self.model_name + _MANIFEST) else _file_in(path, self.model_name + _FLAT)
        if flat is None:
            self._load_files(path, "load_from_disk")
        else:
            self._load_flat(flat)

    def load_from_uri(self, uri: str | os.PathLike[str]) -> None:
        """Load weights from the URL (or path) of a folder of model files, or of a manifest in it."""
        self._load_files(uri, "load_from_uri")

    def _load_files(self, uri: str | os.PathLike[str], name: str) -> None:
        if not isinstance(uri, (str, os.PathLike)):
            raise InvalidType(f"{self._where()}.{name}: expected a folder, a manifest or a URL, got {type(uri).__name__}")
        self._set(load_weight_map(uri, self.model_name), str(os.fspath(uri)), ours=True)

    def _load_flat(self, uri: str) -> None:
        from npfaceapi.photos.fetch import fetch_net_weights

        try:
            flat = fetch_net_weights(uri)
        except FetchError as error:
            raise WeightsError(str(error)) from None
        self._extract(flat, uri, ours=True)

    def load_from_weight_map(self, weight_map: Mapping[str, ArrayLike]) -> None:
        """Load weights from a dict of name -> array, named as in the manifest."""
        if not isinstance(weight_map, Mapping):
            raise InvalidType(f"{self._where()}.load_from_weight_map: expected a dict of arrays, got {type(weight_map).__name__}")
        self._set(weight_map, f"{self._where()}.load_from_weight_map")

    def extract_weights(self, weights: NDArray[np.float32]) -> None:
        """Load weights from a flat float32 array of all tensors (`flat_order` names them)."""
        self._extract(weights, f"{self._where()}.load")

    def _extract(self, weights: NDArray[np.float32], where: str, *, ours: bool = False) -> None:
        flat = as_array(weights)
        if flat.ndim != 1 or flat.dtype != np.float32:
            raise InvalidType(f"{where}: expected a 1-D float32 array, got {flat.ndim}-D {flat.dtype}")
        shapes, order, sizes = self.shapes(), self.flat_order(), self._flat_sizes()
        if sum(sizes) != flat.size:
            raise WeightsError(f"{where}: expected {sum(sizes)} numbers for {self._where()}, got {flat.size}{_owner(flat.size)}")
        slices = np.split(flat, np.cumsum(sizes)[:-1])
        tensors = {n: self.from_flat(n, values, shapes[n]) for n, values in zip(order, slices, strict=True)}
        self._set(tensors, where, ours=ours)

    def serialize_params(self) -> NDArray[np.float32]:
        """All tensors as one flat float32 array, which `load` accepts."""
        tensors = self.tensors
        return np.concatenate([self.to_flat(name, tensors[name]) for name in self.flat_order()])

    def get_param_list(self) -> list[tuple[str, NDArray[np.float32]]]:
        """Pairs of name and tensor, in the manifest's order."""
        return list(self.tensors.items())

    def get_param_from_path(self, path: str) -> NDArray[np.float32]:
        """The tensor with this name."""
        if not isinstance(path, str) or path not in self.tensors:
            raise InvalidArgument(f"{self._where()}: expected the name of a tensor, got {shown(path)}")
        return self.tensors[path]

    def reassign_param_from_path(self, path: str, tensor: ArrayLike) -> None:
        """Replace one tensor with another of the same shape."""
        self.get_param_from_path(path)
        self._set({**self.tensors, path: tensor}, f"{self._where()}.reassign_param_from_path")

    def dispose(self) -> None:
        """Release the weights and everything made from them."""
        with self._lock:  # not while another thread loads the bundled weights
            self._loaded = None

    def _arguments(self) -> tuple[object, ...]:
        """The arguments that its class was called with."""
        return ()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by name if it is one of `npfaceapi.nets` with the bundled weights, otherwise with its weights."""
        loaded = self._loaded
        own = loaded is not None and not loaded.is_bundled
        if self._found_by is not None and not own:
            return self._found_by
        weights = self.tensors if own else None
        return _made_again, (type(self), self._arguments(), self._bundled, loaded is not None, weights)

    def __copy__(self) -> NetworkWeights:
        """An independent network that has the same weights until either of the two loads others."""
        copied = type(self)(*self._arguments(), bundled=self._bundled)
        copied._loaded = self._loaded
        return copied

    def __deepcopy__(self, memo: object) -> NetworkWeights:
        return self.__copy__()

    def __repr__(self) -> str:
        return f"<{self._where()}: {'loaded' if self.is_loaded else 'not loaded yet' if self._bundled else 'no weights'}>"


def has_files(folder: str | os.PathLike[str], model_name: str) -> bool:
    """Whether a folder has a file of a model that `load_from_disk` finds."""
    return any(_file_in(folder, model_name + ending) for ending in (_MANIFEST, _FLAT))


def _file_in(folder: object, name: str) -> str | None:
    """The path of a file, or None if it does not exist."""
    if not isinstance(folder, (str, os.PathLike)) or not isinstance(start := os.fspath(folder), str):
        return None
    path = os.path.join(start, name)
    return path if os.path.isfile(path) else None


def _owner(count: int) -> str:
    """The network with that many weights, for an error message; "" if none."""
    if count in unbundled.OLDER_SIZES:
        return f", as many as {unbundled.OLDER_SIZES[count]} had"
    for net in registry.NETS.values():
        variants = {net.class_name: net.cls(), **{f"{net.class_name}(False)": net.cls(False) for _ in net.variants}}
        for name, made in variants.items():
            if sum(made._flat_sizes()) == count:
                return f", as many as {name} has"
    return ""


def _made_again(cls: Any, arguments: tuple[Any, ...], bundled: bool, is_loaded: bool, weights: Any) -> Any:
    """Unpickle a network."""
    net = cls(*arguments, bundled=bundled)
    if is_loaded:
        net.load() if weights is None else net.load_from_weight_map(weights)
    return net
