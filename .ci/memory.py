"""Peak memory of the chain of landmarks and descriptors on photo files of 12 megapixels.

python .ci/memory.py DETECTOR PHOTOS    a JSON line: the peak of the resident memory minus the resident memory after a
                                        small photo, before the large ones; Linux only
python .ci/memory.py                    a table of all detectors with 1 and 40 photos, each in a separate process
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import npfaceapi as faceapi
from npfaceapi.benchmark.entries import astronaut

PHOTO = """
import sys
from PIL import Image
from npfaceapi.benchmark.chain import photo_of_three
Image.fromarray(photo_of_three()).resize((4000, 3000)).save(sys.argv[1])
"""
OPTIONS = {
    "ssd": faceapi.SsdMobilenetv1Options(),
    "tiny": faceapi.TinyFaceDetectorOptions(),
    "mtcnn": faceapi.MtcnnOptions(),
}


def resident(what: str) -> float:
    """Resident memory in megabytes: VmRSS (now) or VmHWM (the peak)."""
    (kilobytes,) = re.findall(rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(kilobytes) * 1024 / 1e6


def measure(detector: str, photos: int) -> dict[str, Any]:
    def run(photo: Any) -> Any:
        return faceapi.detect_all_faces(photo, OPTIONS[detector]).with_face_landmarks().with_face_descriptors().run()

    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/photo.jpg"
        subprocess.run([sys.executable, "-c", PHOTO, file], check=True)  # in another process: making it takes memory too
        run(astronaut())
        before = resident("VmRSS")
        faces = run(file for _ in range(photos))
        peak = resident("VmHWM")
    counts = {"photos": photos, "faces": sum(map(len, faces))}
    return {"detector": detector, **counts, "before_mb": round(before), "growth_mb": round(peak - before)}


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
        return
    print("| detector | photos | before, MB | growth, MB |\n|---|---|---|---|")
    for detector in OPTIONS:
        for photos in (1, 40):
            done = subprocess.run([sys.executable, __file__, detector, str(photos)], capture_output=True, text=True, check=True)
            figures = json.loads(done.stdout)
            print(f"| {detector} | {photos} | {figures['before_mb']} | {figures['growth_mb']} |", flush=True)


if __name__ == "__main__":
    main()
