"""Bilinear resizing of a photo on the GPU, bit for bit that of `npfaceapi.resize_bilinear`."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.cuda.device import device, lock, translated_errors
from npfaceapi.engines.cuda.jit import THREADS, Launch
from npfaceapi.engines.cuda.kernels.resizing import resize
from npfaceapi.engines.cuda.toolchain import cuda
from npfaceapi.errors import InvalidArgument

__all__ = ["resize_bilinear"]

Array = np.ndarray[Any, Any]


def resize_bilinear(image: Array, size: tuple[int, int]) -> Array:
    """Resize an image uint8 [H,W,C] to (height, width) with the rule of tfjs' `resizeBilinear`; float32 [height,width,C]."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.size == 0 or min(size) < 1:
        got = f"{image.dtype} {list(image.shape)}, {size}"
        raise InvalidArgument(f"resize_bilinear: expected a uint8 image [H,W,C] and a size, got {got}")
    (H, W, C), (height, width) = image.shape, size
    gpu, out = device(), np.empty((height, width, C), np.float32)
    with lock, translated_errors():
        photo = cuda.to_device(np.ascontiguousarray(image).reshape(-1), stream=gpu.stream)
        resized = cuda.device_array(out.size, np.float32, stream=gpu.stream)
        values = {"H": H, "W": W, "C": C, "row_scale": H / height, "column_scale": W / width, "size": out.size, "Wo": width}
        launch = Launch(resize, (-(-out.size // THREADS),), THREADS, values)
        resize.bound(launch, gpu.stream, {"resized": resized})(photo)
        resized.copy_to_host(out.reshape(-1), stream=gpu.stream)
        gpu.stream.synchronize()
    return out
