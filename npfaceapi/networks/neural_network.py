"""The base class of networks: their recorded graph, and running it.

    photos --to_batch--> [N,S,S,3] in 0..255 --run_net--> raw outputs --forward, locate_faces, ...--> what face-api.js gives

A network's own module has its definition and its input size, and states its raw outputs; backends run the recorded graph.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.engines import dispatch
from npfaceapi.engines.reference import sigmoid, softmax
from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.graph import Graph, Node, ParamTree, record
from npfaceapi.networks.loaded import MAX_PROGRAMS, Made, Tensors
from npfaceapi.networks.network_weights import NetworkWeights, Shapes, as_array
from npfaceapi.photos.net_input import NetInput, Photos, compute_reshaped_dimensions, to_net_input
from npfaceapi.taps import Taps, Values

if TYPE_CHECKING:
    from npfaceapi.engines.cuda.program import CudaProgram
    from npfaceapi.engines.numba.program import NumbaProgram

__all__ = [
    "NeuralNetwork",
    "See",
    "Shapes",
    "options_or_default",
    "reshaped_sizes_of",
    "sigmoid",
    "sizes_of",
    "softmax",
    "unseen",
]

T = TypeVar("T")
MAX_SIDE = 2**20  # of an input, in pixels
#: A callback for the intermediate values of a detector, `see(stage, name=value, ...)`; it must not change them.
See = Callable[..., None]


def unseen(stage: str, **values: object) -> None:
    """The default callback, which ignores the values."""


def sizes_of(net_input: NetInput) -> list[tuple[int, int]]:
    """(width, height) of each photo in pixels."""
    return [(width, height) for height, width, _ in net_input.input_dimensions]


def reshaped_sizes_of(net_input: NetInput, input_size: int) -> list[tuple[int, int]]:
    """(width, height) of each photo inside the padded and resized square, rounded as face-api.js rounds them."""
    reshaped = [compute_reshaped_dimensions(width, height, input_size) for width, height in sizes_of(net_input)]
    return [(int(size.width), int(size.height)) for size in reshaped]


def options_or_default(options: object, cls: type[T], where: str, see: See = unseen) -> T:
    """Options of the class `cls`, default ones for None; raises InvalidType for others, and if `see` is not callable."""
    if not callable(see):
        raise InvalidType(f"{where}: expected see to be a function, got {shown(see)}")
    if options is None:
        return cls()
    if not isinstance(options, cls):
        raise InvalidType(f"{where}: expected {cls.__name__}, got {type(options).__name__}")
    return options


class NeuralNetwork(NetworkWeights):
    """A network: its weights, its recorded graph, and the methods `to_batch`, `run_net` and `forward`.

    A call leaves no state in a network: any number of threads may use one at the same time.

    Examples
    --------
    >>> from npfaceapi import nets
    >>> isinstance(nets.face_recognition_net, NeuralNetwork)
    True
    >>> nets.face_recognition_net.run_net(np.zeros((1, 150, 150, 3), np.float32))["descriptor"].shape
    (1, 128)
    """

    definition: Callable[[Node, ParamTree], dict[str, Node]]
    input_size: int
    is_center_inputs: bool
    root: ClassVar[str] = ""

    def __init__(self, *, bundled: bool = False) -> None:
        super().__init__(bundled=bundled)
        self._graphs: OrderedDict[tuple[int, ...], Graph] = OrderedDict()

    def _used(self) -> set[str]:
        return {*self.graph().params, *self.decode_params}

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
        given = f"{shown(height)} x {shown(width)}"
        if not all(isinstance(side, (int, np.integer)) and not isinstance(side, bool) and side > 0 for side in (height, width)):
            raise InvalidArgument(f"{self._where()}.graph: expected integers from 1 up, got {given}")
        if max(height, width) > MAX_SIDE:
            raise InvalidArgument(f"{self._where()}.graph: expected at most {MAX_SIDE} pixels per side, got {given}")
        key = height, width = int(height), int(width)
        with self._lock:
            if key not in self._graphs:
                self._graphs[key] = record(self._where(), self.definition, self.shapes(), (height, width, 3), self.root)
            self._graphs.move_to_end(key)
            while len(self._graphs) > MAX_PROGRAMS:
                self._graphs.popitem(last=False)
            return self._graphs[key]

    def to_batch(self, photos: Photos) -> NDArray[np.float32]:
        """Photos as a batch for the network: float32 [N,S,S,3] in 0..255, padded and resized, before any mean or scale."""
        return to_net_input(photos).to_batch_tensor(self.input_size, self.is_center_inputs)

    def _run(self, images: ArrayLike, names: Sequence[str] | None, backend: str | None) -> dict[str, Values]:
        """The values of the named nodes (None: the raw outputs) for a batch."""
        batch = as_array(images)
        if batch.ndim != 4 or batch.shape[3] != 3:
            raise InvalidArgument(f"{self._where()}: expected a batch [N,H,W,3], got an array {list(batch.shape)}")
        if names is not None and not all(isinstance(name, str) for name in names):
            raise InvalidType(f"{self._where()}: expected names of nodes, got {shown(names)}")
        if batch.dtype.kind not in "fiu":
            raise InvalidType(f"{self._where()}: expected a batch of numbers, got {batch.dtype}")
        _, H, W, _ = batch.shape
        program, given = self._program((H, W), names, self._backend(backend))
        return dict(zip(given, program(np.ascontiguousarray(batch, np.float32)), strict=True))

    def _backend(self, name: str | None) -> str:
        if not isinstance(name, (str, type(None))):
            raise InvalidType(f"{self._where()}: expected the name of a backend, got {shown(name)}")
        return name or dispatch.current_backend()

    def _program(self, size: tuple[int, int], names: Sequence[str] | None, backend: str) -> Made:
        """The program for an input size, looked up in a dict: recording a graph takes longer than running a small network."""
        loaded = self._ready()

        def make(tensors: Tensors) -> Made:
            graph = self.graph(*size)
            wanted = graph.outputs if names is None else {name: graph.find(name) for name in names}
            return dispatch.prepare(graph, tensors, list(wanted.values()), backend), tuple(wanted)

        return loaded.program((backend, *size, None if names is None else tuple(names)), make)

    @overload
    def plan(self, height: int | None = None, width: int | None = None, *, backend: Literal["numba"]) -> NumbaProgram: ...
    @overload
    def plan(self, height: int | None = None, width: int | None = None, *, backend: Literal["cuda"]) -> CudaProgram: ...
    @overload
    def plan(
        self, height: int | None = None, width: int | None = None, *, backend: str | None = None
    ) -> NumbaProgram | CudaProgram: ...
    def plan(self, height: int | None = None, width: int | None = None, *, backend: str | None = None) -> object:
        """The program that a backend made from the recorded graph; `run_net` calls the same one.

        Parameters
        ----------
        height, width : int, optional
            Size of the input in pixels, as for `graph`.
        backend : {"numba", "cuda"}, optional
            Default: the current one.

        Returns
        -------
        NumbaProgram or CudaProgram
            `steps` are the fused nodes; `describe()` is a table of them with shapes, cost and time.

        Raises
        ------
        InvalidArgument
            If the backend runs the graph as it is, without a plan.

        Examples
        --------
        >>> from npfaceapi import nets
        >>> plan = nets.face_landmark_68_tiny_net.plan(backend="numba")
        >>> [node.op for node in plan.steps[1].nodes]
        ['conv2d', 'relu']
        """
        graph = self.graph(height, width)
        name = self._backend(backend)
        program, _ = self._program((graph.input.shape[0], graph.input.shape[1]), None, name)
        if not hasattr(program, "steps"):
            raise InvalidArgument(f"{self._where()}.plan: expected a backend that plans, numba or cuda, got {shown(name)}")
        return program

    def run_net(self, batch: ArrayLike, *, backend: str | None = None) -> dict[str, Values]:
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
            float32 (float64 from `reference64`), by the names given in the network's module docstring.
        """
        return self._run(batch, None, backend)

    def taps(self, batch: ArrayLike, names: Sequence[str] | None = None, *, backend: str | None = None) -> Taps:
        """The values of nodes inside the network.

        Parameters
        ----------
        batch : ndarray
            As for `run_net`.
        names : sequence of str, optional
            Names of nodes, blocks (`dense0`) or outputs; default: every node.

        Returns
        -------
        Taps
            A dict of arrays [N, ...] by the given names; a notebook shows it as pictures.
        """
        chosen = [names] if isinstance(names, str) else names
        if not isinstance(chosen, (Sequence, type(None))):
            raise InvalidType(f"{self._where()}.taps: expected names of nodes, got {shown(names)}")
        if chosen is None:
            shape = as_array(batch).shape
            chosen = [node.name for node in self.graph(*shape[1:3]).nodes[1:]] if len(shape) == 4 else []
        return Taps(self._where(), self._run(batch, chosen, backend))
