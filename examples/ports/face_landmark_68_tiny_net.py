"""FaceLandmark68TinyNet in plain NumPy, written from docs/porting.md: weights, network, and decoding of the points.

npfaceapi conform run --python examples/ports/face_landmark_68_tiny_net.py:Port --case "*/face_landmark_68_tiny_net*"
"""

import json
from pathlib import Path

import numpy as np

WEIGHTS = Path(__file__).parents[2] / "weights"
NET, SIZE, MEAN, DIVISOR = "face_landmark_68_tiny_net", 112, (122.782, 117.001, 104.298), 255


def load(model):
    """The tensors of a model: bytes q decoded as q * scale + min in float64, rounded to float32."""
    tensors = {}
    for group in json.loads((WEIGHTS / f"{model}-weights_manifest.json").read_text()):
        data, at = b"".join((WEIGHTS / path).read_bytes() for path in group["paths"]), 0
        for entry in group["weights"]:
            q = np.frombuffer(data, np.uint8, int(np.prod(entry["shape"])), at).reshape(entry["shape"])
            how, at = entry["quantization"], at + q.size
            tensors[entry["name"]] = (q.astype(np.float64) * how["scale"] + how["min"]).astype(np.float32)
    return tensors


def windows(x, size, stride):
    """The pixels under each position of a window, with TensorFlow's "same" padding: the odd pixel comes after the image."""
    _, H, W, _ = x.shape
    rows, columns = -(-H // stride), -(-W // stride)
    down, right = (max((n - 1) * stride + size - m, 0) for n, m in ((rows, H), (columns, W)))
    x = np.pad(x, ((0, 0), (down // 2, down - down // 2), (right // 2, right - right // 2), (0, 0)))
    for i in range(size):
        for j in range(size):
            yield i, j, x[:, i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride]


def conv(x, filters, bias, stride=1):
    """filters [KH,KW,Ci,Co]"""
    return sum(pixels @ filters[i, j] for i, j, pixels in windows(x, len(filters), stride)) + bias


def depthwise(x, filters, stride):
    """filters [KH,KW,C,1]"""
    return sum(pixels * filters[i, j, :, 0] for i, j, pixels in windows(x, len(filters), stride))


def relu(x):
    return np.maximum(x, 0)


class Port:
    networks = (NET,)

    def __init__(self):
        self.w = load("face_landmark_68_tiny_model")

    def separable(self, x, path, stride=1):
        x = depthwise(x, self.w[f"{path}/depthwise_filter"], stride)
        return conv(x, self.w[f"{path}/pointwise_filter"], self.w[f"{path}/bias"])

    def block(self, x, path):
        """The input of each convolution is the relu of the sum of all earlier outputs; the first output enters after its relu."""
        if path == "dense0":
            first = relu(conv(x, self.w["dense0/conv0/filters"], self.w["dense0/conv0/bias"], 2))
        else:
            first = relu(self.separable(x, f"{path}/conv0", 2))
        second = self.separable(first, f"{path}/conv1")
        third = self.separable(relu(first + second), f"{path}/conv2")
        return relu(first + (second + third))

    def layers(self, batch):
        x = (batch - np.float32(MEAN)) / np.float32(DIVISOR)
        values = {}
        for path in ("dense0", "dense1", "dense2"):
            x = values[path] = self.block(x, path)
        values["fc"] = x.mean(axis=(1, 2)) @ self.w["fc/weights"] + self.w["fc/bias"]
        return values

    def weights(self, network, names):
        return {name: self.w[name] for name in names}

    def run(self, network, batch):
        return {"points": self.layers(batch)["fc"]}

    def taps(self, network, batch, names):
        values = self.layers(batch)
        return {name: values[name] for name in names}

    def decode(self, network, inputs, attributes, names):
        """From points in the padded square to points in the crop; half of the padding is before the crop."""
        points = []
        for raw, (height, width) in zip(inputs["points"], attributes["image_dims"], strict=True):
            size = np.array([width, height]) * (SIZE / max(height, width))
            points.append(((raw.reshape(68, 2) * SIZE - (SIZE - size) / 2) / size).reshape(136))
        return {"relative_points": np.array(points, np.float32)}
