"""What all networks share: their weights, the recorded graph, and running it.

    photos --to_batch--> [N,S,S,3] in 0..255 --run_net--> raw outputs --forward, locate_faces, ...--> what face-api.js gives

A network's own file states its definition, its input size, and what its raw outputs mean; backends run the definition's graph.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from npfaceapi.engines import dispatch
from npfaceapi.engines.reference import softmax
from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, WeightsError
from npfaceapi.graph import Graph, Node, ParamTree, record
from npfaceapi.locks import ForkSafeLock
from npfaceapi.networks.loaded import MAX_PROGRAMS, Loaded, Made
from npfaceapi.photos.net_input import NetInput, compute_reshaped_dimensions, to_net_input
from npfaceapi.taps import Taps
from npfaceapi.weights import bundled_weights, bundled_weights_shapes, load_weight_map

__all__ = ["NeuralNetwork", "Shapes", "one_or_list", "options_or_default", "reshaped_sizes_of", "sizes_of", "softmax"]

Array = np.ndarray[Any, Any]
Shapes = dict[str, tuple[int, ...]]
T = TypeVar("T")


def one_or_list(results: list[T], net_input: NetInput) -> T | list[T]:
    """A list if a list of photos came in, else its only element."""
    return results if net_input.is_batch_input else results[0]


def sizes_of(net_input: NetInput) -> list[tuple[int, int]]:
    """(width, height) of each photo."""
    return [(width, height) for height, width, _ in net_input.input_dimensions]


def reshaped_sizes_of(net_input: NetInput, input_size: int) -> list[tuple[int, int]]:
    """(width, height) of each photo inside of the padded and resized square, rounded as face-api.js rounds them."""
    reshaped = [compute_reshaped_dimensions(width, height, input_size) for width, height in sizes_of(net_input)]
    return [(int(size.width), int(size.height)) for size in reshaped]


def _as_array(values: Any) -> Array:
    try:
        return np.asarray(values)
    except ValueError:  # nested lists of several lengths
        return np.empty((), object)


def options_or_default(options: Any, cls: type[T], where: str) -> T:
    """The options of a detector, by default fresh ones; of another class they are refused."""
    if options is None:
        return cls()
    if not isinstance(options, cls):
        raise InvalidType(f"{where}: expected {cls.__name__}, got {type(options).__name__}")
    return options


class NeuralNetwork:
    """A network: weights, a recorded graph, and the levels `to_batch`, `run_net` and `forward`.

    Networks hold no state of a call: any number of threads may use one at the same time.
    """

    model_name: str
    definition: Callable[[Node, ParamTree], dict[str, Node]]
    input_size: int
    is_center_inputs: bool
    root: ClassVar[str] = ""
    decode_params: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, bundled: bool = False) -> None:
        self._bundled = bundled
        self._loaded: Loaded | None = None
        self._lock = ForkSafeLock()
        self._graphs: OrderedDict[tuple[int, ...], Graph] = OrderedDict()

    # ------------------------------------------------------------------ weights

    @property
    def is_loaded(self) -> bool:
        """Whether weights are in memory (those of `npfaceapi.nets` are read on first use)."""
        return self._loaded is not None

    @property
    def tensors(self) -> dict[str, Array]:
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
        """The names of the tensors in the order of the flat form (`load` of an array, `serialize_params`)."""
        used = self._used()
        return [name for name in self.shapes() if name in used]

    def from_flat(self, name: str, values: Array, shape: tuple[int, ...]) -> Array:
        """One tensor from its slice of the flat form."""
        return values.reshape(shape)

    def to_flat(self, name: str, tensor: Array) -> Array:
        """One tensor as a slice of the flat form."""
        return tensor.reshape(-1)

    def _used(self) -> set[str]:
        return {*self.graph().params, *self.decode_params}

    def _where(self) -> str:
        return type(self).__name__

    def _ready(self) -> Loaded:
        if self._loaded is None:
            if not self._bundled:
                self._refuse_without_weights()
            with self._lock:
                if self._loaded is None:
                    self._load_bundled()
        assert self._loaded is not None
        return self._loaded

    def _refuse_without_weights(self) -> None:
        raise WeightsError(f"{self._where()}: expected weights before use, got none: call net.load() for the bundled ones")

    def _load_bundled(self) -> None:
        self._loaded = Loaded(self._read_bundled(), self._read_bundled, self.decode_params)

    def _read_bundled(self) -> dict[str, Array]:
        return self._checked(bundled_weights(self.model_name, self._used()), self.model_name, ours=True)

    def _set(self, weights: Mapping[str, Any], where: str, *, ours: bool = False) -> None:
        """Check every tensor by name and shape, then take them over; on an error nothing changes."""
        self._loaded = Loaded(self._checked(weights, where, ours=ours), always=self.decode_params)

    def _checked(self, weights: Mapping[str, Any], where: str, *, ours: bool) -> dict[str, Array]:
        """Copies, unless the arrays are `ours`, just read from files: a caller's array can change later."""
        take = np.asarray if ours else np.array
        used, shapes = self._used(), self.shapes()
        tensors: dict[str, Array] = {}
        for name in shapes:
            if name not in used:
                continue
            if name not in weights:
                raise WeightsError(f"{where}: expected tensor {name} of shape {list(shapes[name])}, got none")
            given = _as_array(weights[name])
            if given.dtype.kind not in "fiub":
                raise WeightsError(f"{where}: expected numbers in tensor {name}, got {given.dtype}")
            if given.shape != shapes[name]:
                raise WeightsError(f"{where}: expected tensor {name} of shape {list(shapes[name])}, got {list(given.shape)}")
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which is refused
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

    def load(self, weights: Any = None) -> None:
        """Load weights: the bundled ones, a flat float32 array, a `.weights` file, or what `load_from_uri` takes.

        Parameters
        ----------
        weights : None, ndarray or str
            None for the bundled weights; a 1-D float32 array of all tensors in flat order, or the path of a file of
            such; anything else that is a string goes to `load_from_uri`.

        Raises
        ------
        WeightsError
            Missing, damaged or wrong weights; the old ones stay in place.
        """
        if weights is None:
            self._load_bundled()
        elif isinstance(weights, (str, os.PathLike)):
            text = os.fspath(weights)
            if isinstance(text, str) and text.endswith(".weights"):
                from npfaceapi.photos.fetch import fetch_net_weights

                try:
                    flat = fetch_net_weights(text)
                except FetchError as error:
                    raise WeightsError(str(error)) from None
                self._extract(flat, text)
            else:
                self.load_from_uri(weights)
        else:
            self.extract_weights(weights)

    def load_from_disk(self, path: str | os.PathLike[str]) -> None:
        """Load weights from a folder of model files, or from a manifest in it."""
        self._load_files(path, "load_from_disk")

    def load_from_uri(self, uri: str | os.PathLike[str]) -> None:
        """Load weights from the URL (or path) of a folder of model files, or of a manifest in it."""
        self._load_files(uri, "load_from_uri")

    def _load_files(self, uri: Any, name: str) -> None:
        if not isinstance(uri, (str, os.PathLike)):
            raise InvalidType(f"{self._where()}.{name}: expected a folder, a manifest or a URL, got {type(uri).__name__}")
        self._set(load_weight_map(uri, self.model_name), str(os.fspath(uri)), ours=True)

    def load_from_weight_map(self, weight_map: Mapping[str, Any]) -> None:
        """Load weights from a dict of name -> array, named as in the manifest."""
        if not isinstance(weight_map, Mapping):
            raise InvalidType(f"{self._where()}.load_from_weight_map: expected a dict of arrays, got {type(weight_map).__name__}")
        self._set(weight_map, f"{self._where()}.load_from_weight_map")

    def extract_weights(self, weights: Any) -> None:
        """Load weights from a flat float32 array of all tensors (`flat_order` names them)."""
        self._extract(weights, f"{self._where()}.load")

    def _extract(self, weights: Any, where: str) -> None:
        flat = _as_array(weights)
        if flat.ndim != 1 or flat.dtype != np.float32:
            raise InvalidType(f"{where}: expected a 1-D float32 array, got {flat.ndim}-D {flat.dtype}")
        shapes, order = self.shapes(), self.flat_order()
        sizes = [int(np.prod(shapes[name])) for name in order]
        if sum(sizes) != flat.size:
            raise WeightsError(f"{where}: expected {sum(sizes)} numbers for {self._where()}, got {flat.size}")
        slices = np.split(flat, np.cumsum(sizes)[:-1])
        tensors = {n: self.from_flat(n, values, shapes[n]) for n, values in zip(order, slices, strict=True)}
        self._set(tensors, where)

    def serialize_params(self) -> Array:
        """All tensors as one flat float32 array, which `load` takes back."""
        tensors = self.tensors
        return np.concatenate([self.to_flat(name, tensors[name]) for name in self.flat_order()])

    def get_param_list(self) -> list[tuple[str, Array]]:
        """Pairs of name and tensor, in the manifest's order."""
        return list(self.tensors.items())

    def get_param_from_path(self, path: str) -> Array:
        """The tensor of that name."""
        if path not in self.tensors:
            raise InvalidArgument(f"{self._where()}: expected the name of a tensor, got {path!r}")
        return self.tensors[path]

    def reassign_param_from_path(self, path: str, tensor: Any) -> None:
        """Replace one tensor by another of the same shape."""
        self.get_param_from_path(path)
        self._set({**self.tensors, path: tensor}, f"{self._where()}.reassign_param_from_path")

    def dispose(self) -> None:
        """Forget the weights and everything made from them."""
        self._loaded = None

    # ------------------------------------------------------------------ running

    def graph(self, height: int | None = None, width: int | None = None) -> Graph:
        """The recorded graph for an input of `height` x `width` pixels (default: the network's input size).

        Examples
        --------
        >>> from npfaceapi import nets
        >>> nets.face_recognition_net.graph().outputs["descriptor"].shape
        (128,)
        """
        height = self.input_size if height is None else height
        width = height if width is None else width
        if not all(isinstance(side, (int, np.integer)) and not isinstance(side, bool) and side > 0 for side in (height, width)):
            raise InvalidArgument(f"{self._where()}.graph: expected whole numbers from 1 up, got {height!r} x {width!r}")
        key = height, width = int(height), int(width)
        with self._lock:
            if key not in self._graphs:
                self._graphs[key] = record(self._where(), self.definition, self.shapes(), (height, width, 3), self.root)
            self._graphs.move_to_end(key)
            while len(self._graphs) > MAX_PROGRAMS:
                self._graphs.popitem(last=False)
            return self._graphs[key]

    def to_batch(self, photos: Any) -> Array:
        """Photos as the network takes them: float32 [N,S,S,3] in 0..255, padded and resized, before any mean or scale."""
        return to_net_input(photos).to_batch_tensor(self.input_size, self.is_center_inputs)

    def _run(self, batch: Any, names: Sequence[str] | None, backend: str | None) -> dict[str, Array]:
        """The values of the named nodes (None: the raw outputs) for a batch."""
        batch = _as_array(batch)
        if batch.ndim != 4 or batch.shape[3] != 3:
            raise InvalidArgument(f"{self._where()}: expected a batch [N,H,W,3], got an array {list(batch.shape)}")
        if batch.dtype.kind not in "fiu":
            raise InvalidType(f"{self._where()}: expected a batch of numbers, got {batch.dtype}")
        program, given = self._program(batch.shape[1:3], names, backend or dispatch.current_backend())
        return dict(zip(given, program(np.ascontiguousarray(batch, np.float32)), strict=True))

    def _program(self, size: tuple[int, int], names: Sequence[str] | None, backend: str) -> Made:
        """A small network takes less time than recording a graph would: whoever comes again only looks into a dict."""
        loaded = self._ready()

        def make(tensors: dict[str, Array]) -> Made:
            graph = self.graph(*size)
            wanted = graph.outputs if names is None else {name: graph.find(name) for name in names}
            return dispatch.prepare(graph, tensors, list(wanted.values()), backend), tuple(wanted)

        return loaded.program((backend, *size, None if names is None else tuple(names)), make)

    def plan(self, height: int | None = None, width: int | None = None, *, backend: str | None = None) -> Any:
        """What a backend made of the recorded graph: the very program that `run_net` calls.

        Parameters
        ----------
        height, width : int, optional
            Of the input in pixels, as for `graph`.
        backend : {"numba", "cuda"}, optional
            Default: the current one.

        Returns
        -------
        NumbaProgram or CudaProgram
            `steps` says what is computed together; `describe()` is a table of them with shapes, cost and time.

        Raises
        ------
        InvalidArgument
            The backend runs the graph as it is, without a plan.

        Examples
        --------
        >>> from npfaceapi import nets
        >>> plan = nets.face_landmark_68_tiny_net.plan(backend="numba")
        >>> [node.op for node in plan.steps[1].nodes]
        ['conv2d', 'relu']
        """
        graph = self.graph(height, width)
        name = backend or dispatch.current_backend()
        program, _ = self._program((graph.input.shape[0], graph.input.shape[1]), None, name)
        if not hasattr(program, "steps"):
            raise InvalidArgument(f"{self._where()}.plan: expected a backend that plans, numba or cuda, got {name!r}")
        return program

    def run_net(self, batch: Any, *, backend: str | None = None) -> dict[str, Array]:
        """The network's raw outputs for a batch, before any decoding.

        Parameters
        ----------
        batch : ndarray
            [N,H,W,3] RGB in 0..255, see `to_batch`.
        backend : str, optional
            Default: the current one, see `npfaceapi.use_backend`.

        Returns
        -------
        dict of str to ndarray
            float32 (float64 from `reference64`), by the names that the network's module states.
        """
        return self._run(batch, None, backend)

    def taps(self, batch: Any, names: Sequence[str] | None = None, *, backend: str | None = None) -> Taps:
        """The values of nodes inside of the network.

        Parameters
        ----------
        batch : ndarray
            As for `run_net`.
        names : sequence of str, optional
            Names of nodes, blocks (`dense0`) or outputs; default: every node.

        Returns
        -------
        Taps
            A dict of str to ndarray, by the given names, each [N, ...]; a notebook shows it as pictures.
        """
        chosen = [names] if isinstance(names, str) else names
        if chosen is None:
            shape = _as_array(batch).shape
            chosen = [node.name for node in self.graph(*shape[1:3]).nodes[1:]] if len(shape) == 4 else []
        return Taps(self._where(), self._run(batch, chosen, backend))

    def __repr__(self) -> str:
        return f"<{self._where()}: {'loaded' if self.is_loaded else 'not loaded yet' if self._bundled else 'no weights'}>"
