"""Libraries that a user could pick instead, from photo files to answers, each in its own process: `.ci/measure peers`.

python .ci/peers.py [FOLDER] [--count 20] [--rows NAME ...] [--seconds 10] [--limit 120] [--environments DIR] [--json FILE]

Without FOLDER, the photos are JPEGs of 2 megapixels, made from the photo of the golden cases.  A library runs in the Python of
PYTHON_NAME (PYTHON_DEEPFACE=...), else in an environment with its packages from PyPI, made in DIR.  Each row runs twice: first
on two photos, untimed (kernels and bytecode are compiled, models downloaded if the library does so), then on the photos, until
SECONDS are over; LIMIT bounds a whole process.  Photos a second and the processor's time for a photo, over all threads, leave
out the first photo; "first answer" is the time from the start of the process to the answer for it.  Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# What pip installs, call by call, and whose versions are printed.  face_recognition asks for dlib, which is source; dlib-bin
# contains it as wheels.
PACKAGES: dict[str, list[list[str]]] = {
    "npfaceapi": [["numpy", "numba", "pillow", "scipy"]],
    "face_recognition": [
        ["dlib-bin", "face_recognition_models", "setuptools<81", "numpy", "pillow"],
        ["--no-deps", "face_recognition"],
    ],
    "mediapipe": [["mediapipe==0.10.21"]],  # contains its models, 1.2.3 does not; up to Python 3.12
    # OpenCV 5 has no cascades; deepface asks for flask only in an extra, and imports it always
    "deepface": [["deepface", "opencv-contrib-python-headless<5", "tensorflow", "tf-keras", "mtcnn", "flask"]],
    "insightface": [["insightface", "onnxruntime"]],
    "uniface": [["uniface", "onnxruntime"]],
}
FIGURES = "{photos} | {photos_a_second:.2f} | {cpu_ms_a_photo:.0f} | {peak_mb:.0f} | {first_answer_s:.2f} | {faces} |"
NO_FIGURES = "0 | | | | | |"
FacesOf = Callable[[str], int]  # from the path of a photo to the number of its faces


def npfaceapi(detector: str, *parts: str) -> FacesOf:
    sys.path.insert(0, str(ROOT))
    import npfaceapi as faceapi

    options = {
        "ssd": faceapi.SsdMobilenetv1Options(),
        "tiny": faceapi.TinyFaceDetectorOptions(),
        "mtcnn": faceapi.MtcnnOptions(),
    }[detector]

    def faces_of(path: str) -> int:
        task: Any = faceapi.detect_all_faces(path, options)
        for part in parts:
            task = getattr(task, part)()
        return len(task.run())

    return faces_of


def face_recognition(model: str) -> FacesOf:
    import face_recognition as library

    # dlib's CNN detector takes 1 GB and 9 s for a megapixel on one core: photos are not enlarged for it, as they are for HOG
    enlarged = {"hog": 1, "cnn": 0}[model]

    def faces_of(path: str) -> int:
        image = library.load_image_file(path)
        boxes = library.face_locations(image, enlarged, model)
        points = library.face_landmarks(image, boxes)
        return min(len(points), len(library.face_encodings(image, boxes)))

    return faces_of


def mediapipe() -> FacesOf:
    import cv2
    import mediapipe as library

    mesh = library.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=10)

    def faces_of(path: str) -> int:
        return len(mesh.process(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)).multi_face_landmarks or ())

    return faces_of


def deepface_detector(detector: str) -> FacesOf:
    from deepface import DeepFace

    def faces_of(path: str) -> int:
        faces = DeepFace.extract_faces(path, detector_backend=detector, enforce_detection=False)
        return sum(face["confidence"] > 0 for face in faces)  # without a face it returns the photo

    return faces_of


def deepface() -> FacesOf:
    from deepface import DeepFace

    def faces_of(path: str) -> int:
        faces = DeepFace.analyze(path, ("age", "gender", "emotion"), enforce_detection=False, silent=True)
        DeepFace.represent(path, enforce_detection=False)
        return sum(face["face_confidence"] > 0 for face in faces)

    return faces_of


def insightface() -> FacesOf:
    import cv2
    from insightface.app import FaceAnalysis

    analysis = FaceAnalysis()
    analysis.prepare(ctx_id=-1)
    return lambda path: len(analysis.get(cv2.imread(path)))


def uniface() -> FacesOf:
    import cv2
    from uniface import AgeGender, FaceAnalyzer

    analyzer = FaceAnalyzer(predictors=[AgeGender()])
    return lambda path: len(analyzer.analyze(cv2.imread(path)))


class Row(NamedTuple):
    library: str
    job: str
    how: str
    start: Callable[..., FacesOf]
    arguments: tuple[str, ...] = ()


_POINTS, _DESCRIBED = ("with_face_landmarks",), ("with_face_landmarks", "with_face_descriptors")
_ALL = (*_DESCRIBED, "with_face_expressions", "with_age_and_gender")
_DESCRIPTORS = "faces, 68 points, descriptors"
ROWS = {
    "npfaceapi-tiny": Row("npfaceapi", "faces", "tiny detector", npfaceapi, ("tiny",)),
    "npfaceapi-ssd": Row("npfaceapi", "faces", "SSD", npfaceapi, ("ssd",)),
    "deepface-opencv": Row("deepface", "faces", "OpenCV's cascades", deepface_detector, ("opencv",)),
    "npfaceapi-mtcnn": Row("npfaceapi", "faces, 5 points", "MTCNN", npfaceapi, ("mtcnn",)),
    "deepface-mtcnn": Row("deepface", "faces, 5 points", "MTCNN", deepface_detector, ("mtcnn",)),
    "npfaceapi-tiny-points": Row("npfaceapi", "faces, points", "tiny detector, 68 points", npfaceapi, ("tiny", *_POINTS)),
    "npfaceapi-ssd-points": Row("npfaceapi", "faces, points", "SSD, 68 points", npfaceapi, ("ssd", *_POINTS)),
    "mediapipe": Row("mediapipe", "faces, points", "face mesh, 468 points", mediapipe),
    "npfaceapi-tiny-described": Row("npfaceapi", _DESCRIPTORS, "tiny detector", npfaceapi, ("tiny", *_DESCRIBED)),
    "npfaceapi-ssd-described": Row("npfaceapi", _DESCRIPTORS, "SSD", npfaceapi, ("ssd", *_DESCRIBED)),
    "face_recognition-hog": Row("face_recognition", _DESCRIPTORS, "HOG", face_recognition, ("hog",)),
    "face_recognition-cnn": Row("face_recognition", _DESCRIPTORS, "CNN, not enlarged", face_recognition, ("cnn",)),
    "npfaceapi-all": Row("npfaceapi", "everything", "SSD", npfaceapi, ("ssd", *_ALL)),
    "deepface": Row("deepface", "everything", "its defaults", deepface),
    "insightface": Row("insightface", "everything", "its defaults", insightface),
    "uniface": Row("uniface", "everything", "its defaults", uniface),
}


def answer(name: str, started: float, seconds: float, paths: list[str]) -> dict[str, Any]:
    """In the process of a row, which began at time.time() == started: its figures on the photos."""
    del sys.path[0]  # .ci, whose files have names of packages
    row = ROWS[name]
    faces_of = row.start(*row.arguments)
    faces = [faces_of(paths[0])]
    first = time.time() - started
    begun, worked = time.perf_counter(), time.process_time()
    for path in paths[1:]:
        faces.append(faces_of(path))
        if time.perf_counter() - begun > seconds:
            break
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    packages = [re.split("[=<]", package)[0] for call in PACKAGES[row.library] for package in call if not package.startswith("-")]
    versions = {"Python": sys.version.split()[0], **{package: version(package) for package in packages}}
    if row.library == "npfaceapi":
        versions["npfaceapi"] = sys.modules["npfaceapi"].__version__
    return {
        "photos": len(faces),
        "photos_a_second": (len(faces) - 1) / seconds,
        "cpu_ms_a_photo": 1e3 * worked / (len(faces) - 1),
        "peak_mb": int(peak) * 1024 / 1e6,
        "first_answer_s": first,
        "faces": sum(faces),
        "versions": versions,
    }


def python_of(library: str, environments: Path) -> str:
    """The Python that runs a library; its environment is made where it is missing."""
    if library == "npfaceapi":
        return sys.executable
    given = os.environ.get(f"PYTHON_{library.upper()}")
    if given:
        return given
    python = environments / library / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environments / library)], check=True)
    for packages in PACKAGES[library]:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return str(python)


def measured(name: str, python: str, paths: list[str], seconds: float, limit: float) -> dict[str, Any]:
    """The figures of a row, or {"failed": why}."""
    for some in (paths[:2], paths):
        command = [python, __file__, "answer", name, str(time.time()), str(seconds), *some]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            return {"failed": f"no answer in {limit:g} s"}
        if done.returncode != 0:
            return {"failed": (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]}
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> int:
    if sys.argv[1:2] == ["answer"]:
        name, started, seconds = sys.argv[2:5]
        print("\n" + json.dumps(answer(name, float(started), float(seconds), sys.argv[5:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--limit", type=float, default=120)
    parser.add_argument("--environments", type=Path, default=Path("measured/environments"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as place:
        if arguments.folder is None:
            from collection import photos_of

            paths = photos_of((2,), arguments.count, Path(place))
        else:
            files = (path for path in sorted(arguments.folder.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg"))
            paths = [str(path.resolve()) for path in files][: arguments.count]
        if len(paths) < 2:
            parser.error(f"expected at least 2 JPEG files, got {len(paths)}")
        print("| job | library | how | photos | photos/s | CPU, ms | peak, MB | first answer, s | faces |")
        print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        for name in arguments.rows:
            row = ROWS[name]
            try:
                python = python_of(row.library, arguments.environments.resolve())
            except subprocess.CalledProcessError:
                results[name] = {"failed": "its packages cannot be installed here"}
            else:
                results[name] = measured(name, python, paths, arguments.seconds, arguments.limit)
            figures = results[name]
            cells = NO_FIGURES if "failed" in figures else FIGURES.format_map(figures)
            print(f"| {row.job} | {row.library} | {row.how} | {cells}", flush=True)
    print()
    versions = {}
    for name, figures in results.items():
        if "failed" in figures:
            print(f"{name}: {figures['failed']}")
        else:
            versions[ROWS[name].library] = figures["versions"]
    for library, of_library in versions.items():
        print(f"{library}: " + ", ".join(f"{package} {number}" for package, number in of_library.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
