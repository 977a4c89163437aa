"""The options of the detectors; each detector's box is drawn in its colour.

python examples/face_detection_options.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
image = faceapi.fetch_image(photo)

options = {
    "blue": faceapi.SsdMobilenetv1Options(min_confidence=0.8, max_results=10),
    "green": faceapi.TinyFaceDetectorOptions(input_size=320, score_threshold=0.5),  # a smaller input is faster
    "red": faceapi.MtcnnOptions(min_face_size=40, scale_factor=0.709, max_num_scales=10, score_thresholds=(0.6, 0.7, 0.7)),
}
drawn = image.copy()
for color, one in options.items():
    detections = faceapi.detect_all_faces(image, one).run()
    for detection in detections:
        faceapi.draw.DrawBox(detection.box, {"box_color": color}).draw(drawn)
    print(f"{type(one).__name__} ({color}): scores {[round(detection.score, 2) for detection in detections]}")
Path("out").mkdir(exist_ok=True)
drawn.save("out/face_detection_options.png")
