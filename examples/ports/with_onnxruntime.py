"""ONNX Runtime on the models of `npfaceapi export --format onnx`: in float32, and quantized to 8 bits.

pip install onnxruntime onnx
npfaceapi conform run --level taps --level raw --python examples/ports/with_onnxruntime.py:Float32
npfaceapi conform run --level raw --grade mixed:quantized --python examples/ports/with_onnxruntime.py:Int8
"""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from PIL import Image

from npfaceapi import nets
from npfaceapi.export.files import export_net

ROOT = Path(__file__).parents[2]
ANY_SIZE = ("tiny_face_detector", "mtcnn_pnet")
ONE_SIZE = ("ssd_mobilenetv1", "mtcnn_rnet", "mtcnn_onet", "face_landmark_68_net", "face_landmark_68_tiny_net")
ONE_SIZE += ("face_recognition_net", "face_expression_net", "age_gender_net")
FOLDER = tempfile.TemporaryDirectory()


def exported(network, taps=()):
    """The file of a network's model, of dynamic height and width if the network is."""
    file = Path(FOLDER.name) / f"{network}_{len(taps)}.onnx"
    export_net(nets.network_named(network), file, taps=taps, dynamic=network in ANY_SIZE)
    return file


class Float32:
    networks = (*ANY_SIZE, *ONE_SIZE)

    @cache  # noqa: B019 (a port lives as long as its process)
    def session(self, network, taps=()):
        return ort.InferenceSession(str(exported(network, taps)), providers=["CPUExecutionProvider"])

    def run(self, network, batch):
        session = self.session(network)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, {"input": np.ascontiguousarray(batch)}), strict=True))

    def taps(self, network, batch, names):
        session = self.session(network, tuple(names))
        return dict(zip(names, session.run(list(names), {"input": np.ascontiguousarray(batch)}), strict=True))


class Pictures(CalibrationDataReader):
    """Calibration data for the ranges of the activations: pieces of the photo, noise and black, at the size of the input."""

    def __init__(self, shape, transposed):
        photo = Image.open(ROOT / "golden" / "images" / "astronaut.png").convert("RGB")
        corners = [(0, 0, 512, 512), (160, 20, 340, 200), (0, 200, 256, 456), (256, 256, 512, 512)]
        pixels = [np.asarray(photo.crop(corner).resize(shape[1::-1]), np.float32)[None] for corner in corners]
        pixels += [np.random.default_rng(0).uniform(0, 255, pixels[0].shape).astype(np.float32), np.zeros_like(pixels[0])]
        self.rest = iter([np.ascontiguousarray(x[..., ::-1].transpose(0, 2, 1, 3)) if transposed else x for x in pixels])

    def get_next(self):
        x = next(self.rest, None)
        return None if x is None else {"input": x}


class Int8(Float32):
    """Weights and activations in 8 bits, with ranges measured beforehand (static, QDQ).

    Processors without VNNI add products of two bytes in 16 bits, which overflow; weights of 7 bits (`reduce_range`) do not.
    """

    reduce_range = True
    in_float32 = ()  # blocks
    taps = None

    @cache  # noqa: B019 (a port lives as long as its process)
    def session(self, network, taps=()):
        file = exported(network)
        shape = [n if isinstance(n, int) else 0 for n in ort.InferenceSession(str(file)).get_inputs()[0].shape[1:3]]
        size = tuple(n or (256 if network == "mtcnn_pnet" else 416) for n in shape)
        quantized = file.with_suffix(".int8.onnx")
        quantize_static(
            str(file),
            str(quantized),
            Pictures(size, network.startswith("mtcnn")),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=self.reduce_range,
            op_types_to_quantize=["Conv", "MatMul", "Gemm"],
            nodes_to_exclude=[node.name for node in onnx.load(file).graph.node if node.name.startswith(self.in_float32)],
        )
        return ort.InferenceSession(str(quantized), providers=["CPUExecutionProvider"])


class Int8FullRange(Int8):
    reduce_range = False


class Int8WithoutZeros(Int8):
    """The filters of this block are zero: quantization gives zeros the scale 1, and so rounds the biases to integers."""

    in_float32 = ("dense0/conv2/",)
