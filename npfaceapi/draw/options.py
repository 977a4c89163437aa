"""The options of `drawing.py`: colours, sizes and anchors, with face-api.js's defaults.

Source: face-api.js 0.22.2, `draw/`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from npfaceapi.draw.canvas import parse_color
from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.points import as_flag, is_number

__all__ = ["AnchorPosition", "DrawBoxOptions", "DrawFaceLandmarksOptions", "DrawTextFieldOptions", "options_of"]

AnyOptions = TypeVar("AnyOptions")


class AnchorPosition(enum.StrEnum):
    """The corner of a text field that lies at its anchor.

    Examples
    --------
    >>> DrawTextFieldOptions(anchor_position="TOP_RIGHT").anchor_position
    <AnchorPosition.TOP_RIGHT: 'TOP_RIGHT'>
    """

    TOP_LEFT = "TOP_LEFT"
    TOP_RIGHT = "TOP_RIGHT"
    BOTTOM_LEFT = "BOTTOM_LEFT"
    BOTTOM_RIGHT = "BOTTOM_RIGHT"


@dataclass(frozen=True, slots=True)
class DrawTextFieldOptions:
    """The style of a text field; colours are CSS colours, sizes are pixels.

    `font_style` is the path of a font file, or the name of a system font.  "Georgia", the default, means the
    font in Pillow, which has English letters only; other letters need a font.

    Examples
    --------
    >>> DrawTextFieldOptions(font_size=20).padding
    4
    """

    anchor_position: AnchorPosition = AnchorPosition.TOP_LEFT
    background_color: str = "rgba(0, 0, 0, 0.5)"
    font_color: str = "rgba(255, 255, 255, 1)"
    font_size: float = 14
    font_style: str = "Georgia"
    padding: float = 4

    def __post_init__(self) -> None:
        try:
            anchor: object = self.anchor_position
            object.__setattr__(self, "anchor_position", AnchorPosition(anchor if isinstance(anchor, str) else ""))
        except ValueError:
            where, names = "DrawTextFieldOptions.anchor_position", ", ".join(AnchorPosition.__members__)
            raise InvalidArgument(f"{where}: expected one of {names}, got {shown(self.anchor_position)}") from None
        if not isinstance(self.font_style, str):
            raise InvalidType(f"DrawTextFieldOptions.font_style: expected a string, got {shown(self.font_style)}")
        _check_colors(self, "background_color", "font_color")
        _check_sizes(self, "font_size", "padding")
        if not self.font_size:
            raise InvalidArgument("DrawTextFieldOptions.font_size: expected a number > 0, got 0")


@dataclass(frozen=True, slots=True)
class DrawBoxOptions:
    """The style of a box.

    `draw_label_options` are the options of the label's text field, or a mapping of some of them; by default the field is
    drawn on top of the box in its colour.

    Examples
    --------
    >>> DrawBoxOptions(box_color="red", label="Eileen").line_width
    2
    """

    box_color: str = "rgba(0, 0, 255, 1)"
    line_width: float = 2
    label: str | None = None
    draw_label_options: DrawTextFieldOptions | Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        _check_colors(self, "box_color")
        _check_sizes(self, "line_width")
        if self.label is not None and not isinstance(self.label, str):
            raise InvalidType(f"DrawBoxOptions.label: expected a string, got {shown(self.label)}")
        options = self.draw_label_options
        if not isinstance(options, DrawTextFieldOptions):
            defaults = {"anchor_position": AnchorPosition.BOTTOM_LEFT, "background_color": self.box_color}
            more = {} if options is None else options
            options = options_of(DrawTextFieldOptions, {**defaults, **more} if isinstance(more, Mapping) else more)
        object.__setattr__(self, "draw_label_options", options)


@dataclass(frozen=True, slots=True)
class DrawFaceLandmarksOptions:
    """The style of landmarks; `point_size` is a radius in pixels.

    Examples
    --------
    >>> DrawFaceLandmarksOptions(draw_lines=False).point_size
    2
    """

    draw_lines: bool = True
    draw_points: bool = True
    line_width: float = 1
    point_size: float = 2
    line_color: str = "rgba(0, 255, 255, 1)"
    point_color: str = "rgba(255, 0, 255, 1)"

    def __post_init__(self) -> None:
        for name in ("draw_lines", "draw_points"):
            as_flag(getattr(self, name), f"DrawFaceLandmarksOptions.{name}")
        _check_colors(self, "line_color", "point_color")
        _check_sizes(self, "line_width", "point_size")


def options_of(cls: type[AnyOptions], options: object) -> AnyOptions:
    """Options unchanged, or made from a mapping of some fields, or the defaults for None."""
    if isinstance(options, cls):
        return options
    if options is None:
        return cls()
    if not isinstance(options, Mapping):
        raise InvalidType(f"{cls.__name__}: expected {cls.__name__} or a mapping, got {type(options).__name__}")
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InvalidArgument(f"{cls.__name__}: expected options of {', '.join(known)}, got {shown(unknown[0])}")
    return cls(**options)


def _check_colors(options: Any, *names: str) -> None:
    for name in names:
        parse_color(getattr(options, name), f"{type(options).__name__}.{name}")


def _check_sizes(options: Any, *names: str) -> None:
    for name in names:
        value = getattr(options, name)
        if not is_number(value) or value < 0:
            raise InvalidArgument(f"{type(options).__name__}.{name}: expected a number >= 0, got {shown(value)}")
