"""Call each network by itself, without a chain.

python examples/low_level_api.py [PHOTO]
"""

import sys
from pathlib import Path

import npfaceapi as faceapi

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "golden/images/astronaut.png"
image = faceapi.fetch_image(photo)

by_ssd = faceapi.ssd_mobilenetv1(image, faceapi.SsdMobilenetv1Options(min_confidence=0.5))
by_tiny = faceapi.tiny_face_detector(image, faceapi.TinyFaceDetectorOptions(input_size=416))
print(f"faces: {len(by_ssd)} by ssd_mobilenetv1, {len(by_tiny)} by tiny_face_detector")

for face, detection in zip(faceapi.extract_faces(image, by_ssd), by_ssd, strict=True):
    landmarks = faceapi.detect_face_landmarks(face)  # in pixels of the crop
    tiny = faceapi.detect_face_landmarks_tiny(face)
    print(f"landmarks: {abs(landmarks.positions - tiny.positions).max():.1f} pixels apart at most")
    box = detection.box
    square = landmarks.shift_by(box.x, box.y).align()  # in pixels of the photo
    aligned = faceapi.extract_faces(image, [square])[0]
    descriptor = faceapi.compute_face_descriptor(aligned)  # float32 [128]
    print(f"descriptor: {descriptor.shape}, {faceapi.euclidean_distance(descriptor, descriptor):.0f} from itself")
    print(f"expression: {faceapi.recognize_face_expressions(aligned).as_sorted_array()[0].expression}")
    print(f"age: {faceapi.predict_age_and_gender(aligned).age:.0f}")
