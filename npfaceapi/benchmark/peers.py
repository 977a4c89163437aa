"""The engines that networks are timed on: our backends and the peers, by name.

An engine takes a network, the shape of a batch and a number of threads, and gives a `Runner`.  A peer gets the same graph with
the same weights, all its optimizations, and the input in the layout that it runs fastest on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npfaceapi.errors import BackendUnavailable
from npfaceapi.export.onnx_model import to_onnx
from npfaceapi.graph import Graph
from npfaceapi.networks.neural_network import NeuralNetwork

__all__ = ["PEERS", "Runner", "available_peers", "ours", "peer"]

Array = np.ndarray[Any, Any]


class Runner(NamedTuple):
    """An engine with a network: `feed` turns a batch [N,H,W,3] into what `call` takes, and is not timed."""

    feed: Callable[[Array], Any]
    call: Callable[[Any], Any]
    outputs: Callable[[Any], list[Array]]  # what `call` gave, as arrays in the order of the graph's outputs


def ours(net: NeuralNetwork, backend: str) -> Runner:
    """One of our backends, called as any user calls it."""
    return Runner(np.ascontiguousarray, lambda batch: net.run_net(batch, backend=backend), lambda out: list(out.values()))


def _onnxruntime(net: NeuralNetwork, graph: Graph, threads: int) -> Runner:
    """Default settings save the number of threads: all optimizations are on, and its threads spin while it is hot."""
    try:
        import onnxruntime
    except ImportError:
        raise _missing("onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    model = fold_input_scale(to_onnx(graph, net.tensors, layout="NCHW"))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return Runner(
        lambda batch: {"input": np.ascontiguousarray(batch.transpose(0, 3, 1, 2))},
        lambda feed: session.run(None, feed),
        lambda out: [np.asarray(value) for value in out],
    )


def _openvino(net: NeuralNetwork, graph: Graph, threads: int) -> Runner:
    """One stream of requests, for the shortest time of each; float32, which it would lower to bfloat16 on some processors."""
    try:
        import openvino
    except ImportError:
        raise _missing("openvino") from None
    model = fold_input_scale(to_onnx(graph, net.tensors, layout="NCHW"))
    read = openvino.Core().read_model(model.SerializeToString())
    compiled: list[Any] = []

    def feed(batch: Array) -> Array:
        fed = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        read.reshape(list(fed.shape))  # fixed shapes are faster
        options = {
            "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads),
            "INFERENCE_PRECISION_HINT": "f32",
        }  # fmt: skip
        compiled[:] = [openvino.compile_model(read, "CPU", options).create_infer_request()]
        return fed

    def call(fed: Array) -> Any:
        return compiled[0].infer([fed], share_inputs=True, share_outputs=True)

    return Runner(feed, call, lambda out: [np.array(value) for value in out.values()])


def fold_input_scale(model: Any) -> Any:
    """Fold the scale of the input into the first convolution's filters, which ONNX Runtime does not do.

    (x - mean) / 255 becomes x - mean, and x * scale - 1 becomes x - 1 / scale: one pass over the input less, as our own
    engine does it.
    """
    from onnx import numpy_helper

    first, second, conv = model.graph.node[:3]
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}

    def constant(node: Any) -> Array:
        return np.asarray(numpy_helper.to_array(initializers[node.input[1]]))

    def replace(name: str, value: Array) -> None:
        initializers[name].CopyFrom(numpy_helper.from_array(np.asarray(value, np.float32), name))

    kinds = first.op_type, second.op_type
    if conv.op_type != "Conv" or kinds not in (("Sub", "Div"), ("Sub", "Mul"), ("Mul", "Sub")):
        return model
    scale, kept = (second, first) if kinds[0] == "Sub" else (first, second)
    factor = 1 / constant(scale).astype(np.float64) if scale.op_type == "Div" else constant(scale).astype(np.float64)
    if factor.ndim:
        return model
    if kept is second:
        replace(kept.input[1], constant(kept) / factor)
    replace(conv.input[1], numpy_helper.to_array(initializers[conv.input[1]]) * factor)
    kept.input[0], conv.input[0] = "input", kept.output[0]
    model.graph.node.remove(scale)
    return model


def _torch(net: NeuralNetwork, graph: Graph, threads: int) -> Runner:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise _missing("torch") from None
    from npfaceapi.benchmark.torch_peer import torch_runner

    return Runner(*torch_runner(graph, net.tensors, threads))


PEERS: dict[str, Callable[[NeuralNetwork, Graph, int], Runner]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "torch": _torch,
}


def _missing(package: str) -> BackendUnavailable:
    return BackendUnavailable(f'expected the package {package}, got none installed; pip install "npfaceapi[bench]"')


def available_peers() -> list[str]:
    """The peers that are installed, ONNX Runtime first."""
    from importlib.util import find_spec

    needs = {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino"), "torch": ("torch",)}
    return [name for name, packages in needs.items() if all(find_spec(package) for package in packages)]


def peer(name: str, net: NeuralNetwork, graph: Graph, threads: int) -> Runner:
    """A peer ready to run a network."""
    return PEERS[name](net, graph, threads)
