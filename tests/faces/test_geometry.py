"""Points, sizes and boxes against answers of the npm package face-api.js 0.22.2."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.geometry import BoundingBox, Box, Dimensions, LabeledBox, Point, PredictedBox, Rect, min_bbox
from npfaceapi.faces.points import as_dimensions, as_points, round_half_up

BOX = {"x": 0, "y": 0, "width": 1, "height": 1}


def values(box: Box) -> list[float]:
    return [box.x, box.y, box.width, box.height]


def box(x: float, y: float, width: float, height: float) -> Box:
    return Box({"x": x, "y": y, "width": width, "height": height})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.5, 1), (-0.5, 0), (-1.5, -1), (2.5, 3), (0.49999999999999994, 0), (-1e-17, 0), (3.2, 3), (-3.7, -4), (1e300, 1e300)],
)
def test_rounding_is_that_of_javascript(value: float, expected: float) -> None:
    # Math.round of Node 20
    assert round_half_up(value) == expected


def test_box_takes_a_rect_or_edges_and_prefers_the_rect() -> None:
    edges = {"left": 9, "top": 9, "right": 10, "bottom": 10}
    assert values(Box({"x": 1, "y": 2, "width": 3, "height": 4, **edges})) == [1, 2, 3, 4]
    assert values(Box(edges)) == [9, 9, 1, 1]
    assert values(Box(SimpleNamespace(x=1, y=2, width=np.float32(3), height=np.int64(4)))) == [1, 2, 3, 4]
    assert values(Box({**BOX, "width": -1})) == [0, 0, -1, 1]
    assert all(type(v) is float for v in values(Box(BOX)))


def test_edges_corners_and_area() -> None:
    b = box(1, 2, 3, 4)
    assert [b.left, b.top, b.right, b.bottom, b.area] == [1, 2, 4, 6, 12]
    assert [tuple(p) for p in (b.top_left, b.top_right, b.bottom_left, b.bottom_right)] == [(1, 2), (4, 2), (1, 6), (4, 6)]
    assert b.to_dict() == {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}
    # new Box({left: 0.1, right: 0.3, …}).right: the edge loses its last bits
    assert BoundingBox(0.1, 0, 0.8, 1).right == 0.1 + (0.8 - 0.1)


@pytest.mark.parametrize(
    "wrong", [{}, None, "box", {**BOX, "x": float("nan")}, {**BOX, "x": "1"}, {**BOX, "y": True}, [1, 2, 3, 4]]
)
def test_box_refuses(wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^Box: expected finite numbers x, y, width, height or left, top, right, bottom"):
        Box(wrong)


def test_negative_sizes() -> None:
    with pytest.raises(InvalidArgument, match=r"^Rect: expected width and height >= 0, got -1.0 x 1.0$"):
        Rect(0, 0, -1, 1)
    with pytest.raises(InvalidArgument, match=r"^BoundingBox: expected width and height >= 0, got -4.0 x 1.0$"):
        BoundingBox(5, 0, 1, 1)
    assert values(BoundingBox(5, 0, 1, 1, allow_negative_dimensions=True)) == [5, 0, -4, 1]
    assert values(Rect(0, 0, -1, 1, True)) == [0, 0, -1, 1]
    with pytest.raises(InvalidArgument):
        Box({**BOX, "width": -1}, allow_negative_dimensions=False)
    with pytest.raises(InvalidArgument, match=r"finite number"):
        Rect(0, 0, float("inf"), 1)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        # reference experiments "round neg", "floor neg", "toSquare", "pad", "rescale", "shift"
        (box(-0.5, -1.5, 2.5, 3.5).round(), [0, -1, 3, 4]),
        (box(-0.5, -1.5, 2.5, 3.5).floor(), [-1, -2, 2, 3]),
        (box(0, 0, 2, 5).to_square(), [-1.5, 0, 5, 5]),
        (box(0, 0, 5, 2).to_square(), [0, -1.5, 5, 5]),
        (box(10, 10, 4, 4).pad(2, 4), [9, 8, 6, 8]),
        (box(1, 2, 3, 4).rescale(2), [2, 4, 6, 8]),
        (box(1, 2, 3, 4).rescale(Dimensions(10, 100)), [10, 200, 30, 400]),
        (box(1, 2, 3, 4).rescale({"width": 10, "height": 100}), [10, 200, 30, 400]),
        (box(1, 2, 3, 4).rescale((10, 100)), [10, 200, 30, 400]),
        (box(1, 2, 3, 4).rescale(0), [0, 0, 0, 0]),
        (box(1, 2, 3, 4).shift(5, 6), [6, 8, 3, 4]),
        # "clip 60x40 …"
        (box(-3.3, -2.2, 10.5, 10.5).clip_at_image_borders(60, 40), [0, 0, 7, 8]),
        (box(55.5, 35.5, 10, 10).clip_at_image_borders(60, 40), [55, 35, 4, 4]),
        (box(70, 10, 5, 5).clip_at_image_borders(60, 40), [70, 10, -10, 5]),
        (box(-10, 10, 5, 5).clip_at_image_borders(60, 40), [0, 10, -5, 5]),
        (box(10.7, 10.7, 5.6, 5.6).clip_at_image_borders(60, 40), [10, 10, 5, 5]),
        (box(0, 0, 60, 40).clip_at_image_borders(60, 40), [0, 0, 60, 40]),
        (box(10, 10, 0.4, 0.4).clip_at_image_borders(60, 40), [10, 10, 0, 0]),
        # computed with the package
        (
            box(10.2, 20.4, 30.3, 25.9).calibrate({"left": -0.1, "top": 0.05, "right": 0.2, "bottom": -0.07}),
            [7, 13, 39, 39],
        ),
    ],
)
def test_box_methods(result: Box, expected: list[float]) -> None:
    assert values(result) == expected
    assert type(result) is Box


def test_methods_of_subclasses_give_plain_boxes() -> None:
    assert type(Rect(0, 0, 1, 1).shift(1, 1)) is Box
    assert type(LabeledBox(BOX, 3).floor()) is Box


def test_rescale_refuses_a_zero_side_and_no_size() -> None:
    with pytest.raises(InvalidArgument, match=r"other than 0"):
        Box(BOX).rescale((0, 5))
    with pytest.raises(InvalidType):
        Box(BOX).rescale("2")


def test_pad_at_borders() -> None:
    # computed with the package: box (-4, -2.5, 70, 60), padAtBorders(40, 60); edy holds what belongs to y
    padding = box(-4, -2.5, 70, 60).pad_at_borders(40, 60)
    assert padding._asdict() == {"dy": 1, "edy": 4.5, "dx": 1, "edx": 65, "y": 1, "ey": 40, "x": 1, "ex": 60, "w": 71, "h": 61}
    only_left = box(-4, 5, 10, 10).pad_at_borders(40, 60)
    assert (only_left.edx, only_left.edy) == (11, 6)


def test_checks_of_boxes() -> None:
    assert Box.is_rect(BOX)
    assert not Box.is_rect(None)
    assert not Box.is_rect({"x": 0})
    with pytest.raises(InvalidArgument, match=r"^me: expected a box with finite numbers x, y, width, height"):
        Box.assert_is_valid_box({"x": 0}, "me")
    with pytest.raises(InvalidArgument, match=r"^me: expected width and height >= 0"):
        Box.assert_is_valid_box({**BOX, "width": -1}, "me")
    Box.assert_is_valid_box({**BOX, "width": -1}, "me", allow_negative_dimensions=True)
    with pytest.raises(InvalidArgument, match=r"^me: expected label to be a finite number, got 'a'"):
        LabeledBox.assert_is_valid_labeled_box({**BOX, "label": "a"}, "me")
    LabeledBox.assert_is_valid_labeled_box(LabeledBox(BOX, 2), "me")
    with pytest.raises(InvalidArgument, match=r"^me.score: expected a number in \[0, 1\], got 2"):
        PredictedBox.assert_is_valid_predicted_box({**BOX, "label": 1, "score": 2, "class_score": 0.5}, "me")
    PredictedBox.assert_is_valid_predicted_box(PredictedBox(BOX, 1, 0.4, 0.5), "me")
    with pytest.raises(InvalidArgument):
        LabeledBox(BOX, "a")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument):
        PredictedBox(BOX, 1, 0.5, 1.5)


def test_boxes_are_immutable_values() -> None:
    b = PredictedBox(Rect(1, 2, 3, 4), 1, 0.5, 0.25)
    for field in ("x", "label", "score"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(b, field, 9.0)
    assert pickle.loads(pickle.dumps(b)) == b == copy.deepcopy(b)
    assert hash(Rect(1, 2, 3, 4)) == hash(Rect(1, 2, 3, 4))
    assert Rect(1, 2, 3, 4) != Rect(1, 2, 3, 5)
    assert repr(box(1, 2, 3, 4)) == "Box(x=1.0, y=2.0, width=3.0, height=4.0)"


def test_point() -> None:
    p = Point(3, -4)
    assert p.magnitude() == 5.0
    assert p.abs() == Point(3, 4)
    assert p.add((1, 1)) == Point(4, -3)
    assert p.sub(Point(1, 1)) == Point(2, -5)
    assert p.mul({"x": 2, "y": 3}) == Point(6, -12)
    assert p.div((2, 4)) == Point(1.5, -1)
    assert Point(-0.5, 1.5).floor() == Point(-1, 1)
    assert p.to_dict() == {"x": 3.0, "y": -4.0}
    with pytest.raises(InvalidArgument, match=r"divisor"):
        p.div((0, 1))
    for wrong in ("1", True, float("nan"), None, 10**400):
        with pytest.raises(InvalidArgument, match=r"^Point: expected x to be a finite number"):
            Point(wrong, 0)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match=r"^Point.add: expected a point"):
        p.add((1, 2, 3))


def test_dimensions() -> None:
    assert Dimensions(4, 5).reverse() == Dimensions(0.25, 0.2)
    assert type(Dimensions(np.int64(4), 5).width) is int
    assert tuple(as_dimensions(SimpleNamespace(width=3, height=4))) == (3, 4)
    with pytest.raises(InvalidArgument, match=r"^Dimensions: expected width to be a finite number, got nan"):
        Dimensions(float("nan"), 2)
    with pytest.raises(InvalidArgument):
        Dimensions(0, 2).reverse()
    with pytest.raises(InvalidArgument):
        as_dimensions({"width": 3})
    with pytest.raises(InvalidType):
        as_dimensions(None)


def test_min_bbox() -> None:
    # reference experiment "minBbox all negative": the largest begins at 0
    assert values(min_bbox([Point(-5, -6), Point(-1, -2)])) == [-5, -6, 5, 6]
    assert values(min_bbox(np.array([[1, 5], [4, 2], [3, 3]]))) == [1, 2, 3, 3]
    with pytest.raises(InvalidArgument, match=r"at least one point"):
        min_bbox([])


@pytest.mark.parametrize("wrong", [np.zeros(4), np.zeros((2, 3)), [(1, 2, 3)], [(1, float("nan"))], np.array([["a", "b"]])])
def test_points_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgument):
        as_points(wrong)
    with pytest.raises(InvalidType):
        as_points("ab")
