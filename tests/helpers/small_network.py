"""A network with every kind of fusion."""

from __future__ import annotations

import numpy as np

from npfaceapi import ops


def shapes_of(first, second):
    """Shapes of the parameters, with the given numbers of channels before and after the pooling."""
    return {
        "first/filters": (3, 3, 3, first), "first/bias": (first,),
        "bn/mean": (first,), "bn/variance": (first,), "bn/offset": (first,), "bn/scale": (first,),
        "depthwise": (3, 3, first, 1), "pointwise": (1, 1, first, second),
        "bias": (second,), "scale": (second,), "shift": (second,),
        "second": (3, 3, second, second), "third": (3, 3, second, second), "alpha": (second,), "fc": (second, 5),
    }  # fmt: skip


SHAPES = shapes_of(16, 24)
SIZE = (150, 131, 3)  # large enough that steps are shared among threads


def trunk(x, p):
    """Constants before, batch norm, separable, scale and shift, residual, pools, branches."""
    x = ops.divide(ops.subtract(x, (0.1, 0.2, 0.3)), 0.5)
    x = ops.conv2d(x, p["first"]["filters"], p["first"]["bias"], stride=2)
    x = ops.relu6(ops.batch_norm(x, **{k: p["bn"][k] for k in ("mean", "variance", "offset", "scale")}, epsilon=0.001))
    x = ops.conv2d(ops.depthwise_conv2d(x, p["depthwise"]), p["pointwise"], p["bias"])
    x = ops.add(ops.multiply(x, p["scale"]), p["shift"])
    x = ops.prelu(x, p["alpha"])
    pooled = ops.max_pool(x, 2, stride=2)
    y = ops.relu(ops.conv2d(pooled, p["second"]))
    y = ops.relu(ops.add(pooled, ops.conv2d(y, p["third"])))
    z = ops.leaky_relu(ops.conv2d(y, p["second"]), 0.1)
    return ops.add(pooled, ops.add(y, z))


def network(x, p):
    total = trunk(x, p)
    return {"out": ops.softmax(ops.dense(ops.mean(total), p["fc"])), "total": total}


def images(N, seed=0):
    return np.random.default_rng(seed).standard_normal((N, *SIZE)).astype(np.float32)
