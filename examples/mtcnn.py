"""Detect with MTCNN, whose three stages also find five points; its options trade speed for small faces.

python examples/mtcnn.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
image = faceapi.fetch_image(photo)

options = faceapi.MtcnnOptions(
    min_face_size=40,  # of the smallest faces to find, in pixels; a larger one is faster
    scale_factor=0.709,  # from one size of the photo to the next smaller one
    max_num_scales=10,
    score_thresholds=(0.6, 0.7, 0.7),  # of the three stages
)
results = faceapi.mtcnn(image, options)  # or scale_steps=[…] instead of the two scales

faceapi.draw.draw_detections(image, results)
faceapi.draw.draw_face_landmarks(image, results)
Path("out").mkdir(exist_ok=True)
image.save("out/mtcnn.png")
print(f"faces: {len(results)}")
for result in results:
    print(f"score {result.detection.score:.2f}, eyes, nose and mouth at {result.landmarks.positions.round().tolist()}")
