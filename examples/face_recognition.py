"""Tell who is in a photo, from the faces of a reference photo; draw both with the names.

python examples/face_recognition.py [REFERENCE [QUERY]]
"""

import sys
from pathlib import Path

from PIL import ImageOps

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
reference = faceapi.fetch_image(photo)
query = faceapi.fetch_image(sys.argv[2]) if len(sys.argv) > 2 else ImageOps.mirror(reference)

known = faceapi.detect_all_faces(reference).with_face_landmarks().with_face_descriptors().run()
found = faceapi.detect_all_faces(query).with_face_landmarks().with_face_descriptors().run()
if not known:
    sys.exit("expected a face in the reference photo, got none")
matcher = faceapi.FaceMatcher(known)  # "person 1", "person 2", …; LabeledFaceDescriptors(name, descriptors) gives names

for result, person in zip(known, matcher.labeled_descriptors, strict=True):
    faceapi.draw.DrawBox(result.detection.box, {"label": person.label}).draw(reference)
print(f"faces: {len(found)}")
for result in found:
    match = matcher.find_best_match(result.descriptor)  # "unknown" from a distance of 0.6 on
    faceapi.draw.DrawBox(result.detection.box, {"label": str(match)}).draw(query)
    print(match)
Path("out").mkdir(exist_ok=True)
reference.save("out/face_recognition_reference.png")
query.save("out/face_recognition_query.png")
