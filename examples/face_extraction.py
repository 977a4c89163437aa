"""Cut out each face: by its box, aligned by its landmarks, and upright as the descriptor network was trained on.

python examples/face_extraction.py [PHOTO]
"""

import sys
from pathlib import Path

from PIL import Image

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
image = faceapi.fetch_image(photo)

results = faceapi.detect_all_faces(image).with_face_landmarks().run()

Path("out").mkdir(exist_ok=True)
boxes = faceapi.extract_faces(image, [result.detection for result in results])
aligned = faceapi.extract_faces(image, [result.aligned_rect for result in results])
for i, result in enumerate(results, 1):
    chip = faceapi.extract_face_chip(image, result.landmarks)  # float32 [150,150,3], 0..255
    boxes[i - 1].save(f"out/face_{i}_box.png")
    aligned[i - 1].save(f"out/face_{i}_aligned.png")
    Image.fromarray(chip.round().astype("uint8")).save(f"out/face_{i}_upright.png")
region = faceapi.extract_faces(image, [faceapi.Rect(0, 0, 100, 100)])[0]  # any other region too
print(f"faces cut out: {len(results)}; a region of {region.width}x{region.height} pixels")
