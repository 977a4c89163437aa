"""Drawing: which pixels change, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from helpers.landmarks import POINTS
from npfaceapi import draw
from npfaceapi.draw.canvas import parse_color
from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.geometry import Point, Rect
from npfaceapi.faces.landmarks import FaceLandmarks5, FaceLandmarks68
from npfaceapi.faces.results import (
    FaceDetection,
    FaceExpressions,
    FaceResult,
    extend_with_face_expressions,
    extend_with_face_landmarks,
    resize_results,
)

RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
DETECTION = FaceDetection(0.9, Rect(0.3, 0.4, 0.3, 0.4), (200, 100))  # box 60, 40, 60, 40
FACE = extend_with_face_landmarks(DETECTION, FaceLandmarks68(POINTS, (60, 40)))


def blank(mode: str = "RGB", size: tuple[int, int] = (200, 100)) -> Image.Image:
    return Image.new(mode, size, WHITE if mode == "RGB" else (*WHITE, 255))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def touched(image: Image.Image) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the pixels that are not white."""
    rows, columns = np.nonzero((pixels(image)[..., :3] != 255).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def area_of(inside: Any, size: tuple[int, int] = (200, 100)) -> np.ndarray:
    """A naive implementation: black where `inside(x, y)`, on white, from 16 x 16 samples per pixel."""
    x, y = np.meshgrid((np.arange(size[0] * 16) + 0.5) / 16, (np.arange(size[1] * 16) + 0.5) / 16)
    shares = inside(x, y).reshape(size[1], 16, size[0], 16).mean(axis=(1, 3))
    return 255 - 255 * np.asarray(shares)


def test_stroke_of_a_box_covers_half_a_line_on_each_side() -> None:
    image = blank()
    draw.DrawBox({"x": 20, "y": 30, "width": 50, "height": 40}, {"box_color": "red"}).draw(image)
    expected = np.full((100, 200, 3), 255)
    expected[29:71, 19:71] = RED
    expected[31:69, 21:69] = WHITE
    assert np.array_equal(pixels(image), expected)


def test_parts_of_pixels_are_blended() -> None:
    image = blank()
    draw.DrawBox({"x": 20.25, "y": 30, "width": 50, "height": 40}, {"box_color": "black"}).draw(image)
    # the left line covers 19.25 to 21.25
    assert [image.getpixel((x, 50)) for x in (18, 19, 20, 21, 22)] == [WHITE, (64, 64, 64), BLACK, (191, 191, 191), WHITE]


def test_alpha_is_blended_and_kept() -> None:
    for mode in ("RGB", "RGBA"):
        image = blank(mode)
        draw.DrawTextField(" ", (10, 10), {"background_color": "rgba(0, 0, 255, 0.5)"}).draw(image)
        assert image.getpixel((12, 12)) == ((127, 127, 255) if mode == "RGB" else (127, 127, 255, 255))
    transparent = Image.new("RGBA", (50, 50))
    draw.DrawBox(Rect(10, 10, 20, 20)).draw(transparent)
    assert transparent.getpixel((10, 20)) == (0, 0, 255, 255)
    assert transparent.getpixel((20, 20)) == (0, 0, 0, 0)


def test_a_box_with_negative_size_or_thinner_than_its_line() -> None:
    one, other, thin = blank(), blank(), blank()
    draw.DrawBox({"x": 70, "y": 70, "width": -50, "height": -40}).draw(one)
    draw.DrawBox({"x": 20, "y": 30, "width": 50, "height": 40}).draw(other)
    assert one.tobytes() == other.tobytes()
    draw.DrawBox({"x": 20, "y": 30, "width": 1, "height": 40}).draw(thin)
    assert touched(thin) == (19, 29, 22, 71)
    assert (pixels(thin)[29:71, 19:22] == BLUE).all()


def test_shapes_outside_of_the_image_draw_nothing() -> None:
    image = blank()
    draw.DrawBox(Rect(-500, -500, 50, 50)).draw(image)
    draw.DrawBox(Rect(500, 10, 50, 50)).draw(image)
    draw.draw_contour(image, [(-50, -50), (-10, -90)], True)
    draw.draw_face_landmarks(image, FaceLandmarks5([(9, 9)] * 5, (100, 100)))
    assert image.tobytes() == blank().tobytes()
    draw.DrawBox(Rect(-1e6, 10, 2e6, 1e6)).draw(image)
    assert touched(image) == (0, 9, 200, 11)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("width", [1, 2.5, 6])
def test_lines_equal_a_naive_twin(width: float) -> None:
    points = [(20.0, 20.0), (150.0, 35.0), (90.0, 85.0)]
    image = blank()
    draw.draw_contour(image, points, True, line_width=width)

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        found = np.zeros(x.shape, bool)
        for start, end in zip(points, [*points[1:], points[0]], strict=True):
            direction = np.subtract(end, start) / np.hypot(*np.subtract(end, start))
            turned = (direction[1], -direction[0])
            along = (x - start[0]) * direction[0] + (y - start[1]) * direction[1]
            across = (x - start[0]) * turned[0] + (y - start[1]) * turned[1]
            found |= (along >= 0) & (along <= np.hypot(*np.subtract(end, start))) & (np.abs(across) <= width / 2)
        return found

    difference = np.abs(pixels(image)[..., 0] - area_of(inside))
    y, x = np.indices(difference.shape)
    at_corners = np.any([np.hypot(x - cx, y - cy) < width + 2 for cx, cy in points], axis=0)
    assert difference[~at_corners].max() < 45  # coverage is taken from the distance to the edge, not from areas
    assert difference.max() < 80  # where two lines meet, their union is taken to be the larger of both
    assert difference.mean() < 0.2


def test_an_open_contour_leaves_out_the_last_line() -> None:
    closed, opened = blank(), blank()
    points = [Point(20, 20), Point(150, 20), Point(150, 80)]
    draw.draw_contour(closed, points, is_closed=True, color="red")
    draw.draw_contour(opened, points, color="red")
    assert opened.getpixel((85, 50)) == WHITE
    assert closed.getpixel((85, 50)) != WHITE
    for few in ([], points[:1]):
        image = blank()
        draw.draw_contour(image, few, True)
        assert image.tobytes() == blank().tobytes()


@pytest.mark.slow
def test_points_equal_a_naive_twin() -> None:
    image = blank()
    centres = [(20.0, 20.0), (50.5, 30.25), (120.0, 60.7), (0.0, 99.0), (77.7, 50.1)]
    options = {"point_size": 5, "point_color": "black"}
    draw.DrawFaceLandmarks(FaceLandmarks5(centres, (1, 1)), options).draw(image)

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.any([(x - cx) ** 2 + (y - cy) ** 2 <= 25 for cx, cy in centres], axis=0)

    difference = np.abs(pixels(image)[..., 0] - area_of(inside))
    assert difference.max() < 30
    assert difference.mean() < 0.1
    assert (pixels(image)[18:22, 18:22] == 0).all()


def test_landmarks_have_lines_only_with_68_points() -> None:
    looks = {"draw_points": False, "line_color": "red"}
    for landmarks, any_line in ((FaceLandmarks68(POINTS, (200, 100)), True), (FaceLandmarks5(POINTS[:5], (200, 100)), False)):
        image = blank()
        draw.DrawFaceLandmarks(landmarks, looks).draw(image)
        assert (image.tobytes() != blank().tobytes()) is any_line
    image = blank()
    draw.DrawFaceLandmarks(FACE.landmarks, {"draw_lines": False, "draw_points": False}).draw(image)  # type: ignore[arg-type]
    assert image.tobytes() == blank().tobytes()


def test_contours_of_a_face() -> None:
    """Every contour has a line at the middle of each joint, and none between the ends of an open one."""
    x, y = np.tile(np.arange(17) * 11.0 + 5, 4), np.repeat([10, 30, 50, 70], 17)
    image = blank()
    draw.DrawFaceLandmarks(FaceLandmarks68(np.stack([x, y], axis=1), (1, 1)), {"draw_points": False}).draw(image)
    positions = np.stack([x, y], axis=1)

    def joined(a: int, b: int) -> bool:
        mx, my = (positions[a] + positions[b]) / 2
        return bool(image.getpixel((int(mx), int(my))) != WHITE)

    assert all(joined(i, i + 1) for i in range(16))  # jaw
    assert not joined(16, 17)
    assert joined(20, 21)
    assert not joined(21, 22)
    assert not joined(26, 27)


def test_text_field_measures() -> None:
    # FACTS: widest line and the padding twice; font size for each line and the padding twice
    field = draw.DrawTextField(["a", "longer line"], (10, 20))
    font = ImageFont.load_default(14)
    width, height = font.getlength("longer line") + 8, 2 * 14 + 8
    assert field.measure_width() == width
    assert field.measure_height() == height
    corners = {"TOP_LEFT": (10, 20), "TOP_RIGHT": (10 - width, 20), "BOTTOM_LEFT": (10, 20 - height)}
    corners["BOTTOM_RIGHT"] = (10 - width, 20 - height)
    for name, corner in corners.items():
        assert tuple(draw.DrawTextField(field, (10, 20), {"anchor_position": name}).get_upper_left()) == corner
    assert field.get_upper_left((50, 40)) == Point(0, 4)
    assert draw.DrawTextField("a", (190, 95)).get_upper_left((200, 100)).y == 100 - 22


def test_text_field_is_drawn_on_its_background() -> None:
    image = blank()
    field = draw.DrawTextField(["Hy"], (20, 30), {"font_color": "black", "background_color": "#ff0000"})
    assert field.draw(image) is image
    left, top, right, bottom = touched(image)
    assert (left, top, bottom) == (20, 30, 30 + 22)
    assert right == int(np.ceil(20 + field.measure_width()))
    text = (pixels(image)[..., 0] < 128).nonzero()
    assert 24 <= text[1].min() <= 27
    # the H stands on the baseline, the y hangs below it
    baseline = 30 + 4 + 14
    rows_of_h = text[0][text[1] < 24 + ImageFont.load_default(14).getlength("H") - 1]
    assert rows_of_h.max() == baseline - 1
    assert text[0].max() > baseline


def test_text_field_without_text() -> None:
    image = blank()
    draw.DrawTextField([], (5, 5)).draw(image)
    assert image.tobytes() == blank().tobytes()
    assert draw.DrawTextField("two\nlines", (5, 5)).text == ("two lines",)


def recorded_texts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], Point, draw.DrawTextFieldOptions]]:
    texts: list[Any] = []
    original = draw.DrawTextField.draw

    def record(self: draw.DrawTextField, image: Image.Image) -> Image.Image:
        texts.append((self.text, self.anchor, self.options))
        return original(self, image)

    monkeypatch.setattr(draw.DrawTextField, "draw", record)
    return texts


def test_labels_of_detections(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = recorded_texts(monkeypatch)
    low = FaceDetection(0.29, DETECTION.relative_box, (200, 100))
    things = [DETECTION, FACE, low, {"x": 1, "y": 2, "width": 3, "height": 4}, None]
    image = blank()
    assert draw.draw_detections(image, things) is image
    assert [text[0] for text in texts] == [("0.9",), ("0.9",), ("0.28",)]
    assert texts[0][1] == Point(59, 40)
    assert texts[0][2].anchor_position is draw.AnchorPosition.BOTTOM_LEFT
    assert texts[0][2].background_color == "rgba(0, 0, 255, 1)"
    assert (pixels(image)[35, 60:62] == BLUE).all()
    one = blank()
    draw.draw_detections(one, DETECTION)
    assert one.tobytes() == draw.draw_detections(blank(), iter([FaceResult(DETECTION)])).tobytes()
    assert draw.draw_detections(blank(), None).tobytes() == blank().tobytes()


def test_lines_of_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = recorded_texts(monkeypatch)
    expressions = FaceExpressions([0.2, 0.29, 0.1, 0.11, 0, 0, 0.2])
    image = blank()
    assert draw.draw_face_expressions(image, expressions) is image
    draw.draw_face_expressions(image, [extend_with_face_expressions(DETECTION, expressions)], 0.15, (3, 4))
    draw.draw_face_expressions(image, [expressions], 0, (3, 4))
    lines = ("happy (0.28)", "neutral (0.2)", "surprised (0.2)", "angry (0.11)")
    assert texts[0][:2] == (lines, Point(0, 0))
    assert texts[1][:2] == (lines[:3], Point(60, 80))
    assert texts[2][:2] == ((*lines, "sad (0.1)"), Point(3, 4))


def test_landmarks_of_results() -> None:
    one, other = blank(), blank()
    assert draw.draw_face_landmarks(one, [FACE, None]) is one
    draw.draw_face_landmarks(other, FACE.landmarks)
    assert one.tobytes() == other.tobytes() != blank().tobytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rgba(0, 0, 255, 1)", (0, 0, 255, 1.0)),
        ("RGBA(1,2,3,0.5)", (1, 2, 3, 0.5)),
        ("rgba(1, 2, 3, 50%)", (1, 2, 3, 0.5)),
        ("rgba(300, 2, 3, .25)", (255, 2, 3, 0.25)),
        ("rgba(1, 2, 3, 7)", (1, 2, 3, 1.0)),
        ("rgb(1, 2, 3)", (1, 2, 3, 1.0)),
        ("#f80", (255, 136, 0, 1.0)),
        ("#ff8800", (255, 136, 0, 1.0)),
        ("#ff880033", (255, 136, 0, 0.2)),
        ("Lime", (0, 255, 0, 1.0)),
        ("hsl(120, 100%, 50%)", (0, 255, 0, 1.0)),
        ("transparent", (0, 0, 0, 0.0)),
    ],
)
def test_css_colors(text: str, expected: Sequence[float]) -> None:
    assert parse_color(text) == expected


@pytest.mark.parametrize("text", ["", "nocolor", "rgba(1,2,3,4,5)", "rgba(1,2,3,.)", "#12", "rgb(-1,2,3)"])
def test_other_colors_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^DrawBoxOptions.box_color: expected a CSS colour, got "):
        draw.DrawBoxOptions(box_color=text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: draw.draw_detections(np.zeros((9, 9, 3)), []), "^draw_detections: expected a PIL.Image.Image, got ndarray"),
        (lambda: draw.draw_detections(blank().convert("P"), []), "^draw_detections: expected an image of mode RGB"),
        (lambda: draw.draw_detections(blank(), "face"), "^Box: expected"),
        (lambda: draw.draw_face_landmarks(blank(), DETECTION), "^draw_face_landmarks: expected FaceLandmarks or results with"),
        (lambda: draw.draw_face_landmarks(blank(), FaceResult(DETECTION)), "^draw_face_landmarks: expected"),
        (lambda: draw.draw_face_expressions(blank(), FACE), "^draw_face_expressions: expected FaceExpressions or results with"),
        (lambda: draw.draw_face_expressions(blank(), [], 2), r"^draw_face_expressions.min_confidence: expected a number"),
        (lambda: draw.draw_contour(blank(), [(0, 0)], line_width=-1), "^draw_contour.line_width"),
        (lambda: draw.DrawFaceLandmarks(POINTS), "^DrawFaceLandmarks: expected FaceLandmarks, got ndarray"),  # type: ignore[arg-type]
        (lambda: draw.DrawTextField([3], (0, 0)), "^DrawTextField.text: expected"),  # type: ignore[list-item]
        (lambda: draw.DrawTextFieldOptions(anchor_position="LEFT"), "^DrawTextFieldOptions.anchor_position: expected one of"),  # type: ignore[arg-type]
        (lambda: draw.DrawTextFieldOptions(font_size=0), "^DrawTextFieldOptions.font_size: expected a number > 0"),
        (lambda: draw.DrawTextFieldOptions(padding=-1), "^DrawTextFieldOptions.padding: expected a number >= 0, got -1"),
        (lambda: draw.DrawTextField("a", (0, 0), {"font_style": "no such font"}).measure_width(), "^font_style: expected a font"),
        (lambda: draw.DrawBox(Rect(0, 0, 1, 1), {"lineWidth": 1}), "^DrawBoxOptions: expected options of box_color"),
        (lambda: draw.DrawBox(Rect(0, 0, 1, 1), 3), "^DrawBoxOptions: expected DrawBoxOptions or a mapping, got int"),  # type: ignore[arg-type]
        (lambda: draw.DrawBoxOptions(label=3), "^DrawBoxOptions.label: expected a string, got 3"),  # type: ignore[arg-type]
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=message):
        make()


def test_options_are_immutable_and_zero_is_a_value() -> None:
    options = draw.DrawBoxOptions(line_width=0, draw_label_options={"font_size": 20})
    assert isinstance(options.draw_label_options, draw.DrawTextFieldOptions)
    assert options.draw_label_options.font_size == 20
    assert options.draw_label_options.anchor_position == "BOTTOM_LEFT"
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.line_width = 2  # type: ignore[misc]
    assert draw.DrawBox(Rect(10, 10, 50, 50), options).draw(blank()).tobytes() == blank().tobytes()


@pytest.mark.parametrize("faces", [FACE, [None, FACE], [FACE, FACE], DETECTION])
def test_a_picture_of_another_size_gives_one_warning(faces):
    for function in (draw.draw_detections, draw.draw_face_landmarks, draw.draw_face_expressions):
        if isinstance(faces, FaceDetection) and function is not draw.draw_detections:
            continue
        if function is draw.draw_face_expressions:
            things = [extend_with_face_expressions(FACE, FaceExpressions([0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]))]
        else:
            things = faces
        function(blank(), things)
        for size in ((100, 200), (400, 200)):
            with pytest.warns(
                UserWarning, match=rf"^{function.__name__}: expected a picture of 200x100, .* got {size[0]}x"
            ) as told:
                function(blank(size=size), things)
            assert len(told) == 1
            assert told[0].filename == __file__
        function(blank(size=(400, 200)), resize_results(things, (400, 200)))


def test_boxes_without_a_photo_fit_any_picture():
    draw.draw_detections(blank(size=(31, 32)), [Rect(1, 2, 3, 4), {"x": 1, "y": 1, "width": 2, "height": 2}])


def test_letters_missing_from_the_built_in_font_give_a_warning():
    with pytest.warns(
        UserWarning, match="^DrawTextField: expected letters of the built-in font, got 'é中': give the option font_style"
    ):
        draw.DrawTextField(["José", "中é"], (0, 0)).draw(blank())
    draw.DrawTextField("Josef (0.9)", (0, 0)).draw(blank())
