"""Draw results on a smaller copy of the photo, with boxes, labels and text of your own.

python examples/displaying_results.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
image = faceapi.fetch_image(photo)

results = faceapi.detect_all_faces(image).with_face_landmarks().run()

small = image.resize((image.width * 3 // 4, image.height * 3 // 4))
resized = faceapi.resize_results(results, small.size)  # boxes and landmarks in pixels of the copy
for result in resized:
    faceapi.draw.DrawBox(result.detection.box, {"label": "a face", "line_width": 3, "box_color": "orange"}).draw(small)
    faceapi.draw.DrawFaceLandmarks(result.landmarks, {"draw_lines": False, "point_color": "yellow"}).draw(small)
    style = {"anchor_position": "TOP_LEFT", "background_color": "rgba(0, 0, 0, 0.5)"}
    text = faceapi.draw.DrawTextField(["This is a line,", "and this another."], result.detection.box.bottom_left, style)
    text.draw(small)
Path("out").mkdir(exist_ok=True)
small.save("out/displaying_results.png")
print(f"{image.width}x{image.height} drawn as {small.width}x{small.height}")
