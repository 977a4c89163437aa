"""The first seconds: kernels that are compiled once and announced, kept, never stale, and loaded without Numba."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import ROOT

pytestmark = pytest.mark.slow

ANNOUNCED = "compiling kernels"

RNET = """
import sys
import npfaceapi, numpy
out = npfaceapi.nets.mtcnn.rnet.run_net(numpy.full((1, 24, 24, 3), 99, numpy.float32))
from npfaceapi.engines.numba.cache import cache_folder
print(cache_folder(), float(out["prob"][0, 1]), "numba" in sys.modules)
"""


def environment(**more):
    cleared = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "NPFACEAPI_"))}
    return {**cleared, "PYTHONPATH": str(ROOT), **more}


def rnet(source=RNET, **more):
    """The folder of kernels, a number that they computed, and whether Numba was imported."""
    done = subprocess.run(
        [sys.executable, "-c", source], env=environment(**more), cwd="/", capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ANNOUNCED not in done.stderr  # that is no terminal
    folder, probability, numba = done.stdout.split()
    return Path(folder), float(probability), numba == "True"


def on_a_terminal(*arguments, **more):
    """What a command writes to standard error, which is a terminal."""
    pty = pytest.importorskip("pty", reason="no terminals here")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, *arguments], env=environment(**more), stdout=subprocess.DEVNULL, stderr=theirs, close_fds=True
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            written += part
    os.close(ours)
    assert process.returncode == 0, written
    return written.decode()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with R-Net's kernels, and what they computed."""
    place = tmp_path_factory.mktemp("kept")
    folder, probability, numba = rnet(NUMBA_CACHE_DIR=str(place))
    assert numba
    assert folder.parent == place
    return place, probability


def test_kept_kernels_are_loaded_without_numba(kept):
    place, probability = kept
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    assert len(before) > 4
    folder, again, numba = rnet(NUMBA_CACHE_DIR=str(place))
    assert not numba
    assert again == probability
    assert folder.parent == place
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()} == before


def test_compiling_is_announced_once_and_on_a_terminal_alone(kept, tmp_path):
    place, _ = kept
    first = on_a_terminal("-c", RNET, NUMBA_CACHE_DIR=str(tmp_path))
    assert first.strip() == "compiling kernels, once on this machine…"
    assert on_a_terminal("-c", RNET, NUMBA_CACHE_DIR=str(place)) == ""


def test_an_image_is_warmed_up_ahead(tmp_path):
    """After `npfaceapi warmup` nothing is left to compile, for any network."""
    everything = """
import sys
import npfaceapi, numpy
photo = numpy.zeros((320, 320, 3), numpy.uint8)
for options in (npfaceapi.SsdMobilenetv1Options(), npfaceapi.TinyFaceDetectorOptions(), npfaceapi.MtcnnOptions()):
    npfaceapi.detect_all_faces(photo, options).run()
for net in ("face_landmark_68_net", "face_landmark_68_tiny_net", "face_recognition_net", "face_expression_net", "age_gender_net"):
    net = getattr(npfaceapi.nets, net)
    net.run_net(net.to_batch(photo))
npfaceapi.extract_face_chip(photo, npfaceapi.FaceLandmarks68(numpy.eye(68, 2), (320, 320)))
print("numba" in sys.modules)
"""
    where = {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "npfaceapi", "warmup"]
    subprocess.run(command, env=environment(**where), capture_output=True, timeout=300, check=True)
    command = [sys.executable, "-c", everything]
    done = subprocess.run(command, env=environment(**where), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "False"


def test_other_sources_or_another_compiler_never_use_stale_kernels(kept, tmp_path):
    place, probability = tmp_path / "kernels", kept[1]
    shutil.copytree(kept[0], place)
    copy = tmp_path / "upgraded"
    shutil.copytree(ROOT / "npfaceapi", copy / "npfaceapi", ignore=shutil.ignore_patterns("__pycache__", "_data"))
    (copy / "weights").symlink_to(ROOT / "weights")
    (copy / "pyproject.toml").write_text("")
    same, again, numba = rnet(NUMBA_CACHE_DIR=str(place), PYTHONPATH=str(copy))
    assert (same.parent, again, numba) == (place, probability, False)
    rows = copy / "npfaceapi" / "engines" / "numba" / "kernels" / "rows.py"
    text = rows.read_text()
    assert text.count("y[c] /= total") == 1
    rows.write_text(text.replace("y[c] /= total", "y[c] /= total * 2"))
    upgraded, halved, numba = rnet(NUMBA_CACHE_DIR=str(place), PYTHONPATH=str(copy))
    assert numba
    assert upgraded != same
    assert halved == pytest.approx(probability / 2, rel=1e-6)
    folder_of = "from npfaceapi.engines.numba.cache import cache_folder; print(cache_folder(), 0, True)"
    settings = ({"NUMBA_OPT": "1"}, {"NUMBA_CPU_NAME": "generic"})
    folders = {rnet(folder_of, NUMBA_CACHE_DIR=str(place), **setting)[0] for setting in settings}
    assert len(folders | {same, upgraded}) == 4
    assert rnet(folder_of, NUMBA_CACHE_DIR=str(place), NUMBA_NUM_THREADS="1")[0] == same  # changes no code


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, None], ids=["empty", "zeros", "one bit"])
def test_damaged_kernels_are_compiled_anew(kept, tmp_path, damage):
    place, probability = kept
    shutil.copytree(place, tmp_path / "copy")
    files = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if damage is None else damage)
    _, again, numba = rnet(NUMBA_CACHE_DIR=str(tmp_path / "copy"))
    assert numba
    assert again == probability
    assert not rnet(NUMBA_CACHE_DIR=str(tmp_path / "copy"))[2]


def test_a_kernel_under_anothers_name_is_not_run(kept, tmp_path):
    """A file restored under the wrong name is intact, but has another kernel."""
    place, probability = kept
    shutil.copytree(place, tmp_path / "copy")
    (folder,) = (tmp_path / "copy").iterdir()
    files = sorted(path for path in folder.iterdir() if "." in path.name)
    contents = [path.read_bytes() for path in files]
    for path, content in zip(files, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)
    (folder / "target").write_bytes(contents[0])
    _, again, numba = rnet(NUMBA_CACHE_DIR=str(tmp_path / "copy"))
    assert numba
    assert again == probability


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners here")
def test_kernels_that_others_can_write_are_not_run(kept, tmp_path):
    shutil.copytree(kept[0], tmp_path / "copy")
    (folder,) = (tmp_path / "copy").iterdir()
    for open_to_all in (folder, folder.parent):
        open_to_all.chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", RNET],
            env=environment(NUMBA_CACHE_DIR=str(tmp_path / "copy")),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] == "None"
        assert done.stdout.split()[2] == "True"
        open_to_all.chmod(0o755)


def test_a_kernel_that_needs_numba_is_not_kept():
    """LLVM aborts a process whose code calls a missing function, so only self-contained kernels are written to disk."""
    from npfaceapi.engines.numba import jit

    def module(called):
        return f"declare void @{called}()\ndefine void @k() {{\n  call void @{called}()\n  ret void\n}}\n"

    assert jit._stands_alone(module("sched_yield"))
    assert not jit._stands_alone(module("NRT_Free"))


@pytest.mark.alone
def test_the_first_descriptor_comes_soon():
    """The limit is two seconds of processor time; 0.6 are usual, but machines differ.  Above all, Numba must not be imported."""
    source = """
import sys, time
start = time.process_time()
import npfaceapi, numpy
npfaceapi.compute_face_descriptor(numpy.zeros((150, 150, 3), numpy.uint8))
print(time.process_time() - start, *sorted({"numba", "scipy", "asyncio"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", source]
    runs = [
        subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, check=True).stdout.split()
        for _ in range(3)
    ]
    assert all(len(run) == 1 for run in runs[1:])
    assert np.min([float(run[0]) for run in runs[1:]]) < 2
