# mypy: disable-error-code="func-returns-value"
"""The type of every public name as a type checker sees it; `test_public_types.py` has this file checked, nothing runs it.

A line holds the type of what a call gives.  The functions here only give names to values of a type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, assert_type

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

import npfaceapi as faceapi
from npfaceapi import nets
from npfaceapi.collection.adding import Added
from npfaceapi.collection.face_index import FoundFace
from npfaceapi.collection.people import Group, Move
from npfaceapi.collection.worker import PhotoRows
from npfaceapi.draw import (
    AnchorPosition,
    DrawBox,
    DrawBoxOptions,
    DrawFaceLandmarks,
    DrawFaceLandmarksOptions,
    DrawTextField,
    DrawTextFieldOptions,
)
from npfaceapi.engines.cuda.program import CudaProgram
from npfaceapi.engines.dispatch import BackendStatus
from npfaceapi.engines.numba.program import NumbaProgram
from npfaceapi.faces.detection import Source
from npfaceapi.faces.geometry import BorderPadding
from npfaceapi.faces.predictions import ExpressionProbability
from npfaceapi.faces.results import Faces
from npfaceapi.graph import Graph, Layer, Node, Param, ParamTree
from npfaceapi.inspection.cascade import CascadeTrace
from npfaceapi.inspection.detectors import DetectorTrace
from npfaceapi.inspection.faces import FaceReport
from npfaceapi.inspection.layers import NetworkReport
from npfaceapi.networks.mtcnn import MtcnnAnswer, MtcnnNet, MtcnnStats
from npfaceapi.photos.net_input import Photo, Photos
from npfaceapi.taps import Taps, Values

Pixels = NDArray[np.uint8 | np.float32]
Points = NDArray[np.float64]
Float32 = NDArray[np.float32]
Tensor = NDArray[np.float32 | np.int32 | np.bool_ | np.uint8 | np.uint16]

assert_type(faceapi.__version__, str)


# ------------------------------------------------------------------ photos


def photos(
    pixels: NDArray[np.uint8], file: IO[bytes], image: Image, one: Photo, several: list[str | Path], net_input: faceapi.NetInput
) -> None:
    for photo in ("a.jpg", Path("a.jpg"), b"", bytearray(), memoryview(b"")):
        assert_type(faceapi.load_image(photo), Pixels)
    assert_type(faceapi.load_image(pixels), Pixels)
    assert_type(faceapi.load_image(file), Pixels)
    assert_type(faceapi.load_image(image, "the photo"), Pixels)
    assert_type(faceapi.load_image(one), Pixels)
    assert_type(faceapi.to_net_input("a.jpg"), faceapi.NetInput)
    assert_type(faceapi.to_net_input(several), faceapi.NetInput)
    assert_type(faceapi.to_net_input(net_input), faceapi.NetInput)
    assert_type(faceapi.NetInput(["a.jpg", image, pixels]), faceapi.NetInput)
    assert_type(faceapi.NetInput.of_pixels([pixels]), faceapi.NetInput)
    assert_type(net_input.image_tensors, list[Pixels])
    assert_type(net_input.is_batch_input, bool)
    assert_type(net_input.batch_size, int)
    assert_type(net_input.input_size, int | None)
    assert_type(net_input.input_dimensions, list[tuple[int, int, int]])
    assert_type(net_input.reshaped_input_dimensions, list[faceapi.Dimensions])
    assert_type(net_input.get_input(0), Pixels)
    assert_type(net_input.get_input_dimensions(0), tuple[int, int, int])
    assert_type(net_input.get_input_height(0), int)
    assert_type(net_input.get_input_width(0), int)
    assert_type(net_input.get_reshaped_input_dimensions(0), faceapi.Dimensions)
    assert_type(net_input.to_batch_tensor(112), NDArray[np.float32])
    assert_type(faceapi.buffer_to_image(b""), Image)
    assert_type(faceapi.fetch_image("a.jpg"), Image)
    assert_type(faceapi.fetch_json("a.json"), Any)
    assert_type(faceapi.fetch_net_weights("a.weights"), NDArray[np.float32])
    assert_type(faceapi.fetch_or_throw("a", {"method": "GET", "headers": {"Accept": "image/png"}}), bytes)
    assert_type(faceapi.pad_to_square(pixels), NDArray[np.uint8])
    assert_type(faceapi.resize_bilinear(pixels, (2, 2)), NDArray[np.float32])
    assert_type(faceapi.normalize(pixels, (1, 2, 3)), NDArray[np.float32])


def cut_out(
    image: Image, face: faceapi.FaceResult, detection: faceapi.FaceDetection, box: faceapi.Rect, points: faceapi.FaceLandmarks68
) -> None:
    assert_type(faceapi.extract_face_chip("a.jpg", points, size=64), NDArray[np.float32])
    assert_type(faceapi.extract_faces("a.jpg", [face]), list[Image])
    assert_type(faceapi.extract_faces(image, [detection, face, box]), list[Image])
    assert_type(faceapi.extract_face_tensors(image, [box]), list[Pixels])


# ------------------------------------------------------------------ chains


def all_faces_of_a_photo(photo: str) -> None:
    task = faceapi.detect_all_faces(photo)
    assert_type(task, faceapi.DetectAllFacesTask[Faces[faceapi.FaceDetection], Faces[faceapi.FaceResult]])
    assert_type(task.run(), Faces[faceapi.FaceDetection])
    assert_type(task[0], faceapi.FaceDetection)
    assert_type(task[:2], list[faceapi.FaceDetection])
    assert_type(len(task), int)
    assert_type(list(task), list[faceapi.FaceDetection])
    for detection in task:
        assert_type(detection, faceapi.FaceDetection)
    extended = task.with_face_landmarks()
    assert_type(extended, faceapi.DetectAllFaceLandmarksTask[Faces[faceapi.FaceResult], Faces[faceapi.FaceResult]])
    assert_type(extended.run(), Faces[faceapi.FaceResult])
    assert_type(task.with_face_expressions().run(), Faces[faceapi.FaceResult])
    assert_type(task.with_age_and_gender()[0], faceapi.FaceResult)
    full = task.with_face_landmarks(True).with_face_expressions().with_age_and_gender().with_face_descriptors()
    assert_type(full, faceapi.ComputeAllFaceDescriptorsTask[Faces[faceapi.FaceResult], Faces[faceapi.FaceResult]])
    assert_type(full.run(), Faces[faceapi.FaceResult])
    assert_type(full.run()[0].descriptor, NDArray[np.float32] | None)
    assert_type(full.run().source, Source | None)
    assert_type(full.run().rotation, int)
    assert_type(faceapi.detect_all_faces(photo, any_rotation=True).run(), Faces[faceapi.FaceDetection])
    assert_type(faceapi.detect_single_face(photo, any_rotation=True).run(), faceapi.FaceDetection | None)
    for face in full:
        assert_type(face, faceapi.FaceResult)


def all_faces_of_several_photos(paths: list[str], pixels: Sequence[NDArray[np.uint8]]) -> None:
    assert_type(faceapi.detect_all_faces(paths).run(), list[Faces[faceapi.FaceDetection]])
    task = faceapi.detect_all_faces(pixels, faceapi.TinyFaceDetectorOptions()).with_face_landmarks()
    assert_type(task.with_face_descriptors().run(), list[Faces[faceapi.FaceResult]])
    assert_type(task[0], Faces[faceapi.FaceResult])
    assert_type(task[0][0], faceapi.FaceResult)
    for faces in task:
        assert_type(faces, Faces[faceapi.FaceResult])


def the_best_face(photo: Image, paths: tuple[Path, ...]) -> None:
    task = faceapi.detect_single_face(photo)
    assert_type(task, faceapi.DetectSingleFaceTask[faceapi.FaceDetection | None, faceapi.FaceResult | None])
    assert_type(task.run(), faceapi.FaceDetection | None)
    extended = task.with_face_landmarks()
    assert_type(extended, faceapi.DetectSingleFaceLandmarksTask[faceapi.FaceResult | None, faceapi.FaceResult | None])
    full = extended.with_face_expressions().with_age_and_gender().with_face_descriptor()
    assert_type(full, faceapi.ComputeSingleFaceDescriptorTask[faceapi.FaceResult | None, faceapi.FaceResult | None])
    assert_type(full.run(), faceapi.FaceResult | None)
    assert_type(faceapi.detect_single_face(paths).run(), list[faceapi.FaceDetection | None])
    assert_type(faceapi.detect_single_face(paths).with_age_and_gender().run(), list[faceapi.FaceResult | None])


def one_or_several(photo: Photos) -> None:
    assert_type(
        faceapi.detect_all_faces(photo).with_face_landmarks().run(), Faces[faceapi.FaceResult] | list[Faces[faceapi.FaceResult]]
    )
    assert_type(faceapi.detect_single_face(photo).run(), faceapi.FaceDetection | list[faceapi.FaceDetection | None] | None)


async def awaited(photo: bytes) -> None:
    assert_type(await faceapi.detect_all_faces(photo), Faces[faceapi.FaceDetection])
    assert_type(await faceapi.detect_all_faces([photo]).with_age_and_gender(), list[Faces[faceapi.FaceResult]])
    assert_type(await faceapi.detect_single_face(photo).with_face_landmarks(), faceapi.FaceResult | None)


def steps_by_choice(photo: str, with_age: bool) -> None:
    task: faceapi.DetectAllFacesTask[Sequence[faceapi.FaceDetection | faceapi.FaceResult], Faces[faceapi.FaceResult]]
    task = faceapi.detect_all_faces(photo)
    if with_age:
        task = task.with_age_and_gender()
    for face in task.run():
        assert_type(face, faceapi.FaceDetection | faceapi.FaceResult)


def any_task(task: faceapi.ComposableTask[Faces[faceapi.FaceDetection], Faces[faceapi.FaceResult]]) -> None:
    assert_type(task, faceapi.ComposableTask[Faces[faceapi.FaceDetection], Faces[faceapi.FaceResult]])
    assert_type(task.run(), Faces[faceapi.FaceDetection])
    assert_type(task, faceapi.DetectFacesTaskBase[Faces[faceapi.FaceDetection], Faces[faceapi.FaceResult]])
    assert_type(task, faceapi.DetectFaceLandmarksTaskBase[Faces[faceapi.FaceDetection], Faces[faceapi.FaceResult]])
    extended = task.with_face_landmarks()
    assert_type(extended, faceapi.ComputeFaceDescriptorsTaskBase[Faces[faceapi.FaceResult], Faces[faceapi.FaceResult]])
    assert_type(extended.with_face_expressions().with_age_and_gender().run(), Faces[faceapi.FaceResult])
    assert_type([step.name for step in task.steps], list[str])


# ------------------------------------------------------------------ what chains give


def detection(found: faceapi.FaceDetection) -> None:
    assert_type(faceapi.FaceDetection(0.9, {"x": 0, "y": 0, "width": 1, "height": 0.5}, (9, 9)), faceapi.FaceDetection)
    thing = faceapi.ObjectDetection(0.9, 0.9, "cat", found.relative_box, found.image_dims)
    assert_type(thing, faceapi.ObjectDetection)
    assert_type(thing.for_size(1, 2), faceapi.ObjectDetection)
    assert_type(found.for_size(1, 2), faceapi.FaceDetection)
    assert_type((found.score, found.class_score, found.image_width, found.image_height), tuple[float, float, float, float])
    assert_type(found.class_name, str)
    assert_type((found.box, found.relative_box), tuple[faceapi.Box, faceapi.Box])
    assert_type(found.image_dims, faceapi.Dimensions)
    assert_type(found.source, Source | None)
    assert_type(found.read_photo(), Pixels | None)
    assert_type(found.to_dict(), dict[str, Any])
    assert_type(found.to_json(), str)


def result(face: faceapi.FaceResult, found: faceapi.FaceDetection, landmarks: faceapi.FaceLandmarks68) -> None:
    assert_type(faceapi.FaceResult(found), faceapi.FaceResult)
    assert_type(face.detection, faceapi.FaceDetection)
    assert_type(face.landmarks, faceapi.FaceLandmarks | None)
    assert_type(face.unshifted_landmarks, faceapi.FaceLandmarks | None)
    assert_type(face.aligned_rect, faceapi.FaceDetection | None)
    assert_type(face.descriptor, NDArray[np.float32] | None)
    assert_type(face.expressions, faceapi.FaceExpressions | None)
    assert_type((face.age, face.gender_probability), tuple[float | None, float | None])
    assert_type(face.gender, faceapi.Gender | None)
    assert_type(face.to_dict(), dict[str, Any])
    assert_type(face.to_json(), str)
    assert_type(faceapi.extend_with_face_detection(None, found), faceapi.FaceResult)
    assert_type(faceapi.extend_with_face_landmarks(found, landmarks), faceapi.FaceResult)
    assert_type(faceapi.extend_with_face_descriptor(face, np.zeros(128)), faceapi.FaceResult)
    assert_type(faceapi.extend_with_face_expressions(face, faceapi.FaceExpressions([1, 0, 0, 0, 0, 0, 0])), faceapi.FaceResult)
    assert_type(faceapi.extend_with_age(face, 30), faceapi.FaceResult)
    assert_type(faceapi.extend_with_gender(face, "male", 0.9), faceapi.FaceResult)


def told_apart(thing: object) -> None:
    if faceapi.is_with_face_detection(thing):
        assert_type(thing, faceapi.FaceResult)
    assert_type([each for each in [thing] if faceapi.is_with_face_detection(each)], list[faceapi.FaceResult])
    assert_type([each for each in [thing] if faceapi.is_with_face_landmarks(each)], list[faceapi.FaceResult])
    assert_type([each for each in [thing] if faceapi.is_with_face_expressions(each)], list[faceapi.FaceResult])
    assert_type([each for each in [thing] if faceapi.is_with_age(each)], list[faceapi.FaceResult])
    assert_type([each for each in [thing] if faceapi.is_with_gender(each)], list[faceapi.FaceResult])


def resized(face: faceapi.FaceResult, faces: Faces[faceapi.FaceDetection], image: Image) -> None:
    assert_type(faceapi.resize_results(face, (100, 80)), faceapi.FaceResult)
    assert_type(faceapi.resize_results(faces, image), list[faceapi.FaceDetection])
    assert_type(faceapi.resize_results([faces], {"width": 9, "height": 9}), list[list[faceapi.FaceDetection]])
    assert_type(faceapi.resize_results(faceapi.detect_single_face(["a.jpg"]).run(), (1, 1)), list[faceapi.FaceDetection | None])


def predictions(expressions: faceapi.FaceExpressions) -> None:
    assert_type(faceapi.FACE_EXPRESSION_LABELS, tuple[str, ...])
    assert_type(expressions.happy, float)
    assert_type(expressions["happy"], float)
    assert_type(expressions.as_sorted_array(), list[ExpressionProbability])
    assert_type(expressions.to_dict(), dict[str, float])
    prediction = faceapi.AgeAndGenderPrediction(30, faceapi.Gender.MALE, 0.9)
    assert_type(prediction, faceapi.AgeAndGenderPrediction)
    assert_type(prediction.gender, faceapi.Gender)
    assert_type(prediction.age, float)
    assert_type(prediction.to_dict(), dict[str, Any])


def landmarks(points: faceapi.FaceLandmarks68, found: faceapi.FaceDetection) -> None:
    assert_type(faceapi.FaceLandmarks([(0.5, 0.5)], (9, 9)), faceapi.FaceLandmarks)
    assert_type(faceapi.FaceLandmarks5(np.zeros((5, 2)), (9, 9), faceapi.Point(1, 2)), faceapi.FaceLandmarks5)
    assert_type(points.positions, Points)
    assert_type(points.relative_positions, Points)
    assert_type(points.shift, faceapi.Point)
    assert_type(points.image_dims, faceapi.Dimensions)
    assert_type((points.image_width, points.image_height), tuple[float, float])
    assert_type(points.for_size(1, 2), faceapi.FaceLandmarks68)
    assert_type(points.shift_by(1, 2), faceapi.FaceLandmarks68)
    assert_type(points.shift_by_point((1, 2)), faceapi.FaceLandmarks68)
    assert_type(points.align(found), faceapi.Box)
    assert_type(points.align(use_dlib_alignment=True), faceapi.Box)
    assert_type(points.get_jaw_outline(), Points)
    assert_type(points.get_left_eye_brow(), Points)
    assert_type(points.get_right_eye_brow(), Points)
    assert_type(points.get_nose(), Points)
    assert_type(points.get_left_eye(), Points)
    assert_type(points.get_right_eye(), Points)
    assert_type(points.get_mouth(), Points)


def matching(descriptor: NDArray[np.float32], faces: Faces[faceapi.FaceResult], known: faceapi.LabeledFaceDescriptors) -> None:
    assert_type(faceapi.euclidean_distance(descriptor, [0.5] * 128), float)
    assert_type(faceapi.LabeledFaceDescriptors("Eileen", [descriptor]), faceapi.LabeledFaceDescriptors)
    assert_type(faceapi.LabeledFaceDescriptors.from_json("{}"), faceapi.LabeledFaceDescriptors)
    assert_type(known.descriptors, tuple[NDArray[np.float32], ...])
    assert_type(known.to_dict(), dict[str, Any])
    assert_type(faceapi.FaceMatcher(faces), faceapi.FaceMatcher)
    assert_type(faceapi.FaceMatcher(descriptor), faceapi.FaceMatcher)
    assert_type(faceapi.FaceMatcher([known, descriptor]), faceapi.FaceMatcher)
    matcher = faceapi.FaceMatcher.from_json({"labeledDescriptors": []})
    assert_type(matcher, faceapi.FaceMatcher)
    assert_type(matcher.labeled_descriptors, tuple[faceapi.LabeledFaceDescriptors, ...])
    assert_type(matcher.distance_threshold, float)
    assert_type(matcher.compute_mean_distance(descriptor, [descriptor]), float)
    assert_type(matcher.match_descriptor(descriptor), faceapi.FaceMatch)
    assert_type(matcher.find_best_match(descriptor), faceapi.FaceMatch)
    assert_type(matcher.to_dict(), dict[str, Any])
    assert_type(matcher.to_json(), str)
    calibration = faceapi.Calibration.bundled("dlib", average_mirror=True)
    assert_type(calibration, faceapi.Calibration)
    assert_type(faceapi.Calibration.from_json("{}"), faceapi.Calibration)
    assert_type(faceapi.Calibration.load(Path("file")), faceapi.Calibration)
    assert_type(faceapi.calibrate([descriptor], ["Eileen"], "my photos", "dlib"), faceapi.Calibration)
    assert_type(calibration.false_match_rate(0.5), faceapi.Estimate)
    assert_type(calibration.miss_rate(0.5), faceapi.Estimate)
    assert_type(calibration.probability_same(0.5, prior=0.1), faceapi.Estimate)
    assert_type(calibration.threshold(1e-3, gallery=10).value, float)
    assert_type(calibration.to_json(), str)
    assert_type(faceapi.evaluate("lfw", "folder", faceapi.MtcnnOptions(), alignment="dlib", view=1), dict[str, Any])
    match = faceapi.FaceMatch("Eileen", 0.4)
    assert_type((match.label, match.distance), tuple[str, float])
    assert_type(match.to_string(), str)
    assert_type(match.to_dict(), dict[str, Any])


# ------------------------------------------------------------------ points, boxes, numbers


def points_and_sizes(image: Image) -> None:
    point, size = faceapi.Point(1, 2), faceapi.Dimensions(3, 4)
    assert_type((point.x, point.y), tuple[float, float])
    assert_type(point.add((1, 2)), faceapi.Point)
    assert_type(point.sub({"x": 1, "y": 2}), faceapi.Point)
    assert_type(point.mul(np.ones(2)), faceapi.Point)
    assert_type(point.div(point), faceapi.Point)
    assert_type(point.abs(), faceapi.Point)
    assert_type(point.floor(), faceapi.Point)
    assert_type(point.magnitude(), float)
    assert_type(list(point), list[float])
    assert_type(point.to_dict(), dict[str, float])
    assert_type(size.reverse(), faceapi.Dimensions)
    assert_type((size.width, size.height), tuple[float, float])


def boxes(box: faceapi.Box) -> None:
    assert_type(faceapi.Box({"left": 1, "top": 2, "right": 3, "bottom": 4}), faceapi.Box)
    assert_type(faceapi.Rect(1, 2, 3, 4), faceapi.Rect)
    assert_type(faceapi.BoundingBox(1, 2, 3, 4), faceapi.BoundingBox)
    assert_type(faceapi.LabeledBox(box, 1), faceapi.LabeledBox)
    assert_type(faceapi.LabeledBox.assert_is_valid_labeled_box(box, "here"), None)
    assert_type(faceapi.PredictedBox(box, 1, 0.5, 0.5), faceapi.PredictedBox)
    assert_type(faceapi.PredictedBox.assert_is_valid_predicted_box(box, "here"), None)
    assert_type(faceapi.Box.is_rect(box), bool)
    assert_type(faceapi.Box.assert_is_valid_box(box, "here"), None)
    assert_type((box.x, box.y, box.width, box.height, box.area), tuple[float, float, float, float, float])
    assert_type((box.left, box.top, box.right, box.bottom), tuple[float, float, float, float])
    assert_type((box.top_left, box.top_right), tuple[faceapi.Point, faceapi.Point])
    assert_type((box.bottom_left, box.bottom_right), tuple[faceapi.Point, faceapi.Point])
    assert_type(box.round(), faceapi.Box)
    assert_type(box.floor(), faceapi.Box)
    assert_type(box.to_square(), faceapi.Box)
    assert_type(box.rescale(2), faceapi.Box)
    assert_type(box.rescale((2, 3)), faceapi.Box)
    assert_type(box.pad(1, 2), faceapi.Box)
    assert_type(box.clip_at_image_borders(9, 9), faceapi.Box)
    assert_type(box.shift(1, 2), faceapi.Box)
    assert_type(box.pad_at_borders(9, 9), BorderPadding)
    assert_type(box.calibrate(box), faceapi.Box)
    assert_type(box.to_dict(), dict[str, float])
    assert_type(faceapi.min_bbox([(1, 2), (3, 4)]), faceapi.BoundingBox)
    assert_type(faceapi.min_bbox([faceapi.Point(1, 2)]), faceapi.BoundingBox)


def numbers(box: faceapi.Box) -> None:
    assert_type(faceapi.iou(box, {"x": 1, "y": 2, "width": 3, "height": 4}), float)
    assert_type(faceapi.non_max_suppression([box, box], [0.5, 0.6], 0.4), list[int])
    assert_type(faceapi.non_max_suppression(np.ones((2, 4)), np.ones(2), 0.4), list[int])
    assert_type(faceapi.sigmoid(1), float)
    assert_type(faceapi.inverse_sigmoid(0.5), float)
    assert_type(faceapi.shuffle_array(["a"]), list[str])


# ------------------------------------------------------------------ global functions: each for one photo, and for several

assert_type(faceapi.ssd_mobilenetv1("a.jpg"), list[faceapi.FaceDetection])
assert_type(faceapi.ssd_mobilenetv1(["a.jpg"]), list[list[faceapi.FaceDetection]])
assert_type(faceapi.locate_faces("a.jpg", faceapi.SsdMobilenetv1Options()), list[faceapi.FaceDetection])
assert_type(faceapi.locate_faces(["a.jpg"]), list[list[faceapi.FaceDetection]])
assert_type(faceapi.tiny_face_detector("a.jpg", faceapi.TinyFaceDetectorOptions()), list[faceapi.FaceDetection])
assert_type(faceapi.tiny_face_detector(["a.jpg"]), list[list[faceapi.FaceDetection]])
assert_type(faceapi.tiny_yolov2("a.jpg", faceapi.TinyYolov2Options()), list[faceapi.FaceDetection])
assert_type(faceapi.tiny_yolov2(["a.jpg"]), list[list[faceapi.FaceDetection]])
assert_type(faceapi.mtcnn("a.jpg", faceapi.MtcnnOptions()), list[faceapi.FaceResult])
assert_type(faceapi.mtcnn(["a.jpg"]), list[list[faceapi.FaceResult]])
assert_type(faceapi.detect_face_landmarks("a.jpg"), faceapi.FaceLandmarks68)
assert_type(faceapi.detect_face_landmarks(["a.jpg"]), list[faceapi.FaceLandmarks68])
assert_type(faceapi.detect_landmarks("a.jpg"), faceapi.FaceLandmarks68)
assert_type(faceapi.detect_landmarks(["a.jpg"]), list[faceapi.FaceLandmarks68])
assert_type(faceapi.detect_face_landmarks_tiny("a.jpg"), faceapi.FaceLandmarks68)
assert_type(faceapi.detect_face_landmarks_tiny(["a.jpg"]), list[faceapi.FaceLandmarks68])
assert_type(faceapi.compute_face_descriptor("a.jpg"), NDArray[np.float32])
assert_type(faceapi.compute_face_descriptor(["a.jpg"]), list[NDArray[np.float32]])
assert_type(faceapi.recognize_face_expressions("a.jpg"), faceapi.FaceExpressions)
assert_type(faceapi.recognize_face_expressions(["a.jpg"]), list[faceapi.FaceExpressions])
assert_type(faceapi.predict_age_and_gender("a.jpg"), faceapi.AgeAndGenderPrediction)
assert_type(faceapi.predict_age_and_gender(["a.jpg"]), list[faceapi.AgeAndGenderPrediction])
assert_type(faceapi.all_faces("a.jpg", 0.8), Faces[faceapi.FaceResult])
assert_type(faceapi.all_faces(["a.jpg"]), list[Faces[faceapi.FaceResult]])
assert_type(faceapi.all_faces_ssd_mobilenetv1("a.jpg", 0.8), Faces[faceapi.FaceResult])
assert_type(faceapi.all_faces_ssd_mobilenetv1(["a.jpg"]), list[Faces[faceapi.FaceResult]])
assert_type(faceapi.all_faces_tiny_yolov2("a.jpg", faceapi.TinyYolov2Options()), Faces[faceapi.FaceResult])
assert_type(faceapi.all_faces_tiny_yolov2(["a.jpg"]), list[Faces[faceapi.FaceResult]])
assert_type(faceapi.all_faces_mtcnn("a.jpg", faceapi.MtcnnOptions()), Faces[faceapi.FaceResult])
assert_type(faceapi.all_faces_mtcnn(["a.jpg"]), list[Faces[faceapi.FaceResult]])


def photo_or_photos(photo: Photos) -> None:
    assert_type(faceapi.locate_faces(photo), list[faceapi.FaceDetection] | list[list[faceapi.FaceDetection]])
    assert_type(faceapi.detect_face_landmarks(photo), faceapi.FaceLandmarks68 | list[faceapi.FaceLandmarks68])


def loading(weights: NDArray[np.float32]) -> None:
    assert_type(faceapi.load_ssd_mobilenetv1_model("models"), None)
    assert_type(faceapi.load_face_detection_model(Path("models")), None)
    assert_type(faceapi.load_tiny_face_detector_model(None), None)
    assert_type(faceapi.load_mtcnn_model(weights), None)
    assert_type(faceapi.load_tiny_yolov2_model("models"), None)
    assert_type(faceapi.load_face_landmark_model("models"), None)
    assert_type(faceapi.load_face_landmark_tiny_model("models"), None)
    assert_type(faceapi.load_face_recognition_model("models"), None)
    assert_type(faceapi.load_face_expression_model("models"), None)
    assert_type(faceapi.load_age_gender_model("models"), None)
    assert_type(faceapi.warmup(["mtcnn"]), None)
    assert_type(faceapi.create_ssd_mobilenetv1(weights), faceapi.SsdMobilenetv1)
    assert_type(faceapi.create_face_detection_net(weights), faceapi.SsdMobilenetv1)
    assert_type(faceapi.create_tiny_face_detector(weights), faceapi.TinyFaceDetector)
    assert_type(faceapi.create_tiny_yolov2(weights, True), faceapi.TinyYolov2)
    assert_type(faceapi.create_mtcnn(weights), faceapi.Mtcnn)
    assert_type(faceapi.create_face_recognition_net(weights), faceapi.FaceRecognitionNet)
    assert_type(faceapi.load_weight_map(None, "mtcnn_model"), dict[str, Tensor])


def options() -> None:
    assert_type(faceapi.SsdMobilenetv1Options(min_confidence=0.8).max_results, int)
    assert_type(faceapi.TinyFaceDetectorOptions(faceapi.TinyYolov2SizeType.SM).input_size, int)
    assert_type(faceapi.TinyYolov2Options().score_threshold, float)
    assert_type(faceapi.MtcnnOptions().with_least_score(0.9), faceapi.MtcnnOptions)
    assert_type(faceapi.SsdMobilenetv1Options().with_least_score(0.9), faceapi.SsdMobilenetv1Options)
    assert_type(faceapi.TinyYolov2Options().with_least_score(0.9), faceapi.TinyYolov2Options)
    assert_type(faceapi.TinyFaceDetectorOptions().with_least_score(0.9), faceapi.TinyFaceDetectorOptions)
    assert_type(faceapi.MtcnnOptions(20, 0.7, 5, [0.6, 0.7, 0.7], scale_steps=[0.5]), faceapi.MtcnnOptions)
    assert_type(faceapi.MtcnnOptions().score_thresholds, tuple[float, float, float])
    assert_type(faceapi.MtcnnOptions().scale_steps, tuple[float, ...] | None)
    assert_type(faceapi.TinyYolov2SizeType(320), faceapi.TinyYolov2SizeType)
    assert_type(faceapi.validate_config({}), None)


# ------------------------------------------------------------------ networks

assert_type(faceapi.nets.ssd_mobilenetv1, faceapi.SsdMobilenetv1)
assert_type(faceapi.nets.ssd_mobilenetv1, faceapi.FaceDetectionNet)
assert_type(faceapi.nets.tiny_face_detector, faceapi.TinyFaceDetector)
assert_type(faceapi.nets.tiny_yolov2, faceapi.TinyYolov2)
assert_type(faceapi.nets.mtcnn, faceapi.Mtcnn)
assert_type(faceapi.nets.face_landmark_68_net, faceapi.FaceLandmark68Net)
assert_type(faceapi.nets.face_landmark_68_net, faceapi.FaceLandmarkNet)
assert_type(faceapi.nets.face_landmark_68_tiny_net, faceapi.FaceLandmark68TinyNet)
assert_type(faceapi.nets.face_recognition_net, faceapi.FaceRecognitionNet)
assert_type(faceapi.nets.face_expression_net, faceapi.FaceExpressionNet)
assert_type(faceapi.nets.age_gender_net, faceapi.AgeGenderNet)


def network(net: faceapi.NeuralNetwork, weights: NDArray[np.float32]) -> None:
    assert_type(faceapi.NeuralNetwork(bundled=True), faceapi.NeuralNetwork)
    assert_type(net.is_loaded, bool)
    assert_type(net.shapes(), dict[str, tuple[int, ...]])
    assert_type(net.flat_order(), list[str])
    assert_type(net.params, ParamTree)
    assert_type(net.tensors, dict[str, Float32])
    assert_type(net.get_param_list(), list[tuple[str, Float32]])
    assert_type(net.get_param_from_path("fc"), Float32)
    assert_type(net.serialize_params(), Float32)
    assert_type(net.from_flat("fc", weights, (2, 3)), Float32)
    assert_type(net.to_flat("fc", weights), Float32)
    assert_type(net.load(), None)
    for given in (None, "models", Path("net.weights"), weights):
        assert_type(net.load(given), None)
    assert_type(net.load_from_disk(Path("models")), None)
    assert_type(net.load_from_uri("models"), None)
    assert_type(net.load_from_weight_map({"fc": weights, "bias": [0.5]}), None)
    assert_type(net.extract_weights(weights), None)
    assert_type(net.reassign_param_from_path("fc", weights), None)
    assert_type(net.dispose(), None)


def networks_at_work(net: faceapi.NeuralNetwork, photo: str, photos: list[str], net_input: faceapi.NetInput) -> None:
    assert_type(net.to_batch(photo), Float32)
    assert_type(net.to_batch(photos), Float32)
    assert_type(net.to_batch(net_input), Float32)
    assert_type(net.run_net(net.to_batch(photo)), dict[str, Values])
    assert_type(net.run_net(np.zeros((1, 112, 112, 3)), backend="reference"), dict[str, Values])
    assert_type(net.taps(np.zeros((1, 112, 112, 3)), ["fc"]), Taps)
    assert_type(net.taps(net.to_batch(photo))["fc"], NDArray[np.float32 | np.float64])
    assert_type(net.plan(), NumbaProgram | CudaProgram)
    assert_type(net.plan(64, 64, backend="numba"), NumbaProgram)
    assert_type(net.plan(backend="cuda"), CudaProgram)
    assert_type(net.plan().describe(), str)


def detectors(photo: Photo, several: list[Path], either: Photos, net_input: faceapi.NetInput) -> None:
    ssd, tiny, yolo, mtcnn = nets.ssd_mobilenetv1, nets.tiny_face_detector, nets.tiny_yolov2, nets.mtcnn
    assert_type(ssd.locate_faces(photo), list[faceapi.FaceDetection])
    assert_type(ssd.locate_faces(several, faceapi.SsdMobilenetv1Options()), list[list[faceapi.FaceDetection]])
    assert_type(ssd.locate_faces(either), list[faceapi.FaceDetection] | list[list[faceapi.FaceDetection]])
    assert_type(ssd.forward(photo), dict[str, list[Values]])
    assert_type(ssd.forward(several), dict[str, list[Values]])
    assert_type(ssd.forward_input(net_input), dict[str, list[Values]])
    assert_type(ssd.priors, Float32)
    assert_type(tiny.locate_faces(photo, faceapi.TinyFaceDetectorOptions()), list[faceapi.FaceDetection])
    assert_type(tiny.locate_faces(several), list[list[faceapi.FaceDetection]])
    assert_type(yolo.locate_faces(photo, faceapi.TinyYolov2Options()), list[faceapi.FaceDetection])
    assert_type(yolo.locate_faces(several), list[list[faceapi.FaceDetection]])
    assert_type(yolo.detect(photo), list[faceapi.FaceDetection])
    assert_type(yolo.detect(several, faceapi.TinyYolov2Options()), list[list[faceapi.FaceDetection]])
    assert_type(yolo.detect(either), list[faceapi.FaceDetection] | list[list[faceapi.FaceDetection]])
    assert_type(yolo.forward(photo, 320), Values)
    assert_type(yolo.forward(several), Values)
    assert_type(yolo.forward_input(net_input), Values)
    assert_type(yolo.anchors, tuple[tuple[float, float], ...])
    assert_type(yolo.with_class_scores, bool)
    assert_type(yolo.box_encoding_size, int)
    assert_type(mtcnn.locate_faces(photo, faceapi.MtcnnOptions()), list[faceapi.FaceDetection])
    assert_type(mtcnn.locate_faces(several), list[list[faceapi.FaceDetection]])
    assert_type(mtcnn.forward(photo), list[faceapi.FaceResult])
    assert_type(mtcnn.forward(several, faceapi.MtcnnOptions()), list[list[faceapi.FaceResult]])
    assert_type(mtcnn.forward(either), list[faceapi.FaceResult] | list[list[faceapi.FaceResult]])


def mtcnn_in_detail(pixels: NDArray[np.uint8]) -> None:
    answer = nets.mtcnn.forward_with_stats(pixels, faceapi.MtcnnOptions())
    assert_type(answer, MtcnnAnswer)
    assert_type(answer["results"], list[faceapi.FaceResult])
    assert_type(answer["stats"], MtcnnStats)
    assert_type(answer["stats"]["pyramid"], list[tuple[int, int]])
    assert_type((answer["stats"]["stage1_num_boxes"], answer["stats"]["total"]), tuple[int, float])
    boxes, scores, landmarks, faithful, stats = nets.mtcnn.detect_arrays(pixels, faceapi.MtcnnOptions())
    assert_type((boxes, scores, landmarks, faithful), tuple[Points, Points, Points, Points])
    assert_type(stats, MtcnnStats)
    assert_type(nets.mtcnn.pnet, MtcnnNet)
    assert_type(nets.mtcnn.onet.to_batch([pixels]), Float32)


def networks_of_a_face(photo: Photo, several: tuple[bytes, ...], either: Photos, net_input: faceapi.NetInput) -> None:
    landmarks, recognition = nets.face_landmark_68_net, nets.face_recognition_net
    expressions, age_gender = nets.face_expression_net, nets.age_gender_net
    assert_type(landmarks.detect_landmarks(photo), faceapi.FaceLandmarks68)
    assert_type(landmarks.detect_landmarks(several), list[faceapi.FaceLandmarks68])
    assert_type(landmarks.detect_landmarks(either), faceapi.FaceLandmarks68 | list[faceapi.FaceLandmarks68])
    assert_type(landmarks.forward(photo), Values)
    assert_type(landmarks.forward(several), Values)
    assert_type(landmarks.forward_input(net_input), Values)
    assert_type(landmarks.post_process(landmarks.forward(photo), [(1, 1)]), Values)
    assert_type(nets.face_landmark_68_tiny_net.detect_landmarks(photo), faceapi.FaceLandmarks68)
    assert_type(recognition.compute_face_descriptor(photo), Float32)
    assert_type(recognition.compute_face_descriptor(several), list[Float32])
    assert_type(recognition.compute_face_descriptor(either), Float32 | list[Float32])
    assert_type(recognition.forward(photo), Values)
    assert_type(recognition.forward(several), Values)
    assert_type(recognition.forward_input(net_input), Values)
    assert_type(expressions.predict_expressions(photo), faceapi.FaceExpressions)
    assert_type(expressions.predict_expressions(several), list[faceapi.FaceExpressions])
    assert_type(expressions.predict_expressions(either), faceapi.FaceExpressions | list[faceapi.FaceExpressions])
    assert_type(expressions.forward(photo), Values)
    assert_type(expressions.forward(several), Values)
    assert_type(expressions.forward_input(net_input), Values)
    assert_type(age_gender.predict_age_and_gender(photo), faceapi.AgeAndGenderPrediction)
    assert_type(age_gender.predict_age_and_gender(several), list[faceapi.AgeAndGenderPrediction])
    assert_type(age_gender.predict_age_and_gender(either), faceapi.AgeAndGenderPrediction | list[faceapi.AgeAndGenderPrediction])
    assert_type(age_gender.forward(photo), dict[str, Values])
    assert_type(age_gender.forward(several), dict[str, Values])
    assert_type(age_gender.forward_input(net_input), dict[str, Values])


def recorded(graph: Graph) -> None:
    assert_type(faceapi.nets.face_recognition_net.graph(), Graph)
    assert_type(graph.find("fc"), Node)
    assert_type(graph.params, dict[str, Param])
    assert_type((graph.macs, graph.parameters), tuple[int, int])
    assert_type(graph.ancestors([graph.input]), list[Node])
    assert_type(graph.layers(), list[Layer])
    assert_type(graph.outputs, dict[str, Node])
    assert_type(graph.input.shape, tuple[int, ...])


def files(net: faceapi.FaceRecognitionNet, graph: Graph) -> None:
    from onnx import ModelProto

    assert_type(faceapi.export_net(net, "net.onnx", size=(64, 64), taps=["fc"]), Path)
    assert_type(faceapi.to_onnx(graph, net.tensors), ModelProto)


# ------------------------------------------------------------------ backends, reports, drawings, errors


def backends() -> None:
    assert_type(faceapi.available_backends(), dict[str, BackendStatus])
    assert_type(faceapi.current_backend(), str)
    assert_type(faceapi.set_backend("numba"), None)
    assert_type(faceapi.use_backend.innermost(), str | None)
    assert_type(faceapi.get_num_threads(), int)
    assert_type(faceapi.set_num_threads(1), None)
    assert_type(faceapi.set_max_megapixels(200), None)
    assert_type(faceapi.set_max_megapixels(None), None)
    assert_type(faceapi.use_num_threads.innermost(), int | None)
    with faceapi.use_backend("reference") as backend, faceapi.use_num_threads(2) as threads:
        assert_type((backend, threads), tuple[faceapi.use_backend, faceapi.use_num_threads])


def inspection(report: faceapi.Inspection) -> None:
    assert_type(faceapi.inspect("a.jpg"), faceapi.Inspection)
    assert_type(faceapi.anonymize("a.jpg", report.faces[0].result, how="pixels"), Image)
    for options in (
        faceapi.SsdMobilenetv1Options(),
        faceapi.TinyFaceDetectorOptions(),
        faceapi.TinyYolov2Options(),
        faceapi.MtcnnOptions(),
    ):
        assert_type(faceapi.inspect(report.photo, options, net="age_gender_net"), faceapi.Inspection)
    assert_type(report.photo, Pixels)
    assert_type((report.name, report.detector, report.backend), tuple[str, str, str])
    assert_type(report.detection, DetectorTrace | CascadeTrace)
    assert_type(report.detection.photo_size, tuple[int, int])
    assert_type(report.faces, tuple[FaceReport, ...])
    assert_type(report.faces[0].result, faceapi.FaceResult)
    assert_type(report.faces[0].crops[0].batch, Float32)
    assert_type(report.faces[0].batch_of("age_gender_net"), Float32 | None)
    assert_type(report.networks, tuple[NetworkReport, ...])
    assert_type(report.networks[0].outputs, dict[str, Float32])
    assert_type(report.to_html(), str)
    assert_type(report.save("a.html"), None)


def drawing(image: Image, faces: Faces[faceapi.FaceResult], points: faceapi.FaceLandmarks, box: faceapi.Box) -> None:
    assert_type(faceapi.draw.draw_detections(image, faces), Image)
    assert_type(faceapi.draw.draw_detections(image, faceapi.detect_single_face(image).run()), Image)
    assert_type(faceapi.draw.draw_detections(image, [box, None]), Image)
    assert_type(faceapi.draw.draw_face_landmarks(image, faces), Image)
    assert_type(faceapi.draw.draw_face_landmarks(image, points), Image)
    assert_type(faceapi.draw.draw_face_expressions(image, faces, 0.1, (1, 2)), Image)
    assert_type(faceapi.draw.draw_contour(image, points.positions, True, line_width=2, color="red"), Image)
    assert_type(faceapi.draw.DrawBox(box, {"label": "face"}), DrawBox)
    assert_type(faceapi.draw.DrawBox(box, faceapi.draw.DrawBoxOptions()).draw(image), Image)
    assert_type(faceapi.draw.DrawBoxOptions(label="face"), DrawBoxOptions)
    assert_type(faceapi.draw.DrawFaceLandmarks(points), DrawFaceLandmarks)
    assert_type(faceapi.draw.DrawFaceLandmarks(points).draw(image), Image)
    assert_type(faceapi.draw.DrawFaceLandmarksOptions(draw_lines=False), DrawFaceLandmarksOptions)
    assert_type(faceapi.draw.DrawTextField(["happy"], (1, 2), faceapi.draw.DrawTextFieldOptions()), DrawTextField)
    field = DrawTextField("happy", faceapi.Point(1, 2), {"padding": 2})
    assert_type(faceapi.draw.DrawTextFieldOptions(padding=2), DrawTextFieldOptions)
    assert_type(faceapi.draw.AnchorPosition("TOP_LEFT"), AnchorPosition)
    assert_type((field.measure_width(), field.measure_height()), tuple[float, float])
    assert_type(field.get_upper_left((9, 9)), faceapi.Point)
    assert_type(field.draw(image), Image)


def photo_collections(descriptor: NDArray[np.float32], labels: list[faceapi.LabeledFaceDescriptors]) -> None:
    index = faceapi.FaceIndex("faces.index", faceapi.TinyFaceDetectorOptions(), alignment="dlib", any_rotation=False)
    assert_type(index, faceapi.FaceIndex)
    assert_type(index.worker, faceapi.FaceWorker)
    assert_type(index.path, str)
    assert_type(index.add(["a.jpg", Path("folder")], workers=2, again=True, scheduler=None), Added)
    assert_type(index.search(descriptor, 10, 0.6), list[FoundFace] | list[list[FoundFace]])
    assert_type(index.faces_of("Ann"), list[FoundFace])
    assert_type(index.groups(0.5), list[Group])
    assert_type(index.changes(), list[Move])
    assert_type(index.name(1, "Ann"), None)
    assert_type(index.join(1, 2, 3), None)
    assert_type(index.split(1, [4, 5]), None)
    assert_type(index.not_the_same(1, 2), None)
    assert_type(index.forget("Ann"), int)
    assert_type(index.prune(), int)
    assert_type(index.export("a.csv", "csv"), int)
    assert_type(index.labels(), list[faceapi.LabeledFaceDescriptors])
    assert_type(index.add_labels(labels, 0.01), int)
    assert_type(index.contact_sheets("sheets", 2), int)
    assert_type(index.close(), None)
    worker = faceapi.FaceWorker(alignment="dlib", average_mirror=True)
    assert_type(worker, faceapi.FaceWorker)
    assert_type(worker.to_dict(), dict[str, Any])
    assert_type(worker.rows("a.jpg"), PhotoRows)
    assert_type(worker.faces(np.zeros((9, 9, 3), np.uint8)), Faces[faceapi.FaceResult])
    assert_type(worker.changed(None, None, None, True), faceapi.FaceWorker)
    assert_type(worker.warm_up(), None)
    assert_type(faceapi.FaceWorker.from_json(worker.to_dict()), faceapi.FaceWorker)


def video_files(find: Callable[[NDArray[np.uint8]], list[faceapi.FaceDetection]]) -> None:
    analysis = faceapi.analyze_video(Path("clip.mp4"), 0.5, find, lambda time, duration: None)
    assert_type(faceapi.analyze_video("clip.mp4"), faceapi.VideoAnalysis)
    assert_type((analysis.width, analysis.duration, analysis.problem), tuple[int, float, str | None])
    assert_type(analysis.to_dict(), dict[str, Any])
    assert_type(analysis.to_json(), str)
    assert_type(analysis.draw("out.mp4"), None)
    frame, track = analysis.frames[0], analysis.tracks[0]
    assert_type(frame, faceapi.FrameFaces)
    assert_type((frame.faces, frame.tracks), tuple[tuple[faceapi.FaceResult, ...], tuple[int, ...]])
    assert_type(frame.to_dict(), dict[str, Any])
    assert_type(track, faceapi.Track)
    assert_type((track.start, track.end, track.best_time), tuple[float, float, float])
    assert_type((track.best, track.quality), tuple[faceapi.FaceResult, faceapi.FaceQuality | None])
    assert_type(track.descriptor, NDArray[np.float32] | None)
    assert_type(track.to_dict(), dict[str, Any])


def quality_of_a_face(photo: str, face: faceapi.FaceResult, points: faceapi.FaceLandmarks68) -> None:
    assert_type(faceapi.face_quality(photo, face), faceapi.FaceQuality)
    quality = faceapi.face_quality(photo, face)
    assert_type((quality.size, quality.sharpness, quality.detection, quality.score), tuple[float, float, float, float])
    assert_type(quality.doubts, tuple[str, ...])
    assert_type(quality.to_dict(), dict[str, float | list[str]])
    assert_type(faceapi.head_pose(points), faceapi.HeadPose)
    assert_type(faceapi.HeadPose(1.0, 2.0, 3.0).yaw, float)


assert_type(faceapi.NpFaceApiError("text"), faceapi.NpFaceApiError)
assert_type(faceapi.BackendUnavailable("text"), faceapi.BackendUnavailable)
assert_type(faceapi.DeviceError("text"), faceapi.DeviceError)
assert_type(faceapi.FetchError("text"), faceapi.FetchError)
assert_type(faceapi.GoldenError("text"), faceapi.GoldenError)
assert_type(faceapi.ImageError("text"), faceapi.ImageError)
assert_type(faceapi.PhotoWarning("text"), faceapi.PhotoWarning)
assert_type(faceapi.ImageNotFoundError("text"), faceapi.ImageNotFoundError)
assert_type(faceapi.InvalidArgument("text"), faceapi.InvalidArgument)
assert_type(faceapi.InvalidType("text"), faceapi.InvalidType)
assert_type(faceapi.WeightsError("text"), faceapi.WeightsError)
