"""Estimate age and gender of each face, and write them below its box.

python examples/age_and_gender_recognition.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
image = faceapi.fetch_image(photo)

results = faceapi.detect_all_faces(image).with_face_landmarks().with_age_and_gender().run()

faceapi.draw.draw_detections(image, results)
print(f"faces: {len(results)}")
for result in results:
    text = [f"{result.age:.0f} years", f"{result.gender} ({result.gender_probability:.2f})"]
    faceapi.draw.DrawTextField(text, result.detection.box.bottom_left).draw(image)
    print(", ".join(text))
Path("out").mkdir(exist_ok=True)
image.save("out/age_and_gender_recognition.png")
