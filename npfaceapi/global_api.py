"""face-api.js's global functions: each calls one of the ready-made networks in `nets`; and `warmup` and `anonymize`.

Source: face-api.js 0.22.2, `globalApi/nets.ts` and `globalApi/allFaces.ts`; the last two are not in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

from npfaceapi import nets
from npfaceapi.draw.drawing import each_of
from npfaceapi.draw.hiding import as_way, hide
from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.faces.alignment import Similarity
from npfaceapi.faces.geometry import Box, as_box
from npfaceapi.faces.points import Dimensions
from npfaceapi.faces.results import FaceResult, ObjectDetection
from npfaceapi.networks.face_recognition_net import FaceRecognitionNet
from npfaceapi.networks.mtcnn import Mtcnn
from npfaceapi.networks.options import MtcnnOptions, SsdMobilenetv1Options, TinyFaceDetectorOptions, TinyYolov2Options
from npfaceapi.networks.registry import bundled_names, proper
from npfaceapi.networks.ssd_mobilenetv1 import SsdMobilenetv1
from npfaceapi.networks.tiny_face_detector import TinyFaceDetector
from npfaceapi.networks.tiny_yolov2 import TinyYolov2
from npfaceapi.photos.chips import resample
from npfaceapi.photos.decoding import to_pil
from npfaceapi.photos.loading import load_image
from npfaceapi.photos.net_input import resize_bilinear
from npfaceapi.tasks import detect_all_faces

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from npfaceapi.draw.drawing import Detected
    from npfaceapi.draw.hiding import Way
    from npfaceapi.faces.landmarks import FaceLandmarks68
    from npfaceapi.faces.results import AgeAndGenderPrediction, FaceDetection, FaceExpressions, Faces
    from npfaceapi.networks.network_weights import Weights
    from npfaceapi.photos.net_input import Photo, Photos
    from npfaceapi.tasks import FaceDetectionOptions

__all__ = [
    "all_faces",
    "all_faces_mtcnn",
    "all_faces_ssd_mobilenetv1",
    "all_faces_tiny_yolov2",
    "anonymize",
    "compute_face_descriptor",
    "create_face_detection_net",
    "create_face_recognition_net",
    "create_mtcnn",
    "create_ssd_mobilenetv1",
    "create_tiny_face_detector",
    "create_tiny_yolov2",
    "detect_face_landmarks",
    "detect_face_landmarks_tiny",
    "detect_landmarks",
    "load_age_gender_model",
    "load_face_detection_model",
    "load_face_expression_model",
    "load_face_landmark_model",
    "load_face_landmark_tiny_model",
    "load_face_recognition_model",
    "load_mtcnn_model",
    "load_ssd_mobilenetv1_model",
    "load_tiny_face_detector_model",
    "load_tiny_yolov2_model",
    "locate_faces",
    "mtcnn",
    "predict_age_and_gender",
    "recognize_face_expressions",
    "ssd_mobilenetv1",
    "tiny_face_detector",
    "tiny_yolov2",
    "warmup",
]


@overload
def ssd_mobilenetv1(photo: Photo, options: SsdMobilenetv1Options | None = None) -> list[FaceDetection]: ...
@overload
def ssd_mobilenetv1(photo: Sequence[Photo], options: SsdMobilenetv1Options | None = None) -> list[list[FaceDetection]]: ...
@overload
def ssd_mobilenetv1(
    photo: Photos, options: SsdMobilenetv1Options | None = None
) -> list[FaceDetection] | list[list[FaceDetection]]: ...
def ssd_mobilenetv1(photo: Photos, options: SsdMobilenetv1Options | None = None) -> object:
    """`nets.ssd_mobilenetv1.locate_faces`.

    Examples
    --------
    >>> [face] = ssd_mobilenetv1("golden/images/astronaut.png")
    >>> round(face.score, 2)
    0.96
    """
    return nets.ssd_mobilenetv1.locate_faces(photo, options)


locate_faces = ssd_mobilenetv1


@overload
def tiny_face_detector(photo: Photo, options: TinyFaceDetectorOptions | None = None) -> list[FaceDetection]: ...
@overload
def tiny_face_detector(photo: Sequence[Photo], options: TinyFaceDetectorOptions | None = None) -> list[list[FaceDetection]]: ...
@overload
def tiny_face_detector(
    photo: Photos, options: TinyFaceDetectorOptions | None = None
) -> list[FaceDetection] | list[list[FaceDetection]]: ...
def tiny_face_detector(photo: Photos, options: TinyFaceDetectorOptions | None = None) -> object:
    """`nets.tiny_face_detector.locate_faces`.

    Examples
    --------
    >>> [face] = tiny_face_detector("golden/images/astronaut.png")
    >>> round(face.score, 2)
    0.98
    """
    return nets.tiny_face_detector.locate_faces(photo, options)


@overload
def tiny_yolov2(photo: Photo, options: TinyYolov2Options | None = None) -> list[FaceDetection]: ...
@overload
def tiny_yolov2(photo: Sequence[Photo], options: TinyYolov2Options | None = None) -> list[list[FaceDetection]]: ...
@overload
def tiny_yolov2(photo: Photos, options: TinyYolov2Options | None = None) -> list[FaceDetection] | list[list[FaceDetection]]: ...
def tiny_yolov2(photo: Photos, options: TinyYolov2Options | None = None) -> object:
    """`nets.tiny_yolov2.locate_faces`.

    Examples
    --------
    >>> nets.tiny_yolov2.load(np.zeros(1_794_500, np.float32))  # no weights are bundled; with these it finds no face
    >>> tiny_yolov2("golden/images/astronaut.png")
    []
    """
    return nets.tiny_yolov2.locate_faces(photo, options)


@overload
def mtcnn(photo: Photo, options: MtcnnOptions | None = None) -> list[FaceResult]: ...
@overload
def mtcnn(photo: Sequence[Photo], options: MtcnnOptions | None = None) -> list[list[FaceResult]]: ...
@overload
def mtcnn(photo: Photos, options: MtcnnOptions | None = None) -> list[FaceResult] | list[list[FaceResult]]: ...
def mtcnn(photo: Photos, options: MtcnnOptions | None = None) -> object:
    """`nets.mtcnn.forward`: faces with 5 landmarks.

    Examples
    --------
    >>> [face] = mtcnn("golden/images/astronaut.png")
    >>> len(face.landmarks)
    5
    """
    return nets.mtcnn.forward(photo, options)


@overload
def detect_face_landmarks(photo: Photo) -> FaceLandmarks68: ...
@overload
def detect_face_landmarks(photo: Sequence[Photo]) -> list[FaceLandmarks68]: ...
@overload
def detect_face_landmarks(photo: Photos) -> FaceLandmarks68 | list[FaceLandmarks68]: ...
def detect_face_landmarks(photo: Photos) -> object:
    """`nets.face_landmark_68_net.detect_landmarks` on a face crop, or a list of them.

    Examples
    --------
    >>> from npfaceapi import load_image
    >>> face = load_image("golden/images/astronaut.png")[60:190, 160:290]
    >>> len(detect_face_landmarks(face))
    68
    """
    return nets.face_landmark_68_net.detect_landmarks(photo)


detect_landmarks = detect_face_landmarks


@overload
def detect_face_landmarks_tiny(photo: Photo) -> FaceLandmarks68: ...
@overload
def detect_face_landmarks_tiny(photo: Sequence[Photo]) -> list[FaceLandmarks68]: ...
@overload
def detect_face_landmarks_tiny(photo: Photos) -> FaceLandmarks68 | list[FaceLandmarks68]: ...
def detect_face_landmarks_tiny(photo: Photos) -> object:
    """`nets.face_landmark_68_tiny_net.detect_landmarks` on a face crop, or a list of them.

    Examples
    --------
    >>> from npfaceapi import load_image
    >>> face = load_image("golden/images/astronaut.png")[60:190, 160:290]
    >>> len(detect_face_landmarks_tiny(face))
    68
    """
    return nets.face_landmark_68_tiny_net.detect_landmarks(photo)


@overload
def compute_face_descriptor(photo: Photo) -> NDArray[np.float32]: ...
@overload
def compute_face_descriptor(photo: Sequence[Photo]) -> list[NDArray[np.float32]]: ...
@overload
def compute_face_descriptor(photo: Photos) -> NDArray[np.float32] | list[NDArray[np.float32]]: ...
def compute_face_descriptor(photo: Photos) -> object:
    """`nets.face_recognition_net.compute_face_descriptor` of a face crop, or a list of them.

    Examples
    --------
    >>> from npfaceapi import load_image
    >>> face = load_image("golden/images/astronaut.png")[60:190, 160:290]
    >>> compute_face_descriptor(face).shape
    (128,)
    """
    return nets.face_recognition_net.compute_face_descriptor(photo)


@overload
def recognize_face_expressions(photo: Photo) -> FaceExpressions: ...
@overload
def recognize_face_expressions(photo: Sequence[Photo]) -> list[FaceExpressions]: ...
@overload
def recognize_face_expressions(photo: Photos) -> FaceExpressions | list[FaceExpressions]: ...
def recognize_face_expressions(photo: Photos) -> object:
    """`nets.face_expression_net.predict_expressions` of a face crop, or a list of them.

    Examples
    --------
    >>> from npfaceapi import load_image
    >>> face = load_image("golden/images/astronaut.png")[60:190, 160:290]
    >>> recognize_face_expressions(face).as_sorted_array()[0].expression
    'happy'
    """
    return nets.face_expression_net.predict_expressions(photo)


@overload
def predict_age_and_gender(photo: Photo) -> AgeAndGenderPrediction: ...
@overload
def predict_age_and_gender(photo: Sequence[Photo]) -> list[AgeAndGenderPrediction]: ...
@overload
def predict_age_and_gender(photo: Photos) -> AgeAndGenderPrediction | list[AgeAndGenderPrediction]: ...
def predict_age_and_gender(photo: Photos) -> object:
    """`nets.age_gender_net.predict_age_and_gender` of a face crop, or a list of them.

    Examples
    --------
    >>> from npfaceapi import load_image
    >>> face = load_image("golden/images/astronaut.png")[60:190, 160:290]
    >>> predict_age_and_gender(face).gender
    <Gender.FEMALE: 'female'>
    """
    return nets.age_gender_net.predict_age_and_gender(photo)


def load_ssd_mobilenetv1_model(url: Weights) -> None:
    """`nets.ssd_mobilenetv1.load(url)`.

    Examples
    --------
    >>> load_ssd_mobilenetv1_model("weights")
    """
    nets.ssd_mobilenetv1.load(url)


load_face_detection_model = load_ssd_mobilenetv1_model


def load_tiny_face_detector_model(url: Weights) -> None:
    """`nets.tiny_face_detector.load(url)`.

    Examples
    --------
    >>> load_tiny_face_detector_model("weights")
    """
    nets.tiny_face_detector.load(url)


def load_mtcnn_model(url: Weights) -> None:
    """`nets.mtcnn.load(url)`.

    Examples
    --------
    >>> load_mtcnn_model("weights")
    """
    nets.mtcnn.load(url)


def load_tiny_yolov2_model(url: Weights) -> None:
    """`nets.tiny_yolov2.load(url)`.

    Examples
    --------
    >>> load_tiny_yolov2_model("weights")
    Traceback (most recent call last):
        ...
    npfaceapi.errors.WeightsError: weights/tiny_yolov2_separable_conv_model-weights_manifest.json: expected a file that can be
    read, got: No such file or directory
    """
    nets.tiny_yolov2.load(url)


def load_face_landmark_model(url: Weights) -> None:
    """`nets.face_landmark_68_net.load(url)`.

    Examples
    --------
    >>> load_face_landmark_model("weights")
    """
    nets.face_landmark_68_net.load(url)


def load_face_landmark_tiny_model(url: Weights) -> None:
    """`nets.face_landmark_68_tiny_net.load(url)`.

    Examples
    --------
    >>> load_face_landmark_tiny_model("weights")
    """
    nets.face_landmark_68_tiny_net.load(url)


def load_face_recognition_model(url: Weights) -> None:
    """`nets.face_recognition_net.load(url)`.

    Examples
    --------
    >>> load_face_recognition_model("weights")
    """
    nets.face_recognition_net.load(url)


def load_face_expression_model(url: Weights) -> None:
    """`nets.face_expression_net.load(url)`.

    Examples
    --------
    >>> load_face_expression_model("weights")
    """
    nets.face_expression_net.load(url)


def load_age_gender_model(url: Weights) -> None:
    """`nets.age_gender_net.load(url)`.

    Examples
    --------
    >>> load_age_gender_model("weights")
    """
    nets.age_gender_net.load(url)


def create_ssd_mobilenetv1(weights: NDArray[np.float32]) -> SsdMobilenetv1:
    """A new `SsdMobilenetv1` with weights from a flat float32 array.

    Examples
    --------
    >>> create_ssd_mobilenetv1(nets.ssd_mobilenetv1.serialize_params())
    <SsdMobilenetv1: loaded>
    """
    net = SsdMobilenetv1()
    net.extract_weights(weights)
    return net


create_face_detection_net = create_ssd_mobilenetv1


def create_tiny_face_detector(weights: NDArray[np.float32]) -> TinyFaceDetector:
    """A new `TinyFaceDetector` with weights from a flat float32 array.

    Examples
    --------
    >>> create_tiny_face_detector(nets.tiny_face_detector.serialize_params())
    <TinyFaceDetector: loaded>
    """
    net = TinyFaceDetector()
    net.extract_weights(weights)
    return net


def create_tiny_yolov2(weights: NDArray[np.float32], with_separable_convs: bool = True) -> TinyYolov2:
    """A new `TinyYolov2` with weights from a flat float32 array.

    Examples
    --------
    >>> create_tiny_yolov2(np.zeros(1_794_500, np.float32))
    <TinyYolov2: loaded>
    """
    net = TinyYolov2(with_separable_convs)
    net.extract_weights(weights)
    return net


def create_mtcnn(weights: NDArray[np.float32]) -> Mtcnn:
    """A new `Mtcnn` with weights from a flat float32 array.

    Examples
    --------
    >>> create_mtcnn(nets.mtcnn.serialize_params())
    <Mtcnn: loaded>
    """
    net = Mtcnn()
    net.extract_weights(weights)
    return net


def create_face_recognition_net(weights: NDArray[np.float32]) -> FaceRecognitionNet:
    """A new `FaceRecognitionNet` with weights from a flat float32 array.

    Examples
    --------
    >>> create_face_recognition_net(nets.face_recognition_net.serialize_params())
    <FaceRecognitionNet: loaded>
    """
    net = FaceRecognitionNet()
    net.extract_weights(weights)
    return net


def _all_faces(name: str, photo: Photos, options: FaceDetectionOptions) -> object:
    warnings.warn(
        f"{name} is deprecated; use detect_all_faces(photo, options).with_face_landmarks().with_face_descriptors()",
        DeprecationWarning,
        stacklevel=3,
    )
    return detect_all_faces(photo, options).with_face_landmarks().with_face_descriptors().run()


@overload
def all_faces_ssd_mobilenetv1(photo: Photo, min_confidence: float | None = None) -> Faces[FaceResult]: ...
@overload
def all_faces_ssd_mobilenetv1(photo: Sequence[Photo], min_confidence: float | None = None) -> list[Faces[FaceResult]]: ...
@overload
def all_faces_ssd_mobilenetv1(
    photo: Photos, min_confidence: float | None = None
) -> Faces[FaceResult] | list[Faces[FaceResult]]: ...
def all_faces_ssd_mobilenetv1(photo: Photos, min_confidence: float | None = None) -> object:
    """Deprecated: detect with SSD, landmarks, descriptors.

    Examples
    --------
    >>> with warnings.catch_warnings(action="ignore"):
    ...     len(all_faces_ssd_mobilenetv1("golden/images/astronaut.png", 0.8))
    1
    """
    options = SsdMobilenetv1Options() if min_confidence is None else SsdMobilenetv1Options(min_confidence=min_confidence)
    return _all_faces("all_faces_ssd_mobilenetv1", photo, options)


@overload
def all_faces(photo: Photo, min_confidence: float | None = None) -> Faces[FaceResult]: ...
@overload
def all_faces(photo: Sequence[Photo], min_confidence: float | None = None) -> list[Faces[FaceResult]]: ...
@overload
def all_faces(photo: Photos, min_confidence: float | None = None) -> Faces[FaceResult] | list[Faces[FaceResult]]: ...
def all_faces(photo: Photos, min_confidence: float | None = None) -> object:
    """Deprecated: the same as `all_faces_ssd_mobilenetv1`.

    Examples
    --------
    >>> with warnings.catch_warnings(action="ignore"):
    ...     len(all_faces("golden/images/astronaut.png"))
    1
    """
    options = SsdMobilenetv1Options() if min_confidence is None else SsdMobilenetv1Options(min_confidence=min_confidence)
    return _all_faces("all_faces", photo, options)


@overload
def all_faces_tiny_yolov2(photo: Photo, forward_params: TinyYolov2Options | None = None) -> Faces[FaceResult]: ...
@overload
def all_faces_tiny_yolov2(photo: Sequence[Photo], forward_params: TinyYolov2Options | None = None) -> list[Faces[FaceResult]]: ...
@overload
def all_faces_tiny_yolov2(
    photo: Photos, forward_params: TinyYolov2Options | None = None
) -> Faces[FaceResult] | list[Faces[FaceResult]]: ...
def all_faces_tiny_yolov2(photo: Photos, forward_params: TinyYolov2Options | None = None) -> object:
    """Deprecated: detect with TinyYolov2, landmarks, descriptors.

    Examples
    --------
    >>> with warnings.catch_warnings(action="ignore"):
    ...     len(all_faces_tiny_yolov2("golden/images/astronaut.png", TinyFaceDetectorOptions()))
    1
    """
    return _all_faces("all_faces_tiny_yolov2", photo, TinyYolov2Options() if forward_params is None else forward_params)


@overload
def all_faces_mtcnn(photo: Photo, forward_params: MtcnnOptions | None = None) -> Faces[FaceResult]: ...
@overload
def all_faces_mtcnn(photo: Sequence[Photo], forward_params: MtcnnOptions | None = None) -> list[Faces[FaceResult]]: ...
@overload
def all_faces_mtcnn(photo: Photos, forward_params: MtcnnOptions | None = None) -> Faces[FaceResult] | list[Faces[FaceResult]]: ...
def all_faces_mtcnn(photo: Photos, forward_params: MtcnnOptions | None = None) -> object:
    """Deprecated: detect with MTCNN, landmarks, descriptors.

    Examples
    --------
    >>> with warnings.catch_warnings(action="ignore"):
    ...     len(all_faces_mtcnn("golden/images/astronaut.png", MtcnnOptions(min_face_size=80)))
    1
    """
    return _all_faces("all_faces_mtcnn", photo, MtcnnOptions() if forward_params is None else forward_params)


def warmup(names: Iterable[str] | None = None) -> None:
    """Run networks once, so that kernels are compiled and weights read before the first photo.

    Parameters
    ----------
    names : iterable of str, optional
        Names out of `npfaceapi.nets`; default: all that have bundled weights.

    Examples
    --------
    >>> warmup(["face_landmark_68_tiny_net"])
    """
    if names is None:
        names = bundled_names()
    photo = np.zeros((2, 2, 3), np.uint8)
    resize_bilinear(photo, (1, 1))
    resample([photo], [Similarity(1 + 0j, 0j)], 1)
    for name in [names] if isinstance(names, str) else names:
        if name not in nets.__all__:
            raise InvalidArgument(f"warmup: expected names out of {', '.join(nets.__all__)}, got {shown(name)}")
        for part in map(nets.network_named, proper(name)):
            part.run_net(np.zeros((1, part.input_size, part.input_size, 3), np.float32))


def anonymize(photo: Photo, faces: Detected | Iterable[Detected | None] | None = None, how: Way = "solid") -> Image:
    """A copy of a photo in which the faces are hidden, without metadata.

    Parameters
    ----------
    photo : photo
        See `load_image`; not changed.
    faces : FaceDetection, FaceResult, box, or an iterable of these, optional
        The faces to hide, in pixels of the photo; default: those that `detect_all_faces` finds.
    how : "solid", "pixels" or "blur"
        Black; squares of their mean colour, six across the box; or a Gaussian blur with a standard deviation of 0.15 of the box.

    Returns
    -------
    PIL.Image.Image
        Mode RGB, of the photo's size after its EXIF orientation is applied.

    Raises
    ------
    InvalidArgument, InvalidType
        If the faces were found in a photo of another size, or an argument is invalid; also the errors of `load_image`.

    Notes
    -----
    The hidden region is a rectangle, larger than the detector's box by a quarter of its sides, and by 0.4 above.  Only "solid"
    leaves nothing of a face: networks trained on blurs and large pixels can still recognize people in them (McPherson, Shokri
    and Shmatikov: Defeating image obfuscation with deep learning, 2016).  No detector finds every face, so look at the result.

    Examples
    --------
    >>> import numpy as np
    >>> hidden = anonymize(np.full((60, 80, 3), 200, np.uint8), {"x": 20, "y": 10, "width": 20, "height": 20})
    >>> hidden.getpixel((16, 6)), hidden.getpixel((14, 6))
    ((0, 0, 0), (200, 200, 200))
    """
    way = as_way(how, "anonymize")
    image = to_pil(load_image(photo))
    for each in each_of(detect_all_faces(image).run() if faces is None else faces, Box):
        found = each.detection if isinstance(each, FaceResult) else each
        if isinstance(found, ObjectDetection) and found.image_dims != Dimensions(*image.size):
            size, dims = f"{image.width}x{image.height}", f"{found.image_width:g}x{found.image_height:g}"
            raise InvalidArgument(f"anonymize: expected faces of a photo of {size} pixels, got one of {dims}: see resize_results")
        hide(image, found.box if isinstance(found, ObjectDetection) else as_box(found), way)
    return image
