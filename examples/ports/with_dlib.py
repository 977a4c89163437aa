"""dlib's own descriptor network, with the float weights that face-api.js quantized; and a comparison of the two.

pip install dlib-bin face_recognition_models "setuptools<81"
npfaceapi conform run --case "raw/face_recognition_net/*" --grade mixed:bfloat16 --python examples/ports/with_dlib.py:Port
python examples/ports/with_dlib.py            # the distances between both descriptors of one face
"""

from pathlib import Path

import dlib
import face_recognition_models as models
import numpy as np

import npfaceapi as faceapi

NETWORK = dlib.face_recognition_model_v1(models.face_recognition_model_location())


def descriptor(pixels):
    """The descriptor of a crop, uint8 [150,150,3] RGB."""
    return np.array(NETWORK.compute_face_descriptor(np.ascontiguousarray(pixels)))


class Port:
    networks = ("face_recognition_net",)

    def run(self, network, batch):
        pixels = np.floor(batch + np.float32(0.5)).astype(np.uint8)  # dlib takes bytes; a resized crop is not integers
        return {"descriptor": np.array([descriptor(image) for image in pixels], np.float32)}


def square(pixels):
    """A crop padded and resized as in face-api.js, rounded to bytes so that both networks can take it."""
    batch = faceapi.to_net_input(pixels).to_batch_tensor(150, True)
    return np.floor(batch[0] + 0.5).astype(np.uint8)


def compare():
    photo = np.asarray(faceapi.load_image(Path(__file__).parents[2] / "golden" / "images" / "astronaut.png"))
    face = dlib.get_frontal_face_detector()(photo, 1)[0]
    chips = {}
    for points in (5, 68):
        location = models.pose_predictor_five_point_model_location if points == 5 else models.pose_predictor_model_location
        chips[points] = dlib.get_face_chip(photo, dlib.shape_predictor(location())(photo, face), size=150, padding=0.25)
    found = faceapi.detect_single_face(photo).with_face_landmarks().with_face_descriptor().run()
    boxes = [found.detection, found.landmarks.align(None, use_dlib_alignment=True)]
    detection, dlib_square = (square(crop) for crop in faceapi.extract_face_tensors(photo, boxes))

    print("one picture of 150 x 150, given to both             distance  cosine")
    for name, pixels in {
        "dlib's chip by 5 points": chips[5],
        "dlib's chip by 68 points": chips[68],
        "face-api.js's detection": detection,
        "face-api.js's square for the descriptor": dlib_square,
        "all black": np.zeros((150, 150, 3), np.uint8),
    }.items():
        a, b = descriptor(pixels), faceapi.nets.face_recognition_net.compute_face_descriptor(pixels)
        print(f"{name:52} {np.linalg.norm(a - b):7.4f}  {a @ b / np.linalg.norm(a) / np.linalg.norm(b):.4f}")
    print("end to end: each with its own detector and alignment")
    for points, chip in chips.items():
        distance = np.linalg.norm(descriptor(chip) - found.descriptor)
        print(f"{f'dlib with {points} points, face-api.js with SSD':52} {distance:7.4f}")
    distance = np.linalg.norm(descriptor(chips[5]) - descriptor(chips[68]))
    print(f"{'dlib with 5 points, dlib with 68':52} {distance:7.4f}")


if __name__ == "__main__":
    compare()
