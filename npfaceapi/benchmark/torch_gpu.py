"""PyTorch with cuDNN on a GPU, as a peer: float32 throughout, TF32 off, cuDNN set to choose its fastest algorithm.

Images channels_last or not, run operation by operation or replayed as a CUDA graph: all are tried, and the fastest is the peer.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from npfaceapi.benchmark.torch_peer import make_module
from npfaceapi.graph import Graph

__all__ = ["torch_on_gpu"]

Array = np.ndarray[Any, Any]
_torch: Any = torch


class _Variant:
    """The module on inputs of one shape, in one layout, perhaps as a CUDA graph; input and outputs have fixed addresses."""

    def __init__(self, module: Any, shape: tuple[int, ...], channels_last: bool, recorded: bool) -> None:
        self.kind = ("CUDA graph" if recorded else "eager") + (", NHWC" if channels_last else ", NCHW")
        layout = _torch.channels_last if channels_last else _torch.contiguous_format
        N, H, W, C = shape
        self.x = _torch.zeros((N, C, H, W), device="cuda").contiguous(memory_format=layout)
        self._module, self._graph = module, None
        stream = _torch.cuda.Stream()
        stream.wait_stream(_torch.cuda.current_stream())
        with _torch.inference_mode(), _torch.cuda.stream(stream):
            for _ in range(3):  # cuDNN tries its algorithms
                self.y = module(self.x)
        _torch.cuda.current_stream().wait_stream(stream)
        if recorded:
            self._graph = _torch.cuda.CUDAGraph()
            with _torch.inference_mode(), _torch.cuda.graph(self._graph):
                self.y = module(self.x)

    def load(self, batch: Array) -> None:
        self.x.copy_(_torch.from_numpy(batch).permute(0, 3, 1, 2))

    def run(self) -> None:
        if self._graph is not None:
            self._graph.replay()
        else:
            with _torch.inference_mode():
                self.y = self._module(self.x)

    def milliseconds(self, runs: int) -> list[float]:
        took = []
        for _ in range(runs):
            start, end = (_torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            self.run()
            end.record()
            end.synchronize()
            took.append(start.elapsed_time(end))
        return took


def torch_on_gpu(
    graph: Graph, weights: Mapping[str, Array]
) -> tuple[Callable[[Array], list[Array]], Callable[[Array, int], list[float]], Callable[[], str]]:
    """(call, milliseconds, kind) of a `GpuEngine`."""
    _torch.backends.cuda.matmul.allow_tf32 = _torch.backends.cudnn.allow_tf32 = False
    _torch.backends.cudnn.benchmark = True
    module = make_module(graph, weights, "cuda")
    chosen: dict[tuple[int, ...], _Variant] = {}

    def ready(batch: Array) -> _Variant:
        if batch.shape not in chosen:
            chosen.clear()  # one shape at a time, so that the memory is free for us
            variants = [_Variant(module, batch.shape, last, recorded) for last in (True, False) for recorded in (False, True)]
            chosen[batch.shape] = min(variants, key=lambda variant: statistics.median(variant.milliseconds(8)[3:]))
        return chosen[batch.shape]

    def call(batch: Array) -> list[Array]:
        variant = ready(batch)
        variant.load(batch)
        variant.run()
        return [y.cpu().contiguous().numpy() for y in variant.y]

    def milliseconds(batch: Array, runs: int) -> list[float]:
        variant = ready(batch)
        variant.load(batch)
        return variant.milliseconds(runs)

    return call, milliseconds, lambda: ", ".join(variant.kind for variant in chosen.values())
