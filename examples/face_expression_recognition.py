"""Recognize the expression of each face, and write it below its box.

python examples/face_expression_recognition.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
image = faceapi.fetch_image(photo)

results = faceapi.detect_all_faces(image).with_face_landmarks().with_face_expressions().run()

faceapi.draw.draw_detections(image, results)
faceapi.draw.draw_face_expressions(image, results, min_confidence=0.05)
Path("out").mkdir(exist_ok=True)
image.save("out/face_expression_recognition.png")
print(f"faces: {len(results)}")
for result in results:
    best = result.expressions.as_sorted_array()[0]
    print(f"{best.expression}: {best.probability:.2f}")
