"""Drawing results: text fields, boxes, landmarks and expressions; see `npfaceapi.draw`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from npfaceapi.draw.canvas import (
    check_image,
    fill_disc,
    fill_rect,
    fill_text,
    font_of,
    missing_letters,
    stroke_lines,
    stroke_rect,
)
from npfaceapi.draw.options import (
    DrawBoxOptions,
    DrawFaceLandmarksOptions,
    DrawTextFieldOptions,
    options_of,
)
from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.detection import warn_of_other_size
from npfaceapi.faces.geometry import Box, BoxLike, as_box
from npfaceapi.faces.js_numbers import js_number, round_down
from npfaceapi.faces.landmarks import FaceLandmarks, FaceLandmarks68
from npfaceapi.faces.points import DimensionsLike, Point, PointLike, as_dimensions, as_point, as_points, as_score, is_number
from npfaceapi.faces.results import FaceExpressions, FaceResult, ObjectDetection

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "DrawBox",
    "DrawFaceLandmarks",
    "DrawTextField",
    "draw_contour",
    "draw_detections",
    "draw_face_expressions",
    "draw_face_landmarks",
    "each_of",
]


Detected: TypeAlias = "FaceResult | ObjectDetection | BoxLike"


@dataclass(frozen=True, slots=True, init=False)
class DrawTextField:
    """Lines of text on a background.

    Parameters
    ----------
    text : str, sequence of str, or DrawTextField
        One or more lines.
    anchor : point
        The position of the corner `anchor_position` of the field; the field is moved into the image.
    options : DrawTextFieldOptions or mapping of some of its fields, optional

    Examples
    --------
    >>> from PIL import Image
    >>> field = DrawTextField(["happy (0.99)"], (10, 10), {"padding": 2})
    >>> field.draw(Image.new("RGB", (120, 60))).getpixel((0, 0)), field.measure_height()
    ((0, 0, 0), 18.0)
    """

    text: tuple[str, ...]
    anchor: Point
    options: DrawTextFieldOptions

    def __init__(
        self,
        text: str | Sequence[str] | DrawTextField,
        anchor: PointLike,
        options: DrawTextFieldOptions | Mapping[str, object] | None = None,
    ) -> None:
        lines: Any = text.text if isinstance(text, DrawTextField) else [text] if isinstance(text, str) else text
        if not isinstance(lines, Sequence) or not all(isinstance(line, str) for line in lines):
            raise InvalidType(f"DrawTextField.text: expected a string or a sequence of strings, got {shown(text)}")
        object.__setattr__(self, "text", tuple(" ".join(line.splitlines()) for line in lines))
        object.__setattr__(self, "anchor", as_point(anchor, "DrawTextField.anchor"))
        object.__setattr__(self, "options", options_of(DrawTextFieldOptions, options))

    def measure_width(self) -> float:
        """The width of the field in pixels: the longest line plus the padding."""
        font = font_of(self.options.font_style, self.options.font_size)
        return max((float(font.getlength(line)) for line in self.text), default=0.0) + 2 * self.options.padding

    def measure_height(self) -> float:
        """The height of the field in pixels: the font size times the number of lines, plus the padding."""
        return float(len(self.text) * self.options.font_size + 2 * self.options.padding)

    def get_upper_left(self, canvas_dims: DimensionsLike | None = None) -> Point:
        """The field's upper left corner, moved into the image if its size is given."""
        width, height = self.measure_width(), self.measure_height()
        position = self.options.anchor_position.value
        x = self.anchor.x - (width if position.endswith("RIGHT") else 0)
        y = self.anchor.y - (height if position.startswith("BOTTOM") else 0)
        if canvas_dims is not None:
            image_width, image_height = as_dimensions(canvas_dims, "get_upper_left")
            x, y = max(min(x, image_width - width), 0), max(min(y, image_height - height), 0)
        return Point(x, y)

    def draw(self, image: Image) -> Image:
        """Draw on an image and return it; without any line nothing is drawn."""
        check_image(image, "DrawTextField.draw")
        if not self.text:
            return image
        options, (x, y) = self.options, self.get_upper_left(image.size)
        fill_rect(image, (x, y, self.measure_width(), self.measure_height()), options.background_color)
        font = font_of(options.font_style, options.font_size)
        missing = missing_letters("".join(self.text), options.font_style, font)
        if missing:
            warnings.warn(
                f"DrawTextField: expected letters of the built-in font, got {missing!r}: give the option font_style a font "
                "file that has them",
                UserWarning,
                stacklevel=2,
            )
        for i, line in enumerate(self.text):
            baseline = y + options.padding + (i + 1) * options.font_size
            fill_text(image, (x + options.padding, baseline), line, font, options.font_color)
        return image


@dataclass(frozen=True, slots=True, init=False)
class DrawBox:
    """A box, with a label if the options have one.

    Parameters
    ----------
    box : box
        In pixels of the image.
    options : DrawBoxOptions or mapping of some of its fields, optional

    Examples
    --------
    >>> from PIL import Image
    >>> box = DrawBox({"x": 20, "y": 30, "width": 50, "height": 20}, {"label": "face", "line_width": 4})
    >>> box.draw(Image.new("RGB", (120, 60))).getpixel((20, 40))
    (0, 0, 255)
    """

    box: Box
    options: DrawBoxOptions

    def __init__(self, box: BoxLike, options: DrawBoxOptions | Mapping[str, object] | None = None) -> None:
        object.__setattr__(self, "box", as_box(box))
        object.__setattr__(self, "options", options_of(DrawBoxOptions, options))

    def draw(self, image: Image) -> Image:
        """Draw on an image and return it."""
        check_image(image, "DrawBox.draw")
        box, options = self.box, self.options
        stroke_rect(image, (box.x, box.y, box.width, box.height), options.line_width, options.box_color)
        if options.label:
            DrawTextField(options.label, (box.x - options.line_width / 2, box.y), options.draw_label_options).draw(image)
        return image


@dataclass(frozen=True, slots=True, init=False)
class DrawFaceLandmarks:
    """Landmarks: the points, and for 68 points also the contours of the face.

    Parameters
    ----------
    face_landmarks : FaceLandmarks
    options : DrawFaceLandmarksOptions or mapping of some of its fields, optional

    Examples
    --------
    >>> from PIL import Image
    >>> landmarks = FaceLandmarks([(0.5, 0.5)], (100, 100))
    >>> DrawFaceLandmarks(landmarks, {"point_color": "red"}).draw(Image.new("RGB", (100, 100))).getpixel((50, 50))
    (255, 0, 0)
    """

    face_landmarks: FaceLandmarks
    options: DrawFaceLandmarksOptions

    def __init__(
        self, face_landmarks: FaceLandmarks, options: DrawFaceLandmarksOptions | Mapping[str, object] | None = None
    ) -> None:
        if not isinstance(face_landmarks, FaceLandmarks):
            raise InvalidType(f"DrawFaceLandmarks: expected FaceLandmarks, got {type(face_landmarks).__name__}")
        object.__setattr__(self, "face_landmarks", face_landmarks)
        object.__setattr__(self, "options", options_of(DrawFaceLandmarksOptions, options))

    def draw(self, image: Image) -> Image:
        """Draw on an image and return it."""
        check_image(image, "DrawFaceLandmarks.draw")
        landmarks, options = self.face_landmarks, self.options
        if options.draw_lines and isinstance(landmarks, FaceLandmarks68):
            brows = landmarks.get_left_eye_brow(), landmarks.get_right_eye_brow()
            eyes = landmarks.get_left_eye(), landmarks.get_right_eye()
            for points in (landmarks.get_jaw_outline(), *brows, landmarks.get_nose()):
                draw_contour(image, points, line_width=options.line_width, color=options.line_color)
            for points in (*eyes, landmarks.get_mouth()):
                draw_contour(image, points, True, line_width=options.line_width, color=options.line_color)
        if options.draw_points:
            for x, y in landmarks.positions.tolist():
                fill_disc(image, (x, y), options.point_size, options.point_color)
        return image


def draw_contour(
    image: Image,
    points: ArrayLike | Sequence[PointLike],
    is_closed: bool = False,
    *,
    line_width: float = 1,
    color: str = "rgba(0, 0, 0, 1)",
) -> Image:
    """Draw lines from each of the points [n,2] to the next, and from the last to the first if `is_closed`.

    Returns
    -------
    PIL.Image.Image
        The same image.

    Examples
    --------
    >>> from PIL import Image
    >>> draw_contour(Image.new("RGB", (100, 100)), [(10, 50), (90, 50)], line_width=4, color="red").getpixel((50, 50))
    (255, 0, 0)
    """
    check_image(image, "draw_contour")
    corners = as_points(points, "draw_contour")
    if not is_number(line_width) or line_width < 0:
        raise InvalidArgument(f"draw_contour.line_width: expected a number >= 0, got {shown(line_width)}")
    ends = np.roll(corners, -1, axis=0)
    count = len(corners) if is_closed else len(corners) - 1
    stroke_lines(image, corners[: max(count, 0)], ends[: max(count, 0)], line_width, color)
    return image


def draw_detections(image: Image, detections: Detected | Iterable[Detected | None] | None) -> Image:
    """Draw the boxes of detections, with their scores.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode RGB or RGBA; modified in place.
    detections : FaceDetection, FaceResult, box, None, or an iterable of these
        In pixels of the image; see `resize_results`.  Those found in a photo of another size cause a UserWarning.

    Returns
    -------
    PIL.Image.Image
        The same image.

    Raises
    ------
    InvalidArgument, InvalidType
        If the image or a detection is of another kind.

    Notes
    -----
    Quirk: scores are rounded down to two decimals: 0.29 shows as 0.28.

    Examples
    --------
    >>> from PIL import Image
    >>> draw_detections(Image.new("RGB", (99, 99)), {"x": 20, "y": 30, "width": 50, "height": 20}).getpixel((30, 30))
    (0, 0, 255)
    """
    check_image(image, "draw_detections")
    found = list(each_of(detections, Box))
    _check_size("draw_detections", image, found)
    for each in found:
        detection = each.detection if isinstance(each, FaceResult) else each
        if isinstance(detection, ObjectDetection):
            DrawBox(detection.box, {"label": js_number(round_down(detection.score))}).draw(image)
        else:
            DrawBox(detection).draw(image)
    return image


def draw_face_landmarks(
    image: Image, face_landmarks: FaceLandmarks | FaceResult | Iterable[FaceLandmarks | FaceResult | None] | None
) -> Image:
    """Draw landmarks: points, and the contours of 68-point faces.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode RGB or RGBA; modified in place.
    face_landmarks : FaceLandmarks, FaceResult with landmarks, None, or an iterable of these

    Returns
    -------
    PIL.Image.Image
        The same image.

    Raises
    ------
    InvalidArgument, InvalidType
        If the image or the landmarks are of another kind.

    Examples
    --------
    >>> from PIL import Image
    >>> landmarks = FaceLandmarks([(0.5, 0.5)], (100, 100))
    >>> draw_face_landmarks(Image.new("RGB", (100, 100)), landmarks).getpixel((50, 50))
    (255, 0, 255)
    """
    check_image(image, "draw_face_landmarks")
    found = list(each_of(face_landmarks))
    _check_size("draw_face_landmarks", image, found)
    for each in found:
        landmarks = each.landmarks if isinstance(each, FaceResult) else each
        if not isinstance(landmarks, FaceLandmarks):
            raise InvalidType(f"draw_face_landmarks: expected FaceLandmarks or results with landmarks, got {shown(each)}")
        DrawFaceLandmarks(landmarks).draw(image)
    return image


def draw_face_expressions(
    image: Image,
    face_expressions: FaceExpressions | FaceResult | Iterable[FaceExpressions | FaceResult | None] | None,
    min_confidence: float = 0.1,
    text_field_anchor: PointLike | None = None,
) -> Image:
    """Draw the probable expressions of faces as text.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode RGB or RGBA; modified in place.
    face_expressions : FaceExpressions, FaceResult with expressions, None, or an iterable of these
    min_confidence : float
        Expressions with a probability above this are drawn; in [0, 1].
    text_field_anchor : point, optional
        The position of bare expressions, (0, 0) by default; those of a result are drawn below its box.

    Returns
    -------
    PIL.Image.Image
        The same image.

    Raises
    ------
    InvalidArgument, InvalidType
        If the image or the expressions are of another kind.

    Examples
    --------
    >>> from PIL import Image
    >>> picture = draw_face_expressions(Image.new("RGB", (100, 30), "white"), FaceExpressions([0, 1, 0, 0, 0, 0, 0]))
    >>> picture.getpixel((1, 1))
    (127, 127, 127)
    """
    check_image(image, "draw_face_expressions")
    least = as_score(min_confidence, "draw_face_expressions.min_confidence")
    found = list(each_of(face_expressions, FaceExpressions))
    _check_size("draw_face_expressions", image, found)
    for each in found:
        expressions = each.expressions if isinstance(each, FaceResult) else each
        if not isinstance(expressions, FaceExpressions):
            raise InvalidType(f"draw_face_expressions: expected FaceExpressions or results with expressions, got {shown(each)}")
        anchor = each.detection.box.bottom_left if isinstance(each, FaceResult) else text_field_anchor or Point(0, 0)
        pairs = [pair for pair in expressions.as_sorted_array() if pair.probability > least]
        DrawTextField([f"{name} ({js_number(round_down(p))})" for name, p in pairs], anchor).draw(image)
    return image


def _check_size(where: str, image: Image, things: list[Any]) -> None:
    """Warn once of results found in a photo of another size."""
    detections = (each.detection if isinstance(each, FaceResult) else each for each in things)
    first = next((each for each in detections if isinstance(each, ObjectDetection)), None)
    if first is not None:
        warn_of_other_size(where, first.image_dims, image.size)


def each_of(things: Any, *single: type) -> Iterable[Any]:
    """Iterate over an argument: None is empty; a mapping or an instance of `single` is one item."""
    if things is None:
        return []
    if isinstance(things, (Mapping, str, *single)) or not isinstance(things, Iterable):
        return [things]
    return (thing for thing in things if thing is not None)
