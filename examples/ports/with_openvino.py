"""OpenVINO on the models of `npfaceapi export --format onnx`, in float32 and with weights compressed to float16.

pip install openvino onnx
npfaceapi conform run --level taps --level raw --python examples/ports/with_openvino.py:Float32
npfaceapi conform run --level raw --grade mixed:float16 --python examples/ports/with_openvino.py:Float16Weights
"""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import openvino

from npfaceapi import nets
from npfaceapi.export.files import export_net

ANY_SIZE = ("tiny_face_detector", "mtcnn_pnet")
ONE_SIZE = ("ssd_mobilenetv1", "mtcnn_rnet", "mtcnn_onet", "face_landmark_68_net", "face_landmark_68_tiny_net")
ONE_SIZE += ("face_recognition_net", "face_expression_net", "age_gender_net")
FOLDER = tempfile.TemporaryDirectory()


class Float32:
    networks = (*ANY_SIZE, *ONE_SIZE)
    float16 = False

    def __init__(self):
        self.core = openvino.Core()

    @cache  # noqa: B019 (a port lives as long as its process)
    def compiled(self, network, taps=()):
        file = Path(FOLDER.name) / f"{network}_{len(taps)}.onnx"
        export_net(nets.network_named(network), file, taps=taps, dynamic=network in ANY_SIZE)
        model = openvino.convert_model(file)
        if self.float16:
            openvino.save_model(model, file.with_suffix(".xml"), compress_to_fp16=True)
            model = self.core.read_model(file.with_suffix(".xml"))
        # without the hint, processors with bfloat16 or float16 units compute in these formats
        return self.core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def values(self, network, batch, taps=()):
        model = self.compiled(network, tuple(taps))
        return {name: value for port, value in model(np.ascontiguousarray(batch)).items() for name in port.names}

    def run(self, network, batch):
        names = nets.network_named(network).graph().outputs
        found = self.values(network, batch)
        return {name: found[name] for name in names}

    def taps(self, network, batch, names):
        found = self.values(network, batch, names)
        return {name: found[name] for name in names}


class Float16Weights(Float32):
    float16 = True
    taps = None
