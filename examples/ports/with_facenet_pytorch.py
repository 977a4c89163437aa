"""MTCNN of facenet-pytorch, whose weights are those of face-api.js.

pip install torch requests tqdm pillow && pip install --no-deps facenet-pytorch torchvision
npfaceapi conform run --case "raw/mtcnn_*" --python examples/ports/with_facenet_pytorch.py:BGR

Its networks take the picture rows first; the kit's batch is transposed, and BGR. `BGR` transposes the batch back and keeps the
colours, which is correct; `RGB` feeds the networks as the package does; `AsItIs` passes the batch unchanged.
"""

import numpy as np
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet


class BGR:
    networks = ("mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet")
    upright, rgb = True, False

    def __init__(self):
        self.nets = dict(zip(self.networks, (PNet(), RNet(), ONet()), strict=True))

    def run(self, network, batch):
        pixels = batch[..., ::-1] if self.rgb else batch
        axes = (0, 3, 2, 1) if self.upright else (0, 3, 1, 2)  # from [N,x,y,C] to [N,C,y,x], which is PyTorch's [N,C,H,W]
        x = (torch.from_numpy(np.ascontiguousarray(pixels.transpose(axes))) - 127.5) * 0.0078125
        with torch.no_grad():
            *values, prob = (value.numpy() for value in self.nets[network](x))
        if network == "mtcnn_pnet":  # maps, back to [N,x,y,C]
            back = (0, 3, 2, 1) if self.upright else (0, 2, 3, 1)
            values, prob = [value.transpose(back) for value in values], prob.transpose(back)
        return dict(zip(("regions", "points"), values, strict=False), prob=prob)


class RGB(BGR):
    rgb = True


class AsItIs(BGR):
    upright = False
