"""From photos to the rows of an index: a callable that engines such as Dask, Ray Data and Spark can run as it is."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi import nets
from npfaceapi.engines.thread_count import use_num_threads
from npfaceapi.errors import BackendUnavailable, ImageError, InvalidArgument, InvalidType, printable, shown
from npfaceapi.faces.alignment import ALIGNMENTS
from npfaceapi.faces.points import as_flag
from npfaceapi.faces.results import FACE_EXPRESSION_LABELS, FaceResult, Faces
from npfaceapi.global_api import warmup
from npfaceapi.networks.options import FaceDetectionOptions, MtcnnOptions, SsdMobilenetv1Options, TinyYolov2Options
from npfaceapi.networks.registry import detector_called, detector_of, proper
from npfaceapi.photos.decoding import Pixels, decode_file
from npfaceapi.photos.quality import FaceQuality, face_quality
from npfaceapi.tasks import detect_all_faces
from npfaceapi.video.analysis import analysis_of
from npfaceapi.video.decoding import is_video

__all__ = ["FACE_COLUMNS", "PHOTO_COLUMNS", "FaceWorker", "PhotoRows"]

#: The columns of a photo, as in the table `photos`.
PHOTO_COLUMNS = ("path", "size", "modified", "content", "width", "height", "taken", "rotation", "outcome", "reason")
#: The columns of a face, as in the table `faces`.
FACE_COLUMNS = (
    "number", "x", "y", "width", "height", "score", "time", "points", "descriptor", "age", "gender", "gender_probability",
    "expression", "expressions", "quality", "size", "sharpness", "yaw", "pitch", "roll",
)  # fmt: skip
_TIMES_TO_READ = 3
_EXIF_IFD, _TAKEN, _TAKEN_OFFSET = 0x8769, 0x9003, 0x9011


@dataclasses.dataclass(frozen=True)
class PhotoRows:
    """What an index keeps of one photo.

    Attributes
    ----------
    photo : dict
        By `PHOTO_COLUMNS`; `outcome` is "faces", "no face", "unreadable", or "known": the same content is in the index already,
        and was not computed.
    faces : list of dict
        By `FACE_COLUMNS`.
    """

    photo: dict[str, Any]
    faces: list[dict[str, Any]]


class FaceWorker:
    """Finds and describes the faces of photos: landmarks, descriptor, age, gender, expressions and quality.

    It is small, can be pickled, and loads the networks and compiles the kernels at its first photo in a process.

    Parameters
    ----------
    options : SsdMobilenetv1Options (default), TinyFaceDetectorOptions, TinyYolov2Options or MtcnnOptions
        Choose the detector.
    alignment, average_mirror
        How descriptors are made, as in `DetectAllFacesTask.with_face_descriptors`; as in the commands, the default is "dlib",
        which tells people apart better (docs/accuracy.md).
    any_rotation : bool
        As in `detect_all_faces`.

    Examples
    --------
    >>> rows = FaceWorker()({"path": ["golden/images/astronaut.png"]})
    >>> rows["outcome"].tolist(), rows["face"].tolist(), rows["descriptor"].shape
    (['faces'], [0], (1, 128))
    """

    def __init__(
        self,
        options: FaceDetectionOptions | None = None,
        *,
        alignment: str = "dlib",
        average_mirror: bool = False,
        any_rotation: bool = False,
    ) -> None:
        if options is None:
            options = SsdMobilenetv1Options()
        if not isinstance(options, (SsdMobilenetv1Options, TinyYolov2Options, MtcnnOptions)):
            raise InvalidType(f"FaceWorker: expected options of a detector, got {shown(options)}")
        if not isinstance(alignment, str) or alignment not in ALIGNMENTS:
            raise InvalidArgument(f"FaceWorker: expected an alignment out of {', '.join(ALIGNMENTS)}, got {shown(alignment)}")
        self.options = options
        self.alignment = alignment
        self.average_mirror = as_flag(average_mirror, "FaceWorker: average_mirror")
        self.any_rotation = as_flag(any_rotation, "FaceWorker: any_rotation")

    def __repr__(self) -> str:
        return (
            f"FaceWorker({self.options!r}, alignment={self.alignment!r}, average_mirror={self.average_mirror}, "
            f"any_rotation={self.any_rotation})"
        )

    def to_dict(self) -> dict[str, Any]:
        """The options, and a hash of the weights: all that the rows depend on besides the photo, in plain JSON types."""
        detector = detector_of(self.options)
        assert detector is not None
        return {
            "detector": detector.name,
            "options": json.loads(json.dumps(dataclasses.asdict(self.options))),  # a list for a tuple
            "alignment": self.alignment,
            "average_mirror": self.average_mirror,
            "any_rotation": self.any_rotation,
            "weights": self._weights_hash(),
        }

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> FaceWorker:
        """The worker with the options that `to_dict` gave; its weights are those at hand."""
        if not isinstance(settings, Mapping):
            raise InvalidType(f"FaceWorker.from_json: expected what to_dict gives, got {shown(settings)}")
        try:
            options = detector_called(settings["detector"]).options(**settings["options"])
            return cls(options, **{name: settings[name] for name in ("alignment", "average_mirror", "any_rotation")})
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgument(f"FaceWorker.from_json: expected what to_dict gives, got {shown(settings)} ({error})") from None

    def changed(
        self,
        options: FaceDetectionOptions | None,
        alignment: str | None,
        average_mirror: bool | None,
        any_rotation: bool | None,
    ) -> FaceWorker:
        """The same worker, except for what is not None."""
        return FaceWorker(
            self.options if options is None else options,
            alignment=self.alignment if alignment is None else alignment,
            average_mirror=self.average_mirror if average_mirror is None else average_mirror,
            any_rotation=self.any_rotation if any_rotation is None else any_rotation,
        )

    def _networks(self) -> list[str]:
        detector = detector_of(self.options)
        assert detector is not None
        return [detector.name, "face_landmark_68_net", "face_expression_net", "age_gender_net", "face_recognition_net"]

    def _weights_hash(self) -> str:
        digest = hashlib.sha256()
        for name in itertools.chain.from_iterable(map(proper, self._networks())):
            for tensor, values in sorted(nets.network_named(name).tensors.items()):
                digest.update(f"{name} {tensor} {values.shape}".encode())
                digest.update(values.tobytes())
        return digest.hexdigest()[:16]

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
        """The rows of a batch of photos, as columns.

        Parameters
        ----------
        batch : mapping
            With "path": a sequence of paths, str or bytes.  Other columns are ignored.

        Returns
        -------
        dict of ndarray
            One row per face, in the order of the photos, and one for each photo without a face.  Of the photo: path, size
            (bytes), modified (nanoseconds), content (SHA-256, hexadecimal), photo_width, photo_height, taken, rotation, outcome,
            reason.  Of the face: face (its number in the photo from 0, or -1: the others are then NaN, "" or zero), x, y,
            width, height (pixels), score, time (seconds in a video, NaN in a photo), points float32 [n,136], descriptor float32
            [n,128] (NaN if the crop is outside of the photo), age, gender, gender_probability, expression, expressions float32
            [n,7] by `FACE_EXPRESSION_LABELS`, quality, face_size, sharpness, yaw, pitch, roll.

        Raises
        ------
        InvalidArgument
            If the batch has no such column.  A photo that cannot be read is a row with the outcome "unreadable".
        """
        if not isinstance(batch, Mapping) or "path" not in batch:
            raise InvalidArgument(f'FaceWorker: expected a batch with a column "path", got {shown(batch)}')
        with use_num_threads(1):  # the processes share the cores
            return columns([self.rows(os.fsdecode(path)) for path in batch["path"]])

    def faces(self, image: Pixels) -> Faces[FaceResult]:
        """The faces of a decoded photo, with everything that an index keeps."""
        task = detect_all_faces(image, self.options, self.any_rotation).with_face_landmarks()
        task = task.with_face_expressions().with_age_and_gender()
        return task.with_face_descriptors(self.alignment, self.average_mirror).run()

    def warm_up(self) -> None:
        """Load the networks and compile what is not compiled yet."""
        warmup(self._networks())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_networks": networks_with_own_weights()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, net in state.pop("_networks").items():
            setattr(nets, name, net)
        self.__dict__.update(state)

    def rows(self, path: str, known: Sequence[bytes] = ()) -> PhotoRows:
        """The rows of one photo; nothing is computed if its content is one of those known (SHA-256)."""
        photo: dict[str, Any] = dict.fromkeys(PHOTO_COLUMNS)
        photo.update(path=path, size=0, modified=0, rotation=0, outcome="unreadable")
        try:
            data, photo["size"], photo["modified"] = _settled(path, _digest if is_video(path) else _content)
        except (OSError, ValueError) as error:
            photo["reason"] = str(getattr(error, "strerror", None) or error)
            return PhotoRows(photo, [])
        photo["content"] = data if is_video(path) else hashlib.sha256(data).digest()
        if photo["content"] in known:
            photo["outcome"] = "known"
            return PhotoRows(photo, [])
        if is_video(path):
            return self._rows_of_video(photo)
        try:
            image = decode_file(io.BytesIO(data), path)
        except ImageError as error:
            photo["reason"] = str(error).removeprefix(f"{printable(path)}: ")
            return PhotoRows(photo, [])
        photo["height"], photo["width"] = image.shape[:2]
        photo["taken"] = _taken(data)
        del data
        faces = self.faces(image)
        photo["rotation"] = faces.rotation
        photo["outcome"] = "faces" if faces else "no face"
        qualities = [face_quality(image, face) if face.landmarks is not None else None for face in faces]
        rows = [_face_row(number, face, quality) for number, (face, quality) in enumerate(zip(faces, qualities, strict=True))]
        return PhotoRows(photo, rows)

    def _rows_of_video(self, photo: dict[str, Any]) -> PhotoRows:
        """The rows of a video: of each track the best face."""
        try:
            analysis = analysis_of(photo["path"], find=self.faces)
        except ImageError as error:
            photo["reason"] = str(error).removeprefix(f"{printable(photo['path'])}: ")
            return PhotoRows(photo, [])
        except BackendUnavailable as error:  # its content stays unknown, so that it is tried again
            photo.update(content=None, reason=str(error).removeprefix(f"{printable(photo['path'])}: "))
            return PhotoRows(photo, [])
        photo.update(width=analysis.width, height=analysis.height, taken=analysis.taken)
        photo["outcome"] = "faces" if analysis.tracks else "no face"
        if analysis.problem is not None:
            photo["reason"] = analysis.problem.removeprefix(f"{photo['path']}: ")
        faces = [
            {**_face_row(number, track.best, track.quality), "time": track.best_time}
            for number, track in enumerate(analysis.tracks)
        ]
        return PhotoRows(photo, faces)


def networks_with_own_weights() -> dict[str, Any]:
    """The networks of `nets` whose weights are not the bundled ones, by name."""
    found = {name: vars(nets).get(name) for name in nets.__all__}
    return {name: net for name, net in found.items() if net is not None and net.__reduce__()[0] is not nets.network_named}


def _settled(path: str, read: Callable[[io.BufferedReader], bytes]) -> tuple[bytes, int, int]:
    """What `read` gives for a file that does not change while it is read to its end, its size and its time."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError("expected a file, got a pipe or a device")
    for _ in range(_TIMES_TO_READ):
        with open(path, "rb") as file:
            before = os.fstat(file.fileno())
            data = read(file)
            after = os.fstat(file.fileno())
            end = os.lseek(file.fileno(), 0, os.SEEK_CUR)
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and end == before.st_size:
            return data, before.st_size, before.st_mtime_ns
    raise ValueError("expected a file that stays as it is, got one that changed while it was read")


def _content(file: io.BufferedReader) -> bytes:
    return file.read()


def _digest(file: io.BufferedReader) -> bytes:
    return hashlib.file_digest(file, "sha256").digest()


def _taken(data: bytes) -> str | None:
    """When the photo was taken, by EXIF: "2024-05-01T12:30:00", with the offset from UTC where the camera wrote it."""
    from PIL import Image

    try:
        exif = Image.open(io.BytesIO(data)).getexif().get_ifd(_EXIF_IFD)
        time, offset = str(exif.get(_TAKEN, "")), str(exif.get(_TAKEN_OFFSET, ""))
    except Exception:  # damaged EXIF data
        return None
    found = re.match(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d:\d\d:\d\d)", time)
    if found is None or found[1] == "0000":
        return None
    zone = offset.strip("\0 ")
    return f"{found[1]}-{found[2]}-{found[3]}T{found[4]}" + (zone if re.fullmatch(r"[+-]\d\d:\d\d", zone) else "")


def _face_row(number: int, face: FaceResult, quality: FaceQuality | None) -> dict[str, Any]:
    box = face.detection.box
    row: dict[str, Any] = dict.fromkeys(FACE_COLUMNS)
    row.update(number=number, x=box.x, y=box.y, width=box.width, height=box.height, score=face.detection.score)
    if face.landmarks is not None:
        row["points"] = face.landmarks.positions.astype("<f4").tobytes()
    if quality is not None:
        row["quality"] = quality.score
        row.update({name: getattr(quality, name) for name in ("size", "sharpness", "yaw", "pitch", "roll")})
    if face.descriptor is not None:
        row["descriptor"] = face.descriptor.astype("<f4").tobytes()
    if face.age is not None and face.gender is not None:
        row.update(age=face.age, gender=face.gender.value, gender_probability=face.gender_probability)
    if face.expressions is not None:
        row["expression"] = face.expressions.as_sorted_array()[0].expression
        row["expressions"] = face.expressions.to_dict()
    return row


def columns(photos: Sequence[PhotoRows]) -> dict[str, NDArray[Any]]:
    """Rows as columns; see `FaceWorker.__call__`."""
    rows = [(each.photo, face) for each in photos for face in each.faces or [{}]]

    def texts(values: Sequence[Any]) -> NDArray[Any]:
        return np.array(["" if value is None else value for value in values], dtype=object)

    def numbers(values: Sequence[Any], dtype: Any = np.float64, missing: Any = np.nan) -> NDArray[Any]:
        return np.array([missing if value is None else value for value in values], dtype=dtype)

    def vectors(values: Sequence[Any], length: int) -> NDArray[np.float32]:
        each = [np.full(length, np.nan, np.float32) if value is None else np.frombuffer(value, "<f4") for value in values]
        return np.array(each, np.float32).reshape(len(values), length)

    def of_photo(name: str) -> list[Any]:
        return [photo[name] for photo, _ in rows]

    def of_face(name: str) -> list[Any]:
        return [face.get(name) for _, face in rows]

    probabilities = [
        None if each is None else np.array([each[label] for label in FACE_EXPRESSION_LABELS], "<f4").tobytes()
        for each in of_face("expressions")
    ]
    return {
        "path": texts(of_photo("path")),
        "size": numbers(of_photo("size"), np.int64),
        "modified": numbers(of_photo("modified"), np.int64),
        "content": texts([None if content is None else content.hex() for content in of_photo("content")]),
        "photo_width": numbers(of_photo("width"), np.int64, 0),
        "photo_height": numbers(of_photo("height"), np.int64, 0),
        **{name: texts(of_photo(name)) for name in ("taken", "outcome", "reason")},
        "rotation": numbers(of_photo("rotation"), np.int64),
        "face": numbers(of_face("number"), np.int64, -1),
        **{name: numbers(of_face(name)) for name in ("x", "y", "width", "height", "score", "time", "age", "gender_probability")},
        "points": vectors(of_face("points"), 136),
        "descriptor": vectors(of_face("descriptor"), 128),
        **{name: texts(of_face(name)) for name in ("gender", "expression")},
        "expressions": vectors(probabilities, len(FACE_EXPRESSION_LABELS)),
        "face_size": numbers(of_face("size")),
        **{name: numbers(of_face(name)) for name in ("quality", "sharpness", "yaw", "pitch", "roll")},
    }
