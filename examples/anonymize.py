"""Hide the faces of a photo; the copy has no metadata.

python examples/anonymize.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"

faces = faceapi.detect_all_faces(photo).run()

Path("out").mkdir(exist_ok=True)
faceapi.anonymize(photo, faces).save("out/anonymize_solid.png")  # nothing is left of the faces
faceapi.anonymize(photo, faces, how="pixels").save("out/anonymize_pixels.png")
faceapi.anonymize(photo, faces, how="blur").save("out/anonymize_blur.png")
print(f"faces hidden: {len(faces)}")
