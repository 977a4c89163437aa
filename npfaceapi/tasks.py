"""Tasks: `detect_all_faces(photo).with_face_landmarks().with_face_descriptors().run()`.

A task is a photo, a detector's options and a tuple of steps; adding a step gives a new task.  Each network runs on the
crops of all faces at once.

The task classes have two type parameters: what `run()` returns, and what it would return with one more step.  So an editor
knows that `detect_all_faces("a.jpg").run()` is `Faces[FaceDetection]`, and `Faces[FaceResult]` with a step added.

Source: face-api.js 0.22.2, `globalApi/`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence, Sized
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeAlias, TypeVar, cast, overload

import numpy as np

from npfaceapi import nets
from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.alignment import ALIGNMENTS, CHIP_SIZE, chip_similarity
from npfaceapi.faces.detection import seen_in
from npfaceapi.faces.geometry import Box
from npfaceapi.faces.points import as_flag
from npfaceapi.faces.results import FaceDetection, FaceResult, Faces, extend_with_face_landmarks
from npfaceapi.faces.turning import turned_back
from npfaceapi.locks import ForkSafeLock
from npfaceapi.networks.options import FaceDetectionOptions, MtcnnOptions, SsdMobilenetv1Options, TinyYolov2Options
from npfaceapi.networks.registry import detector_of
from npfaceapi.photos.chips import resample
from npfaceapi.photos.many import MAX_CROPS, MAX_PHOTOS, by_chunks, each_photo
from npfaceapi.photos.net_input import NetInput, Photo, Photos, Pixels, pixel_rect
from npfaceapi.photos.source import PhotoSource

if TYPE_CHECKING:
    from npfaceapi.faces.landmarks import FaceLandmarks68

__all__ = [
    "ComposableTask",
    "DetectAllFacesTask",
    "DetectSingleFaceTask",
    "FaceDetectionOptions",
    "Step",
    "detect_all_faces",
    "detect_single_face",
]

Item = TypeVar("Item")
Result_co = TypeVar("Result_co", covariant=True)  # of `run()`
Extended_co = TypeVar("Extended_co", covariant=True)  # of `run()` after one more step
XYWH: TypeAlias = tuple[int, int, int, int]


class ComposableTask(Generic[Result_co, Extended_co]):
    """A lazy, immutable sequence of steps on one photo or a list of photos; ``.run()`` or ``await`` computes the results.

    Examples
    --------
    >>> task = detect_all_faces("photo.jpg")
    >>> task.with_face_landmarks().with_age_and_gender()
    <DetectAllFacesTask(SsdMobilenetv1Options, face_landmarks, age_and_gender)>
    """

    def __init__(
        self,
        photo: Photos,
        options: FaceDetectionOptions | None = None,
        steps: tuple[Step, ...] = (),
        any_rotation: bool = False,
    ) -> None:
        if options is None:
            options = SsdMobilenetv1Options()
        if not isinstance(options, (SsdMobilenetv1Options, TinyYolov2Options, MtcnnOptions)):
            raise InvalidType(
                "detect_all_faces, detect_single_face: expected options of SsdMobilenetv1Options, TinyFaceDetectorOptions, "
                f"TinyYolov2Options or MtcnnOptions, got {type(options).__name__}"
            )
        self.photo = photo
        self.options = options
        self.steps = steps
        self.any_rotation = as_flag(any_rotation, "detect_all_faces, detect_single_face: any_rotation")

    def with_face_landmarks(self, use_tiny_landmark_net: bool = False) -> ComposableTask[Extended_co, Extended_co]:
        """Add 68 landmarks, found in the crop of each detection, and the aligned rectangle derived from them."""
        tiny = as_flag(use_tiny_landmark_net, "with_face_landmarks")
        if self.steps:
            raise InvalidArgument(f"with_face_landmarks: expected to be the first step, got {self!r}: call it before the others")
        return self._with(TINY_FACE_LANDMARKS if tiny else FACE_LANDMARKS)

    def with_face_expressions(self) -> ComposableTask[Extended_co, Extended_co]:
        """Add the probabilities of seven expressions, from the aligned crop, or from the detection's without landmarks."""
        return self._with(FACE_EXPRESSIONS)

    def with_age_and_gender(self) -> ComposableTask[Extended_co, Extended_co]:
        """Add age and gender, from the aligned crop, or from the detection's without landmarks."""
        return self._with(AGE_AND_GENDER)

    def _with_descriptors(self, name: str, alignment: str, average_mirror: bool) -> ComposableTask[Extended_co, Extended_co]:
        if not isinstance(alignment, str) or alignment not in ALIGNMENTS:
            raise InvalidArgument(f"{name}: expected an alignment out of {', '.join(ALIGNMENTS)}, got {shown(alignment)}")
        average_mirror = as_flag(average_mirror, f"{name}: average_mirror")
        if FACE_LANDMARKS not in self.steps and TINY_FACE_LANDMARKS not in self.steps:
            raise InvalidArgument(f"{name}: expected a task with landmarks, got {self!r}: call .with_face_landmarks() first")
        return self._with(DESCRIPTOR_STEPS[alignment, average_mirror])

    def _with(self, step: Step) -> ComposableTask[Extended_co, Extended_co]:
        if any(step.kind == other.kind for other in self.steps):
            raise InvalidArgument(f"with_{step.kind}: expected to be called once, got {self!r}, which has it")
        extended = type(self)(self.photo, self.options, (*self.steps, step), self.any_rotation)
        return cast("ComposableTask[Extended_co, Extended_co]", extended)

    def _faces(self, net_input: NetInput) -> list[list[FaceDetection]]:
        net = detector_of(self.options)
        assert net is not None
        return cast("list[list[FaceDetection]]", nets.network_named(net.name).locate_faces(net_input, self.options))

    def _results(self) -> tuple[list[Faces[FaceDetection]] | list[Faces[FaceResult]], bool]:
        """The faces of each photo, and whether a list of photos was given."""
        photos, is_batch = each_photo(self.photo)
        results: list[Any] = by_chunks(photos, self._results_of, MAX_PHOTOS)
        return results, is_batch

    def _results_of(self, photos: Sequence[tuple[Photo, Pixels]]) -> list[Faces[FaceDetection]] | list[Faces[FaceResult]]:
        """The faces of decoded photos."""
        sources = [PhotoSource(photo, (image.shape[1], image.shape[0])) for photo, image in photos]
        images, turns, found = self._detected([image for _, image in photos])
        detections = [[seen_in(source, face) for face in faces] for source, faces in zip(sources, found, strict=True)]
        results: Iterator[Any] = (face for faces in detections for face in faces)
        if self.steps:
            faces = FacesInProgress(
                FaceInProgress(image, FaceResult(d)) for image, found in zip(images, detections, strict=True) for d in found
            )
            for step in self.steps:
                step.run(faces)
            results = (face.result_with_all() for face in faces)
        return [
            Faces((turned_back(next(results), turn, source) for _ in found), source, 90 * turn)
            for source, turn, found in zip(sources, turns, detections, strict=True)
        ]

    def _detected(self, images: list[Pixels]) -> tuple[list[Pixels], list[int], list[list[FaceDetection]]]:
        """The images turned for the networks, the quarter turns of each, and the faces in them.

        The orientation with the largest sum of scores is kept; the first of them if there are several.
        """
        best, turns, found = list(images), [0] * len(images), self._faces(NetInput.of_pixels(images))
        for turn in (1, 2, 3) if self.any_rotation else ():
            turned = [np.ascontiguousarray(np.rot90(image, turn)) for image in images]
            for index, faces in enumerate(self._faces(NetInput.of_pixels(turned))):
                if sum(face.score for face in faces) > sum(face.score for face in found[index]):
                    best[index], turns[index], found[index] = turned[index], turn, faces
        return best, turns, found

    def run(self) -> Result_co:
        """Compute the results."""
        raise InvalidType("ComposableTask.run: expected a task of detect_all_faces or detect_single_face")

    def __await__(self) -> Generator[object, None, Result_co]:
        import asyncio  # slow to import, and needed only here

        return asyncio.to_thread(self.run).__await__()

    def __bool__(self) -> bool:
        raise InvalidType(f"{self!r} is not computed yet: call .run() and test what it returns")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.photo, self.options, self.steps, self.any_rotation)

    def __repr__(self) -> str:
        parts = [type(self.options).__name__, *(["any_rotation=True"] if self.any_rotation else []), *map(str, self.steps)]
        return f"<{type(self).__name__}({', '.join(parts)})>"


class DetectAllFacesTask(ComposableTask[Result_co, Extended_co]):
    """All faces of a photo; iteration, `len(task)` and `task[i]` run the task once and keep the result.

    Examples
    --------
    >>> task = detect_all_faces("golden/images/astronaut.png").with_face_landmarks()
    >>> [len(face.landmarks) for face in task]
    [68]
    """

    def __init__(
        self,
        photo: Photos,
        options: FaceDetectionOptions | None = None,
        steps: tuple[Step, ...] = (),
        any_rotation: bool = False,
    ) -> None:
        super().__init__(photo, options, steps, any_rotation)
        self._lock = ForkSafeLock()
        self._kept: Result_co | None = None

    if TYPE_CHECKING:  # the same methods, typed: adding a step keeps the class

        def with_face_landmarks(self, use_tiny_landmark_net: bool = False) -> DetectAllFacesTask[Extended_co, Extended_co]: ...
        def with_face_expressions(self) -> DetectAllFacesTask[Extended_co, Extended_co]: ...
        def with_age_and_gender(self) -> DetectAllFacesTask[Extended_co, Extended_co]: ...
        def _with_descriptors(
            self, name: str, alignment: str, average_mirror: bool
        ) -> DetectAllFacesTask[Extended_co, Extended_co]: ...

    def with_face_descriptors(
        self, alignment: str = "face-api", average_mirror: bool = False
    ) -> DetectAllFacesTask[Extended_co, Extended_co]:
        """Add the 128-number descriptor of each face; needs landmarks.

        Parameters
        ----------
        alignment : "face-api" or "dlib"
            "face-api" crops an upright square, as face-api.js does; "dlib" rotates and scales the face as in the network's
            training (see `extract_face_chip`).
        average_mirror : bool
            Average the descriptors of the face and of its mirror image; takes twice the time.

        Notes
        -----
        Compare only descriptors that were made the same way.
        """
        return self._with_descriptors("with_face_descriptors", alignment, average_mirror)

    def run(self) -> Result_co:
        """The faces, each a `FaceDetection`, or a `FaceResult` if steps were added; a list of such lists for a list of photos."""
        photos, is_batch = self._results()
        return cast("Result_co", photos if is_batch else photos[0])

    def _once(self) -> Result_co:
        with self._lock:
            if self._kept is None:
                self._kept = self.run()
            return self._kept

    def __iter__(self: DetectAllFacesTask[list[Item], object]) -> Iterator[Item]:
        return iter(self._once())

    def __len__(self: DetectAllFacesTask[Sized, object]) -> int:
        return len(self._once())

    @overload
    def __getitem__(self: DetectAllFacesTask[list[Item], object], index: SupportsIndex) -> Item: ...
    @overload
    def __getitem__(self: DetectAllFacesTask[list[Item], object], index: slice) -> list[Item]: ...
    def __getitem__(self: DetectAllFacesTask[list[Item], object], index: SupportsIndex | slice) -> Item | list[Item]:
        return self._once()[index]


class DetectSingleFaceTask(ComposableTask[Result_co, Extended_co]):
    """The face with the highest score.

    Examples
    --------
    >>> face = detect_single_face("golden/images/astronaut.png").run()
    >>> round(face.score, 2)
    0.96
    """

    if TYPE_CHECKING:  # the same methods, typed: adding a step keeps the class

        def with_face_landmarks(self, use_tiny_landmark_net: bool = False) -> DetectSingleFaceTask[Extended_co, Extended_co]: ...
        def with_face_expressions(self) -> DetectSingleFaceTask[Extended_co, Extended_co]: ...
        def with_age_and_gender(self) -> DetectSingleFaceTask[Extended_co, Extended_co]: ...
        def _with_descriptors(
            self, name: str, alignment: str, average_mirror: bool
        ) -> DetectSingleFaceTask[Extended_co, Extended_co]: ...

    def with_face_descriptor(
        self, alignment: str = "face-api", average_mirror: bool = False
    ) -> DetectSingleFaceTask[Extended_co, Extended_co]:
        """Add the 128-number descriptor; needs landmarks.  Parameters as in `DetectAllFacesTask.with_face_descriptors`."""
        return self._with_descriptors("with_face_descriptor", alignment, average_mirror)

    def _faces(self, net_input: NetInput) -> list[list[FaceDetection]]:
        return [[max(faces, key=lambda face: face.score)] if faces else [] for faces in super()._faces(net_input)]

    def run(self) -> Result_co:
        """The face, or None if there is none; a list of these for a list of photos."""
        photos, is_batch = self._results()
        best = [faces[0] if faces else None for faces in photos]
        return cast("Result_co", best if is_batch else best[0])


@dataclasses.dataclass
class FaceInProgress:
    """A face between two steps, with the photo it was found in."""

    image: Pixels
    result: FaceResult
    more: dict[str, Any] = dataclasses.field(default_factory=dict)  # fields that steps have added to the result since
    seen: tuple[Box | FaceDetection | None, XYWH | None] = (None, None)  # the last argument of `rect`, and the result

    def result_with_all(self) -> FaceResult:
        """The result with all that the steps have found."""
        return dataclasses.replace(self.result, **self.more)

    def rect(self, box: Box | FaceDetection | None) -> XYWH | None:
        """x, y, width, height of a box in whole pixels; None if no pixel of the photo lies in it."""
        if box is not self.seen[0]:
            self.seen = box, self._rect(box)
        return self.seen[1]

    def _rect(self, box: Box | FaceDetection | None) -> XYWH | None:
        H, W = self.image.shape[:2]
        try:
            return None if box is None else pixel_rect(box, W, H)
        except InvalidArgument:
            return None

    def detection_rect(self) -> XYWH | None:
        """The crop for the landmark networks."""
        return self.rect(self.result.detection)

    def aligned_rect(self) -> XYWH | None:
        """The crop for the expression and age/gender networks: the aligned rectangle, or the detection's without landmarks."""
        return self.rect(self.result.aligned_rect or self.result.detection)

    def descriptor_rect(self) -> XYWH | None:
        """The crop for the recognition network.

        Quirk: it is aligned in dlib's way, so it differs from `aligned_rect`.
        """
        landmarks = self.result.landmarks
        return self.rect(None if landmarks is None else landmarks.align(use_dlib_alignment=True))


Rectangle: TypeAlias = Callable[[FaceInProgress], "XYWH | None"]


class FacesInProgress(list[FaceInProgress]):
    """All faces of all photos; the last crops are kept, because the next network often takes the same ones."""

    _rects: Sequence[XYWH | None] = ()
    _chunks: Sequence[tuple[list[FaceInProgress], NetInput]] = ()

    def cut(self, rectangle: Rectangle) -> Sequence[tuple[list[FaceInProgress], NetInput]]:
        """Faces and their crops, at most `MAX_CROPS` each; a face whose crop holds no pixel is left out."""
        rects = [rectangle(face) for face in self]
        if rects != self._rects:
            pairs = [(face, r) for face, r in zip(self, rects, strict=True) if r is not None]
            chunks = [pairs[at : at + MAX_CROPS] for at in range(0, len(pairs), MAX_CROPS)]
            self._chunks = [
                (
                    [face for face, _ in chunk],
                    NetInput.of_pixels([f.image[y : y + h, x : x + w] for f, (x, y, w, h) in chunk], keep_batch=len(chunks) == 1),
                )
                for chunk in chunks
            ]
            self._rects = rects
        return self._chunks


def _predict(faces: FacesInProgress, rectangle: Rectangle, network: Callable[[NetInput], Any]) -> Iterator[Any]:
    """Pairs of face and prediction; a face without a crop is left out, and its field stays None."""
    for chunk, crops in faces.cut(rectangle):
        yield from zip(chunk, network(crops), strict=True)


def _add_landmarks(faces: FacesInProgress) -> None:
    for face, landmarks in _predict(faces, FaceInProgress.detection_rect, nets.face_landmark_68_net.detect_landmarks):
        face.result = extend_with_face_landmarks(face.result, landmarks)


def _add_tiny_landmarks(faces: FacesInProgress) -> None:
    for face, landmarks in _predict(faces, FaceInProgress.detection_rect, nets.face_landmark_68_tiny_net.detect_landmarks):
        face.result = extend_with_face_landmarks(face.result, landmarks)


def _add_expressions(faces: FacesInProgress) -> None:
    for face, expressions in _predict(faces, FaceInProgress.aligned_rect, nets.face_expression_net.predict_expressions):
        face.more["expressions"] = expressions


def _add_age_and_gender(faces: FacesInProgress) -> None:
    for face, p in _predict(faces, FaceInProgress.aligned_rect, nets.age_gender_net.predict_age_and_gender):
        face.more.update(age=p.age, gender=p.gender, gender_probability=p.gender_probability)


def _add_descriptors(faces: FacesInProgress, average_mirror: bool = False) -> None:
    for chunk, crops in faces.cut(FaceInProgress.descriptor_rect):
        _describe(chunk, crops, average_mirror)


def _add_descriptors_of_chips(faces: FacesInProgress, average_mirror: bool = False) -> None:
    """As `_add_descriptors`, from chips; a few faces at a time bound the memory."""
    for at in range(0, len(faces), MAX_CROPS):
        chunk = [face for face in faces[at : at + MAX_CROPS] if face.result.landmarks is not None]
        places = [chip_similarity(cast("FaceLandmarks68", face.result.landmarks)) for face in chunk]
        if chunk:
            chips = resample([face.image for face in chunk], places, CHIP_SIZE)
            _describe(chunk, NetInput.of_pixels(list(chips)), average_mirror)


def _describe(faces: list[FaceInProgress], crops: NetInput, average_mirror: bool) -> None:
    net = nets.face_recognition_net
    batch = crops.to_batch_tensor(net.input_size, net.is_center_inputs)
    descriptors = net.run_net(batch)["descriptor"]
    if average_mirror:
        descriptors = (descriptors + net.run_net(np.ascontiguousarray(batch[:, :, ::-1]))["descriptor"]) / 2
    for face, descriptor in zip(faces, descriptors.astype(np.float32), strict=True):
        face.more["descriptor"] = descriptor


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a task: its name, as the task's `repr` shows it, and a function that adds its results to all faces."""

    name: str
    run: Callable[[FacesInProgress], None]

    @property
    def kind(self) -> str:
        """The name of the `with_...` method."""
        return self.name.partition("(")[0]

    def __str__(self) -> str:
        return self.name


FACE_LANDMARKS = Step("face_landmarks", _add_landmarks)
TINY_FACE_LANDMARKS = Step("face_landmarks(use_tiny_landmark_net=True)", _add_tiny_landmarks)
FACE_EXPRESSIONS = Step("face_expressions", _add_expressions)
AGE_AND_GENDER = Step("age_and_gender", _add_age_and_gender)
DESCRIPTOR_STEPS = {
    ("face-api", False): Step("face_descriptors", _add_descriptors),
    ("face-api", True): Step("face_descriptors(average_mirror=True)", partial(_add_descriptors, average_mirror=True)),
    ("dlib", False): Step("face_descriptors(alignment='dlib')", _add_descriptors_of_chips),
    ("dlib", True): Step(
        "face_descriptors(alignment='dlib', average_mirror=True)", partial(_add_descriptors_of_chips, average_mirror=True)
    ),
}


# face-api.js has a class for each combination of steps; here one class serves all of them.
# One line each, because type checkers reject names bound by `a = b = c` in annotations.
DetectFacesTaskBase = ComposableTask
DetectFaceLandmarksTaskBase = ComposableTask
ComputeFaceDescriptorsTaskBase = ComposableTask
DetectAllFaceLandmarksTask = DetectAllFacesTask
ComputeAllFaceDescriptorsTask = DetectAllFacesTask
DetectSingleFaceLandmarksTask = DetectSingleFaceTask
ComputeSingleFaceDescriptorTask = DetectSingleFaceTask


@overload
def detect_all_faces(
    photo: Photo, options: FaceDetectionOptions | None = None, any_rotation: bool = False
) -> DetectAllFacesTask[Faces[FaceDetection], Faces[FaceResult]]: ...
@overload
def detect_all_faces(
    photo: Sequence[Photo], options: FaceDetectionOptions | None = None, any_rotation: bool = False
) -> DetectAllFacesTask[list[Faces[FaceDetection]], list[Faces[FaceResult]]]: ...
@overload
def detect_all_faces(
    photo: Photos, options: FaceDetectionOptions | None = None, any_rotation: bool = False
) -> DetectAllFacesTask[Faces[FaceDetection] | list[Faces[FaceDetection]], Faces[FaceResult] | list[Faces[FaceResult]]]: ...
def detect_all_faces(
    photo: Photos, options: FaceDetectionOptions | None = None, any_rotation: bool = False
) -> DetectAllFacesTask[Faces[FaceDetection] | list[Faces[FaceDetection]], Faces[FaceResult] | list[Faces[FaceResult]]]:
    """A task that detects all faces of a photo.

    Parameters
    ----------
    photo : photo, or list or iterator of photos
        A path, bytes, a file object, a URL, a `PIL.Image.Image` or an array [H,W,3]; see `load_image`.  Only a
        few of many photos are in memory at a time.
    options : SsdMobilenetv1Options (default), TinyFaceDetectorOptions, TinyYolov2Options or MtcnnOptions
        Choose the detector.
    any_rotation : bool
        Also look for faces in the photo rotated by 90, 180 and 270 degrees, which takes four times as long, and keep the
        orientation with the largest sum of scores.  Later steps run on the rotated photo; boxes and points are in pixels
        of the original one, and `Faces.rotation` is the angle.  SSD and MTCNN rarely choose the wrong orientation; the tiny
        detector sometimes does, because it also finds faces that are upside down.

    Returns
    -------
    DetectAllFacesTask
        Nothing is computed before ``.run()``.

    Examples
    --------
    >>> import numpy as np
    >>> detect_all_faces(np.zeros((60, 80, 3), np.uint8)).with_face_landmarks().with_face_descriptors().run()
    []
    """
    return DetectAllFacesTask(photo, options, any_rotation=any_rotation)


@overload
def detect_single_face(
    photo: Photo, options: FaceDetectionOptions | None = None, any_rotation: bool = False
) -> DetectSingleFaceTask[FaceDetection | None, FaceResult | None]: ...
@overload
def detect_single_face(
    photo: Sequence[Photo], options: FaceDetectionOptions | None = None, any_rotation: bool = False
) -> DetectSingleFaceTask[list[FaceDetection | None], list[FaceResult | None]]: ...
@overload
def detect_single_face(
    photo: Photos, options: FaceDetectionOptions | None = None, any_rotation: bool = False
) -> DetectSingleFaceTask[FaceDetection | list[FaceDetection | None] | None, FaceResult | list[FaceResult | None] | None]: ...
def detect_single_face(
    photo: Photos, options: FaceDetectionOptions | None = None, any_rotation: bool = False
) -> DetectSingleFaceTask[FaceDetection | list[FaceDetection | None] | None, FaceResult | list[FaceResult | None] | None]:
    """A task that detects the face with the highest score; parameters as for `detect_all_faces`.

    Examples
    --------
    >>> import numpy as np
    >>> detect_single_face(np.zeros((60, 80, 3), np.uint8)).run() is None
    True
    """
    return DetectSingleFaceTask(photo, options, any_rotation=any_rotation)
