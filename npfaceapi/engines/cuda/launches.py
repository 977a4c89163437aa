"""Each fused step as kernel launches: folded constants, tables, the chosen tile, grids.

What does not depend on the number of images (weights, tables, offsets for one image) is made once, when a network is planned.
`Launches.of(step)` gives a function that makes the step's launches for N images and a number of multiprocessors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from npfaceapi.engines.cuda.jit import THREADS, Kernel, Launch
from npfaceapi.engines.cuda.kernels import narrow as kn, pixels as kp
from npfaceapi.engines.cuda.kernels.depthwise import depthwise, make_depthwise_strip
from npfaceapi.engines.cuda.kernels.product import BK, NOWHERE, PARTIAL_INPUTS, Tile, add_partials, make_product
from npfaceapi.engines.cuda.kernels.resizing import resize
from npfaceapi.engines.cuda.memory_plan import MemoryPlan, Place
from npfaceapi.engines.fusion import Fused
from npfaceapi.errors import BackendUnavailable
from npfaceapi.graph import Node
from npfaceapi.ops import window_padding

__all__ = ["DEPTHWISE", "POINTWISE", "PRODUCTS", "TILES", "Launches", "Make", "every_kernel"]

Array = np.ndarray[Any, Any]

#: (N images, multiprocessors of the GPU) to the launches of a step.
Make = Callable[[int, int], list[Launch]]

#: From the largest to the smallest; `tall` is for few channels.
TILES = {
    "wide": Tile(8, 4, 16, 16),  # 128 pixels x 64 channels
    "square": Tile(4, 4, 16, 16),  # 64 x 64
    "tall": Tile(4, 4, 32, 8),  # 128 x 32
    "small": Tile(2, 2, 16, 16),  # 32 x 32
}
#: By tile, for windows of any size (looking up what lies under them leaves too few registers for `wide`) and of one pixel.
PRODUCTS = {name: make_product(tile) for name, tile in TILES.items() if name != "wide"}
POINTWISE = {name: make_product(tile, POINTWISE=True) for name, tile in TILES.items()}
#: By the stride, and the rows and columns of results that a thread computes, the largest first.
DEPTHWISE = {(stride, *group): make_depthwise_strip(stride, *group) for stride in (1, 2) for group in ((2, 4), (1, 1))}
#: Microseconds per slice if 1, 2, … blocks of a tile share a multiprocessor, and the speed of partial sums through memory:
#: fitted to 2,500 measurements on an H100 (2 % of them are worse than 1.3 times the best choice of tile and share).
MICROSECONDS = {"wide": (1.58, 2.61), "square": (1.09, 1.66), "tall": (1.09, 1.94), "small": (0.71, 0.97, 1.26, 1.45)}
BYTES_A_MICROSECOND = 2_000_000
ENOUGH_THREADS = 512  # per multiprocessor: with fewer, each thread computes fewer results
NO_RESIDUAL = -1


def every_kernel() -> dict[str, Kernel]:
    """All kernels by name."""
    kernels = {f"product {name}": kernel for name, kernel in PRODUCTS.items()}
    kernels |= {f"pointwise product {name}": kernel for name, kernel in POINTWISE.items()}
    kernels |= {"depthwise stride {}, {}x{}".format(*key): kernel for key, kernel in DEPTHWISE.items()}
    kernels |= {f"max_pool {side}": kernel for side, kernel in kp.max_pools.items()} | kp.pairs
    alone = (add_partials, depthwise, kn.narrow, resize, kp.affine, kp.avg_pool, kp.copy, kp.pad, kp.sigmoid, kp.softmax)
    return kernels | {kernel.function.__name__: kernel for kernel in alone}


def _image(shape: Sequence[int]) -> tuple[int, int, int]:
    """[H,W,C], [R,C], [C] and [] as rows, columns and channels."""
    H, W, C = (1, 1, 1, *shape)[-3:]
    return H, W, C


def choose_tile(M: int, Co: int, partials: int, processors: int, names: Iterable[str] = tuple(TILES)) -> tuple[str, int]:
    """The tile for M pixels and Co channels, and how many partial sums a block takes: all, or fewer if blocks are too few.

    A large tile loads less, but leaves multiprocessors idle where pixels are few; sharing partial sums costs a round trip through
    memory.  Both are estimated with the times of an H100, `MICROSECONDS`.
    """
    shares = sorted({-(-partials // parts) for parts in (1, 2, 4, 8, 16, partials)}, reverse=True)
    choices = [(name, share) for name in names if name != "tall" or Co <= 96 for share in shares]
    return min(choices, key=lambda choice: _cost(choice[0], choice[1], M, Co, partials, processors))


def _cost(name: str, share: int, M: int, Co: int, partials: int, processors: int) -> float:
    """Microseconds, about."""
    tile, times = TILES[name], MICROSECONDS[name]
    parts = -(-partials // share)
    blocks = -(-M // tile.BM) * -(-Co // tile.BN) * parts
    slices = share * PARTIAL_INPUTS // BK + 1  # and one for the prologue and epilogue of a block
    most = -(-blocks // processors)  # per multiprocessor
    each = times[most - 1] if most <= len(times) else times[-1] * blocks / (processors * len(times))
    return slices * each + (1 + partials * M * Co * 8 / BYTES_A_MICROSECOND if parts > 1 else 0)


class Launches:
    """Makes the launches of a memory plan's steps, and gathers their constants.

    Attributes
    ----------
    weights : list of ndarray
        float32 constants, to be laid end to end.
    table : list of ndarray
        int32 constants, likewise.
    scratch : list of function
        (N images, multiprocessors) to the float32 numbers that a step needs after the places of all nodes.
    """

    def __init__(self, memory_plan: MemoryPlan) -> None:
        self.memory_plan = memory_plan
        self.weights: list[Array] = []
        self.table: list[Array] = []
        self.scratch: list[Callable[[int, int], int]] = []
        self._lookups: dict[tuple[int, ...], int] = {}

    def constant(self, values: Array) -> int:
        """Keep float32 numbers; returns their offset in `weights`."""
        at = sum(kept.size for kept in self.weights)
        flat = np.asarray(values, np.float32).reshape(-1)
        self.weights.append(np.concatenate([flat, np.zeros(-flat.size % 64, np.float32)]))
        return at

    def of(self, step: Fused) -> Make:
        """The launches of a step."""
        if step.kind not in _KINDS:
            raise BackendUnavailable(f"cuda: expected a step out of {', '.join(_KINDS)}, got {step.kind} ({step.node.name})")
        return _KINDS[step.kind](self, step)

    def at(self, node: Node) -> int:
        """Offset of a node's values, for one image."""
        return self.memory_plan.places[node].offset

    def constants_of(self, step: Fused, C: int) -> int:
        """Where [4,C] lies: before (the bias included), scale, after, alpha of a step."""
        constants, bias = step.constants, step.params.get("bias", np.zeros(1))
        table = np.zeros((4, C), np.float32)
        table[:] = (constants.before + bias, constants.scale, constants.after, step.activation.alpha)
        return self.constant(table)

    def lookup(self, KH: int, KW: int, W: int, C: int) -> int:
        """Offset of the look-up table of (row, column, offset) of each input under a window, padded to whole slices."""
        key = (KH, KW, W, C)
        if key not in self._lookups:
            self._lookups[key] = sum(kept.size for kept in self.table)
            i, j, c = np.indices((KH, KW, C)).reshape(3, -1)
            lookup = np.full((-(-i.size // BK) * BK, 3), NOWHERE, np.int32)
            lookup[: i.size] = np.stack([i, j, (i * W + j) * C + c], axis=1)
            self.table.append(lookup.reshape(-1))
        return self._lookups[key]

    # ------------------------------------------------------------------ sums of products

    def product(self, step: Fused, w: Array, source: int, shape: Sequence[int], window: dict[str, int]) -> Make:
        """act(convolution of the image at `source` with w [KH,KW,C,Co]); `window` has the stride, the padding, Ho and Wo."""
        H, W, C = shape
        KH, KW, _, Co = w.shape
        slices, partial_slices = -(-KH * KW * C // BK), PARTIAL_INPUTS // BK
        padded = np.zeros((slices * BK, Co), np.float32)
        padded[: KH * KW * C] = w.reshape(-1, Co)
        partials = -(-slices // partial_slices)
        pixels = window["Ho"] * window["Wo"]
        out, residual = self.at(step.node), NO_RESIDUAL if step.residual is None else self.at(step.residual)
        end = self.memory_plan.size
        is_pointwise = KH * KW == 1 and window["stride"] == 1 and (window["Ho"], window["Wo"]) == (H, W)
        kernels = POINTWISE if is_pointwise else PRODUCTS
        can_be_narrow = KH * KW * C <= PARTIAL_INPUTS and 8 <= Co <= 32 and residual < 0
        values = {
            "H": H, "W": W, "C": C, "lookup": self.lookup(KH, KW, W, C), "w": self.constant(padded), "slices": slices,
            "inputs": KH * KW * C, "partial_slices": partial_slices, "Co": Co, "constants": self.constants_of(step, Co),
            "highest": np.float32(step.activation.highest), **window,
        }  # fmt: skip

        def shared(N: int, processors: int) -> tuple[str, int, bool]:
            name, share = choose_tile(N * pixels, Co, partials, processors, kernels)
            return name, share, share < partials and not is_narrow(N, processors)

        def is_narrow(N: int, processors: int) -> bool:
            return can_be_narrow and N * pixels >= processors * ENOUGH_THREADS

        def make(N: int, processors: int) -> list[Launch]:
            M = N * pixels
            if is_narrow(N, processors):
                narrow_grid = (-(-M // (kn.PIXELS * kn.THREADS)), -(-Co // kn.GROUP))
                return [Launch(kn.narrow, narrow_grid, kn.THREADS, {**values, "x": N * source, "M": M, "out": N * out})]
            name, share, is_shared = shared(N, processors)
            tile, kernel = TILES[name], kernels[name]
            ends = {"out": N * out, "residual": residual if residual < 0 else N * residual}
            partials_at = N * end if is_shared else -1
            grid = (-(-M // tile.BM), -(-Co // tile.BN), -(-partials // share))
            more = {"x": N * source, "share": share, "M": M, "partials_at": partials_at}
            launches = [Launch(kernel, grid, tile.threads, {**values, **ends, **more})]
            if is_shared:
                launches.append(each(add_partials, M * Co, {**values, **ends, "partials_at": partials_at, "partials": partials}))
            return launches

        self.scratch.append(lambda N, processors: partials * N * pixels * Co if shared(N, processors)[2] else 0)
        return make

    def depthwise(self, step: Fused, source: int, place: Place) -> Make:
        """A depthwise convolution of the image at `source` into a place."""
        H, W, C = _image(step.first.inputs[0].shape)
        filters = step.params["filters"]
        KH, KW = filters.shape[:2]
        window = _window(step, KH, KW)
        stride, Ho, Wo = window["stride"], window["Ho"], window["Wo"]
        values = {
            "H": H, "W": W, "C": C, "filters": self.constant(filters), "KH": KH, "KW": KW, **window,
            "lowest": np.float32(0 if step.clamp else -np.inf), "constants": self.constants_of(step, C),
            "highest": np.float32(step.activation.highest),
        }  # fmt: skip

        def make(N: int, processors: int) -> list[Launch]:
            ends = {**values, "x": N * source, "out": N * place.offset}
            if (KH, KW) != (3, 3) or stride > 2:
                return [each(depthwise, N * place.size, ends)]
            for rows, columns in ((2, 4), (1, 1)):
                bands, strips = -(-Ho // rows), -(-Wo // columns)
                size = N * bands * strips * C
                if size >= processors * ENOUGH_THREADS:
                    break
            return [each(DEPTHWISE[stride, rows, columns], size, {**ends, "bands": bands, "strips": strips})]

        return make


def each(kernel: Kernel, size: int, values: dict[str, Any]) -> Launch:
    """A launch with one thread per number, `size` in all."""
    return Launch(kernel, (-(-size // THREADS),), THREADS, {**values, "size": size})


def _window(step: Fused, KH: int, KW: int) -> dict[str, int]:
    attributes, (H, W, _), (Ho, Wo, _) = step.first.attributes, _image(step.first.inputs[0].shape), _image(step.first.shape)
    stride, padding = attributes.get("stride", 1), attributes.get("padding", "valid")
    top, left = window_padding(H, KH, stride, padding)[0], window_padding(W, KW, stride, padding)[0]
    return {"Ho": Ho, "Wo": Wo, "stride": stride, "top": top, "left": left}


def _convolution(launches: Launches, step: Fused) -> Make:
    w = step.params["filters"]
    window, x = _window(step, *w.shape[:2]), step.inputs[0]
    if step.depthwise is None:
        return launches.product(step, w, launches.at(x), _image(x.shape), window)
    between = launches.memory_plan.between[step.node]
    first = launches.depthwise(step.depthwise, launches.at(x), between)
    second = launches.product(step, w, between.offset, _image(step.depthwise.first.shape), window)
    return lambda N, processors: first(N, processors) + second(N, processors)


def _depthwise(launches: Launches, step: Fused) -> Make:
    return launches.depthwise(step, launches.at(step.inputs[0]), launches.memory_plan.places[step.node])


def _dense(launches: Launches, step: Fused) -> Make:
    """A 1x1 convolution of an image of one pixel."""
    w = step.params["weights"]
    window = {"Ho": 1, "Wo": 1, "stride": 1, "top": 0, "left": 0}
    return launches.product(step, w[None, None], launches.at(step.inputs[0]), (1, 1, w.shape[0]), window)


# ------------------------------------------------------------------ everything else


def _simple(launches: Launches, step: Fused, kernel: Kernel, pixels: bool = False, **values: Any) -> Make:
    """A launch whose only offsets are those of the first input and of the result; a thread per number, or per pixel."""
    x, place = launches.at(step.inputs[0]), launches.memory_plan.places[step.node]
    C = _image(step.node.shape)[2]
    size = place.size // C if pixels else place.size
    return lambda N, _: [each(kernel, N * size, {"C": C, **values, "x": N * x, "out": N * place.offset})]


def _affine(launches: Launches, step: Fused) -> Make:
    constants = launches.constants_of(step, _image(step.node.shape)[2])
    return _simple(launches, step, kp.affine, constants=constants, highest=np.float32(step.activation.highest))


def _pair(launches: Launches, step: Fused) -> Make:
    x, y, place = launches.at(step.inputs[0]), launches.at(step.inputs[-1]), launches.memory_plan.places[step.node]
    C = _image(step.node.shape)[2]
    values = {"C": C, "alphas": launches.constant(step.activation.alpha), "highest": np.float32(step.activation.highest)}
    kernel = kp.pairs[step.kind]
    return lambda N, _: [each(kernel, N * place.size, {**values, "x": N * x, "y": N * y, "out": N * place.offset})]


def _pool(launches: Launches, step: Fused) -> Make:
    H, W, _ = _image(step.inputs[0].shape)
    side_h, side_w = (H, W) if step.kind == "mean" else (step.first.attributes["size"],) * 2
    window = {"Ho": 1, "Wo": 1, "stride": 1, "top": 0, "left": 0} if step.kind == "mean" else _window(step, side_h, side_w)
    kernel = kp.avg_pool if step.kind != "max_pool" else kp.max_pools.get(side_h if side_h == side_w else 0, kp.max_pools[0])
    return _simple(launches, step, kernel, False, H=H, W=W, side_h=side_h, side_w=side_w, **window)


def _pad(launches: Launches, step: Fused) -> Make:
    H, W, C = _image(step.inputs[0].shape)
    Ho, Wo, Co = _image(step.node.shape)
    before = {name: step.first.attributes[key][0] for name, key in (("top", "rows"), ("left", "columns"), ("first", "channels"))}
    return _simple(launches, step, kp.pad, H=H, W=W, C=C, Ho=Ho, Wo=Wo, Co=Co, **before)


def _concat(launches: Launches, step: Fused) -> Make:
    place = launches.memory_plan.places[step.node]
    sizes = [math.prod(x.shape) for x in step.inputs]
    skips = np.cumsum([0, *sizes]).tolist()
    offsets = [launches.at(x) for x in step.inputs]

    def make(N: int, _: int) -> list[Launch]:
        return [
            each(kp.copy, N * size, {"x": N * x, "each": size, "skip": skip, "out_each": place.size, "out": N * place.offset})
            for x, size, skip in zip(offsets, sizes, skips, strict=False)
        ]

    return make


_KINDS: dict[str, Callable[[Launches, Fused], Make]] = {
    "conv2d": _convolution,
    "depthwise_conv2d": _depthwise,
    "dense": _dense,
    "affine": _affine,
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), _pair),
    **dict.fromkeys(("max_pool", "avg_pool", "mean"), _pool),
    "sigmoid": lambda launches, step: _simple(launches, step, kp.sigmoid),
    "softmax": lambda launches, step: _simple(launches, step, kp.softmax, pixels=True),
    "pad": _pad,
    "concat": _concat,
}
