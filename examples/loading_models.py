"""Load weights of your own; those of `faceapi.nets` are in the package and are read on first use.

python examples/loading_models.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import npfaceapi as faceapi

folder = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "weights"
photo = Path(__file__).parents[1] / "golden/images/astronaut.png"

net = faceapi.TinyFaceDetector()
net.load_from_disk(folder)  # or load_from_uri("https://…/models"): the files that face-api.js loads
print(f"{type(net).__name__}: {len(net.get_param_list())} arrays of parameters; faces: {len(net.locate_faces(photo))}")

flat = net.serialize_params()  # float32, all parameters in one array: the `.weights` files of face-api.js
again = faceapi.create_tiny_face_detector(flat)
same = np.array_equal(again.serialize_params(), flat)
print(f"{flat.size:,} numbers, the same after loading: {same}")
