"""Draw results on a `PIL.Image.Image`, in place, in the style of face-api.js.

Source: face-api.js 0.22.2, `draw/`.  Edges are antialiased as on a canvas.  Its font, Georgia, is rarely installed; it is
replaced by Pillow's own font, which has English letters only.  A `font_style` other than "Georgia" is a font file, or the
name of a system font, such as "DejaVuSans.ttf".
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
