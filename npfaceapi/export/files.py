"""Writing a network to a file: `export_net`."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npfaceapi.errors import BackendUnavailable, InvalidArgument, InvalidType, shown
from npfaceapi.export.onnx_model import to_onnx
from npfaceapi.networks.network_weights import NetworkWeights
from npfaceapi.networks.neural_network import NeuralNetwork
from npfaceapi.output_files import MADE_BY, write_whole

__all__ = ["FORMATS", "export_net"]

FORMATS = ("onnx", "npz", "safetensors")


def export_net(
    net: NetworkWeights,
    file: str | os.PathLike[str],
    format: str | None = None,
    *,
    size: int | Sequence[int] | None = None,
    taps: Sequence[str] = (),
    layout: str = "NHWC",
    dynamic: bool = False,
) -> Path:
    """Write a network with its weights to a file, completely or not at all.

    Parameters
    ----------
    net : NeuralNetwork or Mtcnn
        One of `npfaceapi.nets`, or of your own.
    file : path
    format : {"onnx", "npz", "safetensors"}, optional
        Default: the file's suffix.  `onnx` is the graph with the weights (see `to_onnx`); the others are the weights
        alone, float32 under the manifest's names, which `net.load_from_weight_map` reads back.
    size : int or (height, width), optional
        Pixels of the input, for `onnx`; default: the network's own.
    taps : sequence of str
        For `onnx`: nodes or blocks that become outputs besides the raw outputs, named as for `net.taps`.
    layout : {"NHWC", "NCHW"}
        For `onnx`: order of the axes of the model's input.
    dynamic : bool
        For `onnx`: whether the model takes inputs of any height and width.  Only networks whose outputs are maps can:
        tiny_face_detector, tiny_yolov2, tiny_yolov2_full and mtcnn_pnet.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidArgument
        An unknown format, a size the network cannot take, `dynamic` with a size or for a network that takes one size only,
        a file that cannot be written.
    BackendUnavailable
        The package `onnx` or `safetensors` is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from npfaceapi import nets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_net(nets.face_landmark_68_tiny_net, f"{folder}/landmarks.npz").name
    'landmarks.npz'
    """
    if not isinstance(net, NetworkWeights):
        raise InvalidType(f"export_net: expected a network, for example nets.face_recognition_net, got {type(net).__name__}")
    if not isinstance(file, (str, os.PathLike)):
        raise InvalidType(f"export_net: expected the path of a file, got {type(file).__name__}")
    path = Path(file)
    kind = path.suffix.removeprefix(".") if format is None else format
    if kind == "onnx":
        data = _onnx_bytes(net, size, taps, layout, dynamic)
    elif kind == "npz":
        data = _npz_bytes(net)
    elif kind == "safetensors":
        data = _safetensors_bytes(net)
    else:
        raise InvalidArgument(f"export_net: expected a format out of {', '.join(FORMATS)}, got {shown(kind)}")
    write_whole(path, data)
    return path


def _onnx_bytes(net: NetworkWeights, size: int | Sequence[int] | None, taps: Sequence[str], layout: str, dynamic: bool) -> bytes:
    if not isinstance(net, NeuralNetwork):
        raise InvalidArgument(
            f"export_net: expected a network of one graph, got {type(net).__name__}: export mtcnn.pnet, mtcnn.rnet, mtcnn.onet "
            "(mtcnn_pnet, …)"
        )
    if dynamic and size:
        raise InvalidArgument(f"export_net: expected a size or dynamic, got both: {shown(size)}")
    graph = net.graph(*((size, size) if size is None or isinstance(size, int) else size))
    chosen = [taps] if isinstance(taps, str) else taps
    outputs = {**graph.outputs, **{name: graph.find(name) for name in chosen}}
    return bytes(to_onnx(graph, net.tensors, outputs, layout=layout, dynamic=dynamic).SerializeToString())


def _npz_bytes(net: NetworkWeights) -> bytes:
    file = io.BytesIO()
    tensors: dict[str, Any] = dict(net.tensors)
    np.savez(file, **tensors)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = f"{MADE_BY} {net.model_name}".encode()
    return file.getvalue()


def _safetensors_bytes(net: NetworkWeights) -> bytes:
    try:
        from safetensors.numpy import save
    except ImportError:
        raise BackendUnavailable(
            'export_net: expected the package safetensors, got none installed; pip install "npfaceapi[safetensors]"'
        ) from None
    return bytes(save(dict(net.tensors), {"model": net.model_name, "producer": MADE_BY}))
