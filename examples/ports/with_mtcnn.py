"""MTCNN of the package mtcnn (Keras), whose weights are those of face-api.js.

pip install mtcnn tensorflow-cpu
npfaceapi conform run --case "raw/mtcnn_*" --python examples/ports/with_mtcnn.py:BGR

Its networks take the picture rows first; the kit's batch is transposed, and BGR. `BGR` transposes the batch back and keeps the
colours, which is correct; `RGB` feeds the networks as the package does; `AsItIs` passes the batch unchanged.
"""

import numpy as np
from mtcnn.stages import StageONet, StagePNet, StageRNet


class BGR:
    networks = ("mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet")
    upright, rgb = True, False

    def __init__(self):
        self.nets = {name: stage()._model for name, stage in zip(self.networks, (StagePNet, StageRNet, StageONet), strict=True)}

    def run(self, network, batch):
        pixels = batch[..., ::-1] if self.rgb else batch
        pixels = pixels.transpose(0, 2, 1, 3) if self.upright else pixels  # from [N,x,y,C] to [N,y,x,C]
        x = (np.ascontiguousarray(pixels) - np.float32(127.5)) * np.float32(0.0078125)
        *values, prob = (np.asarray(value) for value in self.nets[network](x))
        if network == "mtcnn_pnet" and self.upright:  # maps, back to [N,x,y,C]
            values, prob = [value.transpose(0, 2, 1, 3) for value in values], prob.transpose(0, 2, 1, 3)
        return dict(zip(("regions", "points"), values, strict=False), prob=prob)


class RGB(BGR):
    rgb = True


class AsItIs(BGR):
    upright = False
