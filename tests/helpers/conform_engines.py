"""Other engines as ports: ONNX Runtime on exported graphs, and PyTorch with its own functions for every operation.

`TorchPort` is written without this package's kernels, so a fault planted in it (by replacing one of its functions) is
independent of the faults of the kit's diagnosis.
"""

from __future__ import annotations

import functools

import numpy as np

from npfaceapi import nets
from npfaceapi.networks.tiny_yolov2 import TinyYolov2
from npfaceapi.ops import window_padding


def network_of(name):
    if name.startswith("mtcnn_"):
        return getattr(nets.mtcnn, name.removeprefix("mtcnn_"))
    return getattr(nets, name)


class GraphPort:
    """Common base: the recorded graph and the weights of each network."""

    def __init__(self):
        self._made = {}

    def _network(self, name):
        return self._made.get(name) or network_of(name)

    def load_weights(self, network, tensors):
        if network not in self._made:
            self._made[network] = TinyYolov2(network == "tiny_yolov2")
            self._made[network].load_from_weight_map(tensors)

    def run(self, network, batch):
        graph = self._network(network).graph(*batch.shape[1:3])
        return self.values(network, graph, graph.outputs, batch)

    def taps(self, network, batch, names):
        graph = self._network(network).graph(*batch.shape[1:3])
        return self.values(network, graph, {name: graph.find(name) for name in names}, batch)


class OnnxPort(GraphPort):
    """ONNX Runtime on the exported graph."""

    def values(self, network, graph, outputs, batch):
        import onnxruntime

        from npfaceapi.export.onnx_model import to_onnx

        renamed = {f"value{i}": node for i, node in enumerate(outputs.values())}
        model = to_onnx(graph, self._network(network).tensors, renamed).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        found = session.run(list(renamed), {session.get_inputs()[0].name: batch})
        return dict(zip(outputs, found, strict=True))


class TorchPort(GraphPort):
    """PyTorch, channels first; each method is one operation and can be replaced by a faulty one."""

    def values(self, network, graph, outputs, batch):
        import torch

        weights = {name: torch.from_numpy(np.array(value)) for name, value in self._network(network).tensors.items()}
        known = {graph.input: self.enter(torch.from_numpy(np.array(batch, np.float32)).permute(0, 3, 1, 2))}
        with torch.no_grad():
            for node in graph.ancestors(list(outputs.values())):
                if node.op != "input":
                    parameters = {key: weights[p.name] for key, p in node.params.items()}
                    known[node] = getattr(self, node.op)(node, [known[x] for x in node.inputs], parameters)
        return {name: np.ascontiguousarray(self.leave(known[node])) for name, node in outputs.items()}

    def enter(self, x):
        return x

    def leave(self, x):
        return (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).numpy()

    def padded(self, node, x, k, value=0.0):
        import torch.nn.functional as F

        stride, padding = node.attributes.get("stride", 1), node.attributes.get("padding", "valid")
        rows, columns = (window_padding(n, k, stride, padding)[:2] for n in x.shape[2:])
        return F.pad(x, (*columns, *rows), value=value)

    def conv2d(self, node, inputs, p):
        import torch.nn.functional as F

        x = self.padded(node, inputs[0], p["filters"].shape[0])
        return F.conv2d(x, p["filters"].permute(3, 2, 0, 1), p.get("bias"), node.attributes["stride"])

    def depthwise_conv2d(self, node, inputs, p):
        import torch.nn.functional as F

        x = self.padded(node, inputs[0], p["filters"].shape[0])
        return F.conv2d(x, p["filters"].permute(2, 3, 0, 1), p.get("bias"), node.attributes["stride"], groups=x.shape[1])

    def max_pool(self, node, inputs, p):
        import torch.nn.functional as F

        size = node.attributes["size"]
        return F.max_pool2d(self.padded(node, inputs[0], size, -np.inf), size, node.attributes["stride"])

    def avg_pool(self, node, inputs, p):
        import torch.nn.functional as F

        return F.avg_pool2d(inputs[0], node.attributes["size"], node.attributes["stride"])

    def dense(self, node, inputs, p):
        y = inputs[0] @ p["weights"]
        return y + p["bias"] if "bias" in p else y

    def batch_norm(self, node, inputs, p):
        import torch.nn.functional as F

        return F.batch_norm(inputs[0], p["mean"], p["variance"], p["scale"], p["offset"], eps=node.attributes["epsilon"])

    def _channels(self, value, x):
        import torch

        value = torch.as_tensor(value, dtype=torch.float32)
        return value.reshape(-1, 1, 1) if value.ndim == 1 and x.ndim == 4 else value

    def _arithmetic(self, function, node, inputs, p):
        y = inputs[1] if len(inputs) > 1 else self._channels(p.get("y", node.attributes.get("y")), inputs[0])
        return function(inputs[0], y)

    def add(self, node, inputs, p):
        return self._arithmetic(lambda a, b: a + b, node, inputs, p)

    def subtract(self, node, inputs, p):
        return self._arithmetic(lambda a, b: a - b, node, inputs, p)

    def multiply(self, node, inputs, p):
        return self._arithmetic(lambda a, b: a * b, node, inputs, p)

    def divide(self, node, inputs, p):
        return self._arithmetic(lambda a, b: a / b, node, inputs, p)

    def relu(self, node, inputs, p):
        return inputs[0].relu()

    def relu6(self, node, inputs, p):
        return inputs[0].clamp(0, 6)

    def leaky_relu(self, node, inputs, p):
        import torch.nn.functional as F

        return F.leaky_relu(inputs[0], node.attributes["alpha"])

    def prelu(self, node, inputs, p):
        import torch.nn.functional as F

        return F.prelu(inputs[0], p["alpha"])

    def softmax(self, node, inputs, p):
        return inputs[0].softmax(1 if inputs[0].ndim == 4 else -1)

    def mean(self, node, inputs, p):
        return inputs[0].mean((2, 3))

    def pad(self, node, inputs, p):
        import torch.nn.functional as F

        a = node.attributes
        return F.pad(inputs[0], (*a["columns"], *a["rows"], *a["channels"]))

    def reshape(self, node, inputs, p):
        x = inputs[0].permute(0, 2, 3, 1) if inputs[0].ndim == 4 else inputs[0]
        return x.reshape(len(x), *node.attributes["shape"])

    def concat(self, node, inputs, p):
        import torch

        return torch.cat(inputs, 1)


def planted(**methods):
    """A `TorchPort` with some operations replaced; each gets the port, the node, the inputs and the parameters."""
    port = TorchPort()
    for name, method in methods.items():
        setattr(port, name, functools.partial(method, port))
    return port
