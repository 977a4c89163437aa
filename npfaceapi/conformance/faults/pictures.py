"""Faults in preprocessing: channels, padding, resizing, crops, MTCNN's patches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npfaceapi.conformance.faults.fault import Answers, Fault, network_fault
from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.levels import network_of
from npfaceapi.conformance.questions import Question
from npfaceapi.networks.blocks import FEATURE_MEAN_RGB, YOLO_MEAN_RGB
from npfaceapi.photos.net_input import compute_reshaped_dimensions, pad_to_square, resize_bilinear, resize_half_pixel

__all__ = ["PICTURE_FAULTS", "batch_faults"]

Array = np.ndarray[Any, Any]
Size = tuple[int, int]  # height, width
Resize = Callable[[Array, Size], Array]


# ------------------------------------------------------------------ resizing


def _sampled(image: Array, size: Size, position: Callable[[int, int], Array]) -> Array:
    """Bilinear interpolation at `position(length, out length)` along each axis."""
    value = image.astype(np.float64)
    for axis in (0, 1):
        length = image.shape[axis]
        at = np.clip(position(length, size[axis]), 0, length - 1)
        low = np.floor(at).astype(int)
        high, part = np.minimum(low + 1, length - 1), (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        a, b = value.take(low, axis), value.take(high, axis)
        value = a + (b - a) * part
    return np.asarray(value, np.float32)


def half_pixel(image: Array, size: Size) -> Array:
    return _sampled(image, size, lambda n, m: (np.arange(m) + 0.5) * n / m - 0.5)


def align_corners(image: Array, size: Size) -> Array:
    return _sampled(image, size, lambda n, m: np.arange(m) * (n - 1) / max(m - 1, 1))


def nearest(image: Array, size: Size) -> Array:
    rows, columns = (np.floor(np.arange(m) * (n / m)).astype(int) for n, m in zip(image.shape[:2], size, strict=True))
    picked = image[rows]
    return np.array(picked[:, columns], np.float32)


def smoothed(image: Array, size: Size) -> Array:
    """Resize like Pillow: bilinear with half-pixel centres, over all pixels that an output pixel covers."""
    from PIL import Image

    planes = [Image.fromarray(image[..., c].astype(np.float32)) for c in range(image.shape[2])]
    resized = [np.asarray(plane.resize(size[::-1], Image.Resampling.BILINEAR)) for plane in planes]
    return np.stack(resized, axis=-1)


def pillow_bytes(image: Array, size: Size) -> Array:
    """Pillow's `Image.resize(…, BILINEAR)` of bytes."""
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR), np.float32)


def opencv_bytes(image: Array, size: Size) -> Array:
    """OpenCV's `cv2.resize` of bytes: half-pixel centres, weights in 2048ths, integer sums."""
    value, sums = image.astype(np.int64), None
    for axis in (1, 0):
        length, wanted = image.shape[axis], size[axis]
        at = ((np.arange(wanted) + 0.5) * (length / wanted) - 0.5).astype(np.float32)
        low = np.floor(at).astype(int)
        part = at - low.astype(np.float32)
        if axis == 1:
            part[(low < 0) | (low >= length - 1)] = 0
        shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
        first, second = (np.rint(w * np.float32(2048)).astype(np.int64).reshape(shape) for w in (1 - part, part))
        before, after = (value.take(np.clip(low + i, 0, length - 1), axis) for i in (0, 1))
        if axis == 1:
            value = before * first + after * second
        else:
            sums = (first * (before >> 4) >> 16) + (second * (after >> 4) >> 16)
    return np.asarray(np.clip((np.asarray(sums) + 2) >> 2, 0, 255), np.float32)


def in_bytes(image: Array, size: Size) -> Array:
    return np.asarray(np.floor(resize_bilinear(image, size) + 0.5), np.float32)


def cut_to_bytes(image: Array, size: Size) -> Array:
    return np.asarray(np.floor(resize_bilinear(image, size)), np.float32)


def _bicubic(a: float) -> Resize:
    """Bicubic with half-pixel centres and clamped edges; `a` is -0.5 in Pillow and TensorFlow, -0.75 in OpenCV and PyTorch."""

    def resize(image: Array, size: Size) -> Array:
        value = image.astype(np.float64)
        for axis in (0, 1):
            length, wanted = image.shape[axis], size[axis]
            at = (np.arange(wanted) + 0.5) * length / wanted - 0.5
            low, total = np.floor(at).astype(int), np.zeros(())
            for tap in range(-1, 3):
                d = np.abs(at - (low + tap))
                weight = np.where(d <= 1, (a + 2) * d**3 - (a + 3) * d**2 + 1, a * (d**3 - 5 * d**2 + 8 * d - 4))
                picked = value.take(np.clip(low + tap, 0, length - 1), axis)
                total = total + weight.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1)) * picked
            value = total
        return np.asarray(value, np.float32)

    return resize


# ------------------------------------------------------------------ padding


def _padded(image: Array, top: int, left: int, fill: Any = 0) -> Array:
    side = max(image.shape[:2])
    out = np.empty((side, side, 3), np.float32 if np.ndim(fill) else image.dtype)
    out[:] = fill
    out[top : top + image.shape[0], left : left + image.shape[1]] = image
    return out


def _before(image: Array, center: bool, larger_half_before: bool = False) -> Size:
    """Rows and columns of padding before the picture."""
    difference = abs(image.shape[0] - image.shape[1])
    half = (difference + 1) // 2 if larger_half_before else difference // 2
    before = half if center else 0
    return (before, 0) if image.shape[1] > image.shape[0] else (0, before)


def _squares(resize: Resize = resize_bilinear, pad: Callable[[Array, bool], Array] = pad_to_square) -> Any:
    """Turn pictures into a batch with another resizing or padding."""

    def make(pictures: list[Array], size: int, center: bool) -> Array:
        squares = [pad(picture, center) for picture in pictures]
        done = [x.astype(np.float32) if x.shape[0] == size else resize(x, (size, size)) for x in squares]
        return np.stack(done).astype(np.float32)

    return make


def padded_after_resizing(pictures: list[Array], size: int, center: bool) -> Array:
    out = np.zeros((len(pictures), size, size, 3), np.float32)
    for picture, square in zip(pictures, out, strict=True):
        dims = compute_reshaped_dimensions(picture.shape[1], picture.shape[0], size)
        H, W = int(dims.height), int(dims.width)
        top, left = ((size - H) // 2, (size - W) // 2) if center else (0, 0)
        square[top : top + H, left : left + W] = resize_bilinear(picture, (H, W))
    return out


def stretched(pictures: list[Array], size: int, center: bool) -> Array:
    return np.stack([resize_bilinear(picture, (size, size)) for picture in pictures])


def padded_with_mean(mean: tuple[float, ...]) -> Any:
    return _squares(pad=lambda image, center: _padded(image, *_before(image, center), mean))


def _filled(fill: Any) -> Any:
    """Pad with a value, or in that mode of `np.pad`."""

    def pad(image: Array, center: bool) -> Array:
        difference, (top, left) = abs(image.shape[0] - image.shape[1]), _before(image, center)
        rows, columns = (difference, 0) if image.shape[1] > image.shape[0] else (0, difference)
        amounts = ((top, rows - top), (left, columns - left), (0, 0))
        if isinstance(fill, str):
            return np.pad(image, amounts, mode=fill)  # type: ignore[call-overload, no-any-return]
        return np.pad(image.astype(np.float32), amounts, constant_values=fill)

    return _squares(pad=pad)


#: (name, title, pictures to batch); several of one name are variants.
PILLOW_BYTES = "bytes resized with smoothing and half-pixel centres, as Pillow's Image.resize does"
OPENCV_BYTES = "bytes resized with half-pixel centres, as OpenCV's cv2.resize does"

BATCHES: tuple[tuple[str, str, Any], ...] = (
    ("resize_half_pixel", "resize with half-pixel centres", _squares(half_pixel)),
    ("resize_align_corners", "resize with aligned corners", _squares(align_corners)),
    ("resize_nearest", "resize to the nearest pixel", _squares(nearest)),
    ("resize_smoothed", "resize with smoothing, as Pillow does", _squares(smoothed)),
    ("resize_in_bytes", "resized pixels rounded to bytes", _squares(in_bytes)),
    ("resize_pillow_bytes", PILLOW_BYTES, _squares(pillow_bytes)),
    ("resize_opencv_bytes", OPENCV_BYTES, _squares(opencv_bytes)),
    ("padding_other_side", "padded in the centre instead of at the right and bottom, or the other way round",
        _squares(pad=lambda image, center: pad_to_square(image, not center)),
    ),
    ("padding_larger_half_before", "the larger half of an odd padding before the picture instead of after it",
        _squares(pad=lambda image, center: _padded(image, *_before(image, center, True))),
    ),
    ("resize_truncated", "resized pixels cut to bytes", _squares(cut_to_bytes)),
    *(("resize_bicubic", "bicubic instead of bilinear resize", _squares(_bicubic(a))) for a in (-0.75, -0.5)),
    *(("padding_colour", f"padded with {value:g} instead of black", _filled(value)) for value in (114, 127, 127.5, 128, 255)),
    *(("padding_replicated", f"padded by {how} instead of with black", _filled(mode))
      for mode, how in (("edge", "replicating the edge"), ("reflect", "reflection"))),
    ("padding_after_resizing", "padded after resizing instead of before", padded_after_resizing),
    ("padding_missing", "stretched to a square instead of padded", stretched),
    ("padding_with_mean", "padded with the mean colour (after subtracting it) instead of black", None),
)  # fmt: skip


def _pictures(question: Question) -> list[Array]:
    return [value for name, value in question.inputs.items() if name.startswith("picture_")]


def _batch_of(make: Any) -> Any:
    def batch(case: Case, question: Question) -> Array | None:
        pictures, a = _pictures(question), question.attributes
        if not pictures or "size" not in a:
            return None
        made = make
        if made is None:
            made = padded_with_mean(YOLO_MEAN_RGB if case.net.startswith("tiny_") else FEATURE_MEAN_RGB)
        return np.asarray(made(pictures, a["size"], a["center"]))

    return batch


def _pyramid(resize: Resize) -> Any:
    """P-Net's input with another resizing."""

    def batch(case: Case, question: Question) -> Array | None:
        a = question.attributes
        if case.net != "mtcnn_pnet":
            return None
        resized = resize(question.inputs["picture_0"], (a["height"], a["width"]))
        return np.ascontiguousarray(resized[None, ..., ::-1].transpose(0, 2, 1, 3))

    return batch


def _either(first: Any, second: Any) -> Any:
    return lambda case, question: first(case, question) if case.net != "mtcnn_pnet" else second(case, question)


_PYRAMIDS: dict[str, Resize] = {
    "resize_half_pixel": half_pixel, "resize_align_corners": align_corners, "resize_nearest": nearest,
    "resize_smoothed": smoothed, "resize_in_bytes": in_bytes, "resize_truncated": cut_to_bytes,
    "resize_pillow_bytes": pillow_bytes, "resize_opencv_bytes": opencv_bytes,
}  # fmt: skip


def _mean_of(case: Case, batch: Array) -> Any:
    """The mean that the network subtracts from its input."""
    graph = network_of(case).graph(*batch.shape[1:3])
    return next((node.attributes["y"] for node in graph if node.op == "subtract" and node.inputs[0] is graph.input), None)


def _wrapped(bytes_of: Callable[[Array, Array], Array]) -> Any:
    """The batch that, after the network has subtracted its mean, equals differences stored as uint8."""

    def batch(case: Case, question: Question) -> Array | None:
        given = question.inputs["batch"]
        mean = _mean_of(case, given)
        if mean is None:
            return None
        mean = np.asarray(mean, np.float32)
        return np.asarray(bytes_of(given, mean).astype(np.uint8) + mean, np.float32)

    return batch


def _of_batch(change: Callable[[Array], Array]) -> Any:
    return lambda case, question: np.ascontiguousarray(change(question.inputs["batch"]), np.float32)


def batch_faults() -> list[Fault]:
    """The faults in a network's input batch."""
    found = [
        network_fault("bgr", "channels in the wrong order (BGR for RGB; for MTCNN RGB for BGR)",
                      batch=lambda case, question: np.ascontiguousarray(question.inputs["batch"][..., ::-1])),
        network_fault("not_transposed", "rows and columns of the picture exchanged (MTCNN sees it transposed)",
                      batch=lambda case, question: np.ascontiguousarray(question.inputs["batch"].transpose(0, 2, 1, 3))),
    ]  # fmt: skip
    for name, title, change in (
        ("batch_reversed", "the batch in reverse order", lambda batch: batch[::-1]),
        (
            "first_for_all",
            "the first picture's answer for every picture of the batch",
            lambda batch: batch[:1].repeat(len(batch), 0),
        ),
        ("mirrored", "the columns of the picture in reverse order", lambda batch: batch[:, :, ::-1]),
        ("upside_down", "the rows of the picture in reverse order", lambda batch: batch[:, ::-1]),
        ("scaled_before_mean", "the picture scaled to 0..1 before the mean is subtracted", lambda batch: batch / 255),
        ("resize_truncated", "resized pixels cut to bytes", np.floor),
        ("resize_in_bytes", "resized pixels rounded to bytes", lambda batch: np.floor(batch + 0.5)),
    ):
        found.append(network_fault(name, title, batch=_of_batch(change)))
    for bytes_of in (
        lambda batch, mean: batch.astype(int) - mean.astype(int),
        lambda batch, mean: (batch - mean).astype(int),
    ):
        title = "the mean subtracted in uint8, so that differences wrap around"
        found.append(network_fault("uint8_wrapped", title, batch=_wrapped(bytes_of)))
    for name, title, make in BATCHES:
        if name in ("resize_in_bytes", "resize_truncated"):
            continue  # handled above, on the batch
        batch = _batch_of(make)
        found.append(network_fault(name, title, batch=_either(batch, _pyramid(_PYRAMIDS[name])) if name in _PYRAMIDS else batch))
    return found


# ------------------------------------------------------------------ the level prepare


def _prepared(name: str, make: Any) -> Any:
    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        a, pictures = question.attributes, _pictures(question)
        if a["op"] == "resize" and name in _PYRAMIDS:
            return {"image": _PYRAMIDS[name](pictures[0], (a["height"], a["width"]))[None]}
        if a["op"] != "to_batch" or make is None:
            return None
        reshaped = [compute_reshaped_dimensions(p.shape[1], p.shape[0], a["size"]) for p in pictures]
        dims = np.array([(int(d.height), int(d.width)) for d in reshaped])
        return {"batch": np.asarray(make(pictures, a["size"], a["center"])), "reshaped_dims": dims}

    return run


def _reversed_channels(case: Case, question: Question, dtype: Any) -> Answers | None:
    answers = _prepared("", _squares())(case, question, dtype)
    return None if answers is None else {**answers, "batch": np.ascontiguousarray(answers["batch"][..., ::-1])}


def _dims_floored(case: Case, question: Question, dtype: Any) -> Answers | None:
    answers = _prepared("", _squares())(case, question, dtype)
    if answers is None:
        return None
    size = question.attributes["size"]
    dims = [[math.floor(n * size / max(p.shape[:2])) for n in p.shape[:2]] for p in _pictures(question)]
    return {**answers, "reshaped_dims": np.array(dims)}


Rect = tuple[float, float, float, float]


def _clipped(x: float, y: float, w: float, h: float, W: int, H: int) -> Rect:
    left, top = max(x, 0.0), max(y, 0.0)
    return left, top, min(x + w, W) - left, min(y + h, H) - top


def crop_floored_first(box: Rect, W: int, H: int) -> tuple[int, ...]:
    x, y, w, h = (float(math.floor(v)) for v in box)
    return tuple(math.floor(v) for v in _clipped(x, y, w, h, W, H))


def crop_rounded(box: Rect, W: int, H: int) -> tuple[int, ...]:
    x, y, w, h = (math.floor(v + 0.5) for v in _clipped(*box, W, H))
    return x, y, min(w, W - x), min(h, H - y)


def crop_rounded_freely(box: Rect, W: int, H: int) -> tuple[int, ...]:
    """The crop rounded, and not clipped to the picture."""
    return tuple(math.floor(v + 0.5) for v in _clipped(*box, W, H))


def crop_moved(*by: int) -> Callable[[Rect, int, int], tuple[int, ...]]:
    """The correct crop with `by` added to its x, y, width and height."""

    def crop(box: Rect, W: int, H: int) -> tuple[int, ...]:
        return tuple(math.floor(v) + d for v, d in zip(_clipped(*box, W, H), by, strict=True))

    return crop


#: Crops that are one pixel off.
MOVED_CROPS = (
    (1, 1, 0, 0), (-1, -1, 0, 0), (0, 0, 1, 1), (0, 0, -1, -1), (1, 1, -1, -1), (-1, -1, 1, 1), (1, 0, 0, 0), (0, 1, 0, 0),
)  # fmt: skip


def crop_edges_floored(box: Rect, W: int, H: int) -> tuple[int, ...]:
    left, top, w, h = _clipped(*box, W, H)
    x, y = math.floor(left), math.floor(top)
    return x, y, math.floor(left + w) - x, math.floor(top + h) - y


def _cropped(crop: Callable[[Rect, int, int], tuple[int, ...]]) -> Any:
    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        if question.attributes["op"] != "crop":
            return None
        image, a = question.inputs["picture_0"], question.attributes
        H, W = image.shape[:2]
        boxes = [*a.get("boxes", ()), *([x * W, y * H, w * W, h * H] for x, y, w, h in a.get("relative_boxes", ()))]
        rects = [crop(tuple(box), W, H) for box in boxes]
        crops = [image[max(y, 0) : y + h, max(x, 0) : x + w] for x, y, w, h in rects]
        return {"rects": np.array(rects), **{f"crop_{i}": value for i, value in enumerate(crops)}}

    return run


def _patched(cut: Callable[[Array, Array], Array], resize: Resize, bgr: bool = False) -> Any:
    """MTCNN's patches with another rectangle or resizing."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        if question.attributes["op"] != "mtcnn_patches":
            return None
        image, size = question.inputs["picture_0"], question.attributes["size"]
        done = [resize(cut(image, box), (size, size)) for box in question.inputs["boxes"].astype(int)]
        made = np.stack(done).astype(np.uint8) if done else np.zeros((0, size, size, 3), np.uint8)
        return {"patches": made[..., ::-1] if bgr else made}

    return run


def _as_it_is(image: Array, box: Array) -> Array:
    x, y, w, h = box
    return image[max(1, y) - 1 : min(y + h, image.shape[0]), max(1, x) - 1 : min(x + w, image.shape[1])]


def _without_extra_pixel(image: Array, box: Array) -> Array:
    x, y, w, h = box
    return image[max(0, y) : min(y + h, image.shape[0]), max(0, x) : min(x + w, image.shape[1])]


def _zero_padded(image: Array, box: Array) -> Array:
    x, y, w, h = box
    x, y, w, h = x - 1, y - 1, w + 1, h + 1
    out = np.zeros((h, w, 3), image.dtype)
    inner = image[max(y, 0) : min(y + h, image.shape[0]), max(x, 0) : min(x + w, image.shape[1])]
    out[max(-y, 0) : max(-y, 0) + inner.shape[0], max(-x, 0) : max(-x, 0) + inner.shape[1]] = inner
    return out


def _in_bytes(image: Array, size: Size) -> Array:
    return np.asarray(np.floor(resize_bilinear(image, size) + 0.5), np.uint8)


_LEVEL = ("prepare",)

PICTURE_FAULTS = (
    *batch_faults(),
    *(Fault(name, title, _prepared(name, make), _LEVEL) for name, title, make in BATCHES if make is not None),
    Fault("batch_reversed", "the batch in reverse order", _prepared("", lambda p, size, c: _squares()(p[::-1], size, c)), _LEVEL),
    Fault("first_for_all", "the first picture's answer for every picture of the batch",
          _prepared("", lambda p, size, c: _squares()(p[:1] * len(p), size, c)), _LEVEL),
    Fault("bgr", "channels in the wrong order (BGR for RGB)", _reversed_channels, _LEVEL),
    Fault("dims_floored", "the size inside the square rounded down instead of to the nearest", _dims_floored, _LEVEL),
    Fault("crop_floored_first", "the box floored before it is clipped instead of after", _cropped(crop_floored_first), _LEVEL),
    Fault("crop_rounded", "the crop rounded instead of floored", _cropped(crop_rounded), _LEVEL),
    Fault("crop_rounded", "the crop rounded instead of floored, and not cut at the picture's border",
          _cropped(crop_rounded_freely), _LEVEL),
    *(Fault("crop_off_by_one", f"the crop one pixel off ({', '.join(f'{d:+d}' for d in by)} of x, y, width, height)",
            _cropped(crop_moved(*by)), _LEVEL) for by in MOVED_CROPS),
    Fault("crop_edges_floored", "edges of the crop floored instead of its corner and size", _cropped(crop_edges_floored), _LEVEL),
    Fault("patch_without_extra_pixel", "patches without the extra row and column before them",
          _patched(_without_extra_pixel, resize_half_pixel), _LEVEL),
    Fault("patch_zero_padded", "patches padded with zeros at the border instead of cut",
          _patched(_zero_padded, resize_half_pixel), _LEVEL),
    Fault("patch_resize", "patches resized without half-pixel centres", _patched(_as_it_is, _in_bytes), _LEVEL),
    Fault("bgr", "channels in the wrong order (BGR for RGB)", _patched(_as_it_is, resize_half_pixel, bgr=True), _LEVEL),
)  # fmt: skip
