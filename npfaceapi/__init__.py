"""The networks of face-api.js in NumPy and Numba.

    import npfaceapi as faceapi

    faces = faceapi.detect_all_faces("photo.jpg").with_face_landmarks().with_face_descriptors().run()

The map of the package.  A module imports only modules that are listed above it; a test checks that.
`docs/architecture.md` follows a photo through the package.

The library:

    errors.py        the exceptions, all of them NpFaceApiError
    locks.py         locks that are released in a forked child
    _version.py      the version
    output_files.py  writing files: completely or not at all, and never over an input
    reading/         files, URLs and JSON that are not trusted, with limits on their size
    display/         HTML, SVG, text tables, lines on standard error; the library imports it only inside functions
    graph.py         a network as a graph: recording, nodes, shapes
    ops.py           the operations that networks consist of: shape rule and cost
    taps.py          the values of nodes inside a network
    engines/         run a graph: reference (NumPy), numba, cuda; dispatch.py chooses
    faces/           points, boxes, landmarks, detections, results, matcher
    draw/            draw results on a photo
    photos/          from a photo to the input of a network: decoding, sizes, crops, batches
    weights.py       from weight files to named tensors
    networks/        one file per network: definition, input, decoding
    nets.py          the ready-made networks
    tasks.py         the chains: detect_all_faces(photo).with_face_landmarks()
    global_api.py    face-api.js's global functions

The tools built on the library, which never imports them:

    graph_pictures/  a graph as SVG, DOT, Mermaid
    export/          a network as ONNX, its weights as npz or safetensors
    inspection/      a page of everything that the networks see and compute for a photo
    conformance/     the golden cases; tests ports and our own backends, and finds faults
    benchmark/       speed, memory and accuracy, against other engines
    evaluation/      accuracy on public data and on photos of your own
    video/           faces in video files: frames, tracks, a drawn copy
    collection/      an index of photos on disk: search, groups of people
    service/         a page and a web service: photos, videos and the camera
    _pyinstaller/    what a program built with PyInstaller needs
    commands/        the commands, one file each
    cli.py           the command line
    __main__.py      python -m npfaceapi

Importing this module imports neither Numba nor Pillow, reads no weights and compiles nothing: every public name,
including those of the tools, is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from npfaceapi._version import __version__

_NAMES = {
    "collection.face_index": ("FaceIndex",),
    "collection.worker": ("FaceWorker",),
    "engines.dispatch": ("available_backends", "current_backend", "set_backend", "use_backend"),
    "engines.thread_count": ("get_num_threads", "set_num_threads", "use_num_threads"),
    "errors": (
        "BackendUnavailable", "DeviceError", "FetchError", "GoldenError", "ImageError", "ImageNotFoundError", "InvalidArgument",
        "InvalidType", "NpFaceApiError", "PhotoWarning", "WeightsError",
    ),
    "evaluation.calibrating": ("calibrate",),
    "evaluation.evaluating": ("evaluate",),
    "export.files": ("export_net",),
    "export.onnx_model": ("to_onnx",),
    "faces.boxes": ("inverse_sigmoid", "iou", "non_max_suppression", "shuffle_array", "sigmoid"),
    "faces.calibration": ("Calibration", "Estimate"),
    "faces.geometry": ("BoundingBox", "Box", "Dimensions", "LabeledBox", "Point", "PredictedBox", "Rect", "min_bbox"),
    "faces.landmarks": ("FaceLandmarks", "FaceLandmarks5", "FaceLandmarks68"),
    "faces.matcher": ("FaceMatch", "FaceMatcher", "LabeledFaceDescriptors", "euclidean_distance"),
    "faces.pose": ("HeadPose", "head_pose"),
    "faces.results": (
        "FACE_EXPRESSION_LABELS", "AgeAndGenderPrediction", "FaceDetection", "FaceExpressions", "FaceResult", "Gender",
        "ObjectDetection", "extend_with_age", "extend_with_face_descriptor", "extend_with_face_detection",
        "extend_with_face_expressions", "extend_with_face_landmarks", "extend_with_gender", "is_with_age",
        "is_with_face_detection", "is_with_face_expressions", "is_with_face_landmarks", "is_with_gender", "resize_results",
    ),
    "global_api": (
        "all_faces", "all_faces_mtcnn", "all_faces_ssd_mobilenetv1", "all_faces_tiny_yolov2", "anonymize",
        "compute_face_descriptor",
        "create_face_detection_net", "create_face_recognition_net", "create_mtcnn", "create_ssd_mobilenetv1",
        "create_tiny_face_detector", "create_tiny_yolov2", "detect_face_landmarks", "detect_face_landmarks_tiny",
        "detect_landmarks",
        "load_age_gender_model", "load_face_detection_model", "load_face_expression_model", "load_face_landmark_model",
        "load_face_landmark_tiny_model", "load_face_recognition_model", "load_mtcnn_model", "load_ssd_mobilenetv1_model",
        "load_tiny_face_detector_model", "load_tiny_yolov2_model", "locate_faces", "mtcnn", "predict_age_and_gender",
        "recognize_face_expressions", "ssd_mobilenetv1", "tiny_face_detector", "tiny_yolov2", "warmup",
    ),
    "inspection.inspecting": ("Inspection", "inspect"),
    "networks.age_gender_net": ("AgeGenderNet",),
    "networks.face_expression_net": ("FaceExpressionNet",),
    "networks.face_landmark_68_net": ("FaceLandmark68Net", "FaceLandmark68TinyNet", "FaceLandmarkNet"),
    "networks.face_recognition_net": ("FaceRecognitionNet",),
    "networks.mtcnn": ("Mtcnn",),
    "networks.neural_network": ("NeuralNetwork",),
    "networks.options": (
        "MtcnnOptions", "SsdMobilenetv1Options", "TinyFaceDetectorOptions", "TinyYolov2Options", "TinyYolov2SizeType",
        "validate_config",
    ),
    "networks.ssd_mobilenetv1": ("FaceDetectionNet", "SsdMobilenetv1"),
    "networks.tiny_face_detector": ("TinyFaceDetector",),
    "networks.tiny_yolov2": ("TinyYolov2",),
    "photos.chips": ("extract_face_chip",),
    "photos.fetch": ("fetch_image", "fetch_json", "fetch_net_weights", "fetch_or_throw"),
    "photos.limits": ("set_max_megapixels",),
    "photos.loading": ("load_image",),
    "photos.net_input": (
        "NetInput", "buffer_to_image", "extract_face_tensors", "extract_faces", "normalize", "pad_to_square", "resize_bilinear",
        "to_net_input",
    ),
    "photos.quality": ("FaceQuality", "face_quality"),
    "tasks": (
        "ComposableTask", "ComputeAllFaceDescriptorsTask", "ComputeFaceDescriptorsTaskBase", "ComputeSingleFaceDescriptorTask",
        "DetectAllFaceLandmarksTask", "DetectAllFacesTask", "DetectFaceLandmarksTaskBase", "DetectFacesTaskBase",
        "DetectSingleFaceLandmarksTask", "DetectSingleFaceTask", "detect_all_faces", "detect_single_face",
    ),
    "video.analysis": ("FrameFaces", "VideoAnalysis", "analyze_video"),
    "video.tracks": ("Track",),
    "weights": ("load_weight_map",),
}  # fmt: skip
_MODULES = ("draw", "nets")
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = ["__version__", *_MODULES, *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"npfaceapi.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'npfaceapi' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"npfaceapi.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
