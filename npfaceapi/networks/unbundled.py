"""Published weights that are not bundled: where to find them, and their hashes.

These are the weights of Tiny YOLO v2, and the float32 weights from which those of SSD and face recognition were quantized.
The environment variable NPFACEAPI_TINY_YOLOV2 names a folder with some of them.
"""

from __future__ import annotations

import os

__all__ = ["OLDER_SIZES", "PACKAGE", "REPOSITORY", "SHA256", "VARIABLE", "WHERE", "folder_at_hand", "known_numbers"]

VARIABLE = "NPFACEAPI_TINY_YOLOV2"
PACKAGE = "the npm package face-api.js 0.10.0, folder weights_uncompressed"
REPOSITORY = "github.com/justadudewhohacks/face-api.js at commit 5442a71d0bcd26581f485e8fb5933c4b7838fd38, folder weights"
WHERE = f"*.weights are in {PACKAGE}, tiny_yolov2_separable_conv_model-* in {REPOSITORY}"

#: SHA-256 of the files.
SHA256 = {
    "tiny_yolov2_separable_conv_model-shard1": "7be149fcea4c8a834c49ff77bab470f8f3bf4a5674c44162bcea966fbb561c10",
    "tiny_yolov2_separable_conv_model-weights_manifest.json": "2394ce39ab3270d1622a4218a14dfb9222b0b563df25019fa4483f147eaa2047",
    "tiny_yolov2_model.weights": "0dffee286462e1cae48fc709a1decc8eaadabd1259f0c22452be42b4143ce438",
    "ssd_mobilenetv1_model.weights": "ec27a94241e21932167ef180a767b402ee69f25838c69620f9aa4a462886570f",
    "face_recognition_model.weights": "58c8187ed18a12c127e88a5ade737163324f855c03932ecdd7f7a21f5b321bdf",
    "mtcnn_model.weights": "20f4d3ac278e42e9a079453441533ec4e79bb6bd2e7cf7bd33e34ee123d674cb",
}
#: SHA-256 of the dequantized float32 numbers, in flat order, of models whose published weights are quantized.
_OF_BYTES = {
    "tiny_yolov2_separable_conv_model": "c43e822eab287f9a206b1a92f7ac94d6134dc25de82daf52b2f24860c8f101fb",
    "ssd_mobilenetv1_model": "11907f7d8ff8cb04b78df096d0d4b63101d5547655f417226a2f5edae04bb24e",
    "face_recognition_model": "2f8cae47a71b0641c5716fbfb7e7c1d3a18ab9c0169c858019eed5af5439e2f6",
}
#: Networks of earlier releases by their number of weights; they are not supported.
OLDER_SIZES = {7_340_808: "FaceLandmark68Net before face-api.js 0.14"}


def known_numbers(model: str) -> list[str]:
    """SHA-256 of the float32 numbers, in flat order, of every published version of a model in this module; may be empty."""
    known = _OF_BYTES.get(model), SHA256.get(f"{model}.weights")  # a flat file holds only these numbers
    return [digest for digest in known if digest is not None]


def folder_at_hand() -> str | None:
    """The folder that the environment variable names, or None."""
    return os.environ.get(VARIABLE) or None
