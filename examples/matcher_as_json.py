"""Save known faces as JSON that face-api.js reads, and read them back; JSON that face-api.js wrote is read the same way.

python examples/matcher_as_json.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"

faces = faceapi.detect_all_faces(photo).with_face_landmarks().with_face_descriptors().run()
known = [faceapi.LabeledFaceDescriptors(f"person {i}", [face.descriptor]) for i, face in enumerate(faces, 1)]
if not known:
    sys.exit("expected a photo with a face, got one without")

# In JavaScript: faceapi.FaceMatcher.fromJSON(await (await fetch("known.json")).json())
Path("out").mkdir(exist_ok=True)
Path("out/known.json").write_text(faceapi.FaceMatcher(known, 0.6).to_json(), encoding="utf-8")

# Written in JavaScript: JSON.stringify(faceMatcher)
matcher = faceapi.FaceMatcher.from_json(Path("out/known.json").read_text(encoding="utf-8"))
print(matcher)
for face in faces:
    print(matcher.find_best_match(face.descriptor))
