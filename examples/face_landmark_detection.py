"""Find the 68 landmarks of each face, and draw them.

python examples/face_landmark_detection.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
image = faceapi.fetch_image(photo)

results = faceapi.detect_all_faces(image).with_face_landmarks().run()  # with_face_landmarks(True): the tiny network

faceapi.draw.draw_detections(image, results)
faceapi.draw.draw_face_landmarks(image, results)
Path("out").mkdir(exist_ok=True)
image.save("out/face_landmark_detection.png")
print(f"faces: {len(results)}")
for result in results:
    left, right = result.landmarks.get_left_eye(), result.landmarks.get_right_eye()  # float64 [6,2], in pixels of the photo
    print(f"eyes at {left.mean(axis=0).round()} and {right.mean(axis=0).round()}")
