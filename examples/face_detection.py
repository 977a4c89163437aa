"""Detect faces, and draw their boxes and scores.

python examples/face_detection.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
image = faceapi.fetch_image(photo)

detections = faceapi.detect_all_faces(image).run()

faceapi.draw.draw_detections(image, detections)
Path("out").mkdir(exist_ok=True)
image.save("out/face_detection.png")
print(f"faces: {len(detections)}")
