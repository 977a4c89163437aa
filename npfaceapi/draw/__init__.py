"""Draw results on a `PIL.Image.Image`, in place, with the looks of face-api.js.

Source: face-api.js 0.22.2, `draw/`.  Edges are smoothed as on a canvas.  Its font, Georgia, is seldom there; Pillow's
own font stands in for it, which knows English letters only.  A `font_style` other than "Georgia" is a font file, or the
name of one the system knows, such as "DejaVuSans.ttf".
"""

from npfaceapi.draw.drawing import (
    DrawBox,
    DrawFaceLandmarks,
    DrawTextField,
    draw_contour,
    draw_detections,
    draw_face_expressions,
    draw_face_landmarks,
)
from npfaceapi.draw.options import AnchorPosition, DrawBoxOptions, DrawFaceLandmarksOptions, DrawTextFieldOptions

__all__ = [
    "AnchorPosition",
    "DrawBox",
    "DrawBoxOptions",
    "DrawFaceLandmarks",
    "DrawFaceLandmarksOptions",
    "DrawTextField",
    "DrawTextFieldOptions",
    "draw_contour",
    "draw_detections",
    "draw_face_expressions",
    "draw_face_landmarks",
]
