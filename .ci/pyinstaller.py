"""Build a program with PyInstaller, as a folder and as one file, and compare its output with that of Python.

`.ci/measure pyinstaller` runs it.  Programs run with an empty home folder.  This Python needs PyInstaller, and npfaceapi
installed, for its entry point; and no numba-cuda, which programs leave out, so that both say the same of the cuda backend.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import sys
import npfaceapi as faceapi
from npfaceapi import cli

for options in (faceapi.SsdMobilenetv1Options(), faceapi.TinyFaceDetectorOptions(), faceapi.MtcnnOptions()):
    task = faceapi.detect_all_faces(sys.argv[1], options).with_face_landmarks().with_face_expressions()
    for face in task.with_age_and_gender().with_face_descriptors().run():
        print(face.to_json())
        matcher = faceapi.FaceMatcher([faceapi.LabeledFaceDescriptors("a", [face.descriptor])])
        print(matcher.find_best_match(face.descriptor))
sys.exit(cli.main(["verify", "--case", "operations/*"]) or cli.main(["backends"]))
"""


def timed(*command: str, home: Path) -> tuple[list[str], float]:
    """The output lines of a command without times and folders, and its seconds; it must succeed without errors or warnings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NUMBA_", "XDG_"))}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=home, env={**environment, "HOME": str(home)}, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode or done.stderr:
        sys.exit(f"expected {command[0]} to succeed without messages, got status {done.returncode}: {done.stderr[-2000:]}")
    lines = [line.partition(" cases passed in ")[0] for line in done.stdout.splitlines() if " more cases are not in " not in line]
    return lines, round(seconds, 2)


def main(out: Path) -> None:
    photo, figures = str(ROOT / "golden" / "images" / "astronaut.png"), []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "program.py").write_text(PROGRAM)
        expected, _ = timed(sys.executable, str(place / "program.py"), photo, home=place)
        for kind, option in (("folder", "--onedir"), ("file", "--onefile")):
            home = place / kind
            home.mkdir()
            build = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", option]
            subprocess.run([*build, str(place / "program.py")], cwd=home, check=True)
            program = home / "dist" / "program"
            files = [path for path in [program, *program.rglob("*")] if path.is_file() and not path.is_symlink()]
            runs = [timed(str(program / "program" if kind == "folder" else program), photo, home=home) for _ in range(2)]
            for printed, _ in runs:
                if printed != expected:
                    pairs = itertools.zip_longest(printed, expected, fillvalue="nothing")
                    got, wanted = next((a, b) for a, b in pairs if a != b)
                    sys.exit(f"expected what Python prints: {wanted[:300]}\ngot: {got[:300]}")
            sizes = {"kind": kind, "MB": round(sum(path.stat().st_size for path in files) / 1e6)}
            figures.append({**sizes, "first_run_s": runs[0][1], "second_run_s": runs[1][1]})
            print(figures[-1])
    (out / "pyinstaller.json").write_text(json.dumps(figures, indent=1) + "\n")


main(Path(sys.argv[1]).resolve())
