"""Any number of threads and processes at once, interrupts, limits on CPUs, and folders that cannot be written."""

from __future__ import annotations

import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import npfaceapi as faceapi
from helpers import ROOT
from npfaceapi.conformance.synthetic import synthetic
from npfaceapi.engines.numba import threads as helpers
from npfaceapi.engines.numba.workspace import workspaces
from npfaceapi.engines.usable_cpus import control_group_limit, usable_cpus
from npfaceapi.locks import ForkSafeLock

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("NPFACEAPI_STRESS_SECONDS", "4"))  # 60 for the long version

SIZES = {
    "ssd_mobilenetv1": (512, 512), "tiny_face_detector": (160, 160), "face_landmark_68_net": (112, 112),
    "face_landmark_68_tiny_net": (112, 112), "face_recognition_net": (150, 150), "face_expression_net": (112, 112),
    "age_gender_net": (112, 112), "pnet": (60, 45), "rnet": (24, 24), "onet": (48, 48),
}  # fmt: skip


def net_of(name):
    return getattr(faceapi.nets.mtcnn if name in ("pnet", "rnet", "onet") else faceapi.nets, name)


def same_bits(a, b):
    return list(a) == list(b) and all(a[key].tobytes() == b[key].tobytes() for key in a)


def run_python(source, *arguments, timeout=120, **options):
    """A fresh interpreter: what it prints; it must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------ threads


def test_sixteen_threads_on_all_networks(threads):
    threads(2)
    cases = [(name, synthetic(seed, (1 + seed % 2, *size, 3), 0, 255)) for name, size in SIZES.items() for seed in (1, 2)]
    expected = [net_of(name).run_net(batch) for name, batch in cases]
    failures, calls, end = [], [], time.monotonic() + SECONDS

    def work(number):
        chance = random.Random(number)
        try:
            while time.monotonic() < end and not failures:
                k = chance.randrange(len(cases))
                name, batch = cases[k]
                if not same_bits(net_of(name).run_net(batch), expected[k]):
                    failures.append(name)
                calls.append(name)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(SECONDS + 60)
    assert not failures
    assert not any(worker.is_alive() for worker in workers)
    assert len(calls) >= 16
    assert workspaces.free_bytes <= 128 * 2**20
    assert threading.active_count() < 40  # helpers are as many as the largest number of threads asked for


def test_after_an_error_the_rest_is_skipped():
    called = []

    def function(number):
        called.append(number)
        if number == 3:
            raise RuntimeError("three")

    with pytest.raises(RuntimeError, match="three"):
        helpers.claim_all(function, 10_000, 2)
    assert len(called) < 10_000
    helpers.claim_all(called.append, 5, 2)
    assert sorted(called[-5:]) == [0, 1, 2, 3, 4]


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
import npfaceapi
from npfaceapi import nets
npfaceapi.set_num_threads(2)
runs = [(net, np.full((N, net.input_size, net.input_size, 3), 99, np.float32))
        for net in (nets.face_recognition_net, nets.face_expression_net) for N in (1, 5)]
expected = [net.run_net(batch) for net, batch in runs]
stop, caught, armed = threading.Event(), 0, False

def interrupted(number, frame):
    # Once for each time that the loop below arms it: an interrupt in its except clause would end the test.
    global armed
    if armed:
        armed = False
        signal.default_int_handler(number, frame)

def interrupt():
    while not stop.wait(0.03):
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, interrupted)
thread = threading.Thread(target=interrupt)
thread.start()
end = time.monotonic() + 30
while time.monotonic() < end and caught < 10:
    try:
        armed = True
        for net, batch in runs:
            net.run_net(batch)
        armed = False
    except KeyboardInterrupt:
        caught += 1
stop.set()
thread.join()
for (net, batch), right in zip(runs, expected):
    out = net.run_net(batch)
    assert all(out[k].tobytes() == right[k].tobytes() for k in right), net
print(caught, threading.active_count())
"""


@pytest.mark.skipif(os.name == "nt", reason="no signals between processes there")
def test_an_interrupt_leaves_everything_usable():
    caught, alive = map(int, run_python(INTERRUPTED).split())
    assert caught >= 10
    assert alive <= 3


# ------------------------------------------------------------------ processes


WORKERS = """
import multiprocessing, os, sys, threading
import numpy as np
import npfaceapi
from npfaceapi import nets

def compute(seed):
    batch = np.random.default_rng(seed).random((2, 112, 112, 3), np.float32) * 255
    return [nets.face_expression_net.run_net(batch)["logits"].tobytes(), nets.age_gender_net.run_net(batch)["age"].tobytes()]

if __name__ == "__main__":
    npfaceapi.set_num_threads(2)
    before = [compute(seed) for seed in range(4)]
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        inside = pool.map_async(compute, range(4)).get(60)
    after = [compute(seed) for seed in range(4)]
    print(before == inside == after, len(set(map(tuple, before))))
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_worker_processes_after_the_parent_has_run_networks(method, tmp_path):
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script), method],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "True 4\n", done.stderr


FORKING = """
import os, threading
import numpy as np
import npfaceapi
from npfaceapi import nets
npfaceapi.set_num_threads(2)
net, batch = nets.face_expression_net, np.full((3, 112, 112, 3), 99, np.float32)
expected, stop = net.run_net(batch)["logits"].tobytes(), threading.Event()
nets.tiny_face_detector.run_net(np.zeros((1, 64, 64, 3), np.float32))  # a fork during an import is not safe in Python itself

def work(size):
    while not stop.is_set():  # plans again and again, so that locks are held at the fork
        size = size + 32 if size < 600 else 64
        nets.tiny_face_detector.run_net(np.zeros((1, size, size, 3), np.float32))
        net.run_net(batch)

workers = [threading.Thread(target=work, args=(size,)) for size in (64, 320)]
[w.start() for w in workers]
right = 0
for k in range(15):
    child = os.fork()
    if not child:
        import signal
        signal.alarm(20)  # a deadlock ends the child
        same = net.run_net(batch)["logits"].tobytes() == expected
        nets.tiny_face_detector.run_net(np.zeros((1, 96, 96, 3), np.float32))
        os._exit(0 if same else 7)
    right += os.waitpid(child, 0)[1] == 0
stop.set()
[w.join() for w in workers]
print(right)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_other_threads_run_and_plan():
    assert run_python(FORKING) == "15\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_lock_that_another_thread_held_is_open_in_the_child():
    source = """
import os, threading, signal
from npfaceapi.locks import ForkSafeLock
lock, held, done = ForkSafeLock(), threading.Event(), threading.Event()
def hold():
    with lock:
        held.set(); done.wait()
thread = threading.Thread(target=hold); thread.start(); held.wait()
child = os.fork()
if not child:
    signal.alarm(5)
    with lock: os._exit(0)
print(os.waitpid(child, 0)[1]); done.set(); thread.join()
with lock: print("open")
"""
    assert run_python(source) == "0\nopen\n"
    lock = ForkSafeLock()
    with lock, lock:  # re-entrant
        pass


# ------------------------------------------------------------------ CPUs


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),
        ("0::/a/b\n", {"a/b/cpu.max": "50000 100000", "a/cpu.max": "200000 100000"}, 0.5),
        ("0::/docker/of-the-host\n", {"cpu.max": "300000 100000"}, 3),
        (
            "4:cpu,cpuacct:/a\n0::/\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "250000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("3:cpuset:/a\n", {"cpuset/a/cpu.max": "100000 100000"}, math.inf),
        ("9:name=systemd:/\n0::/x\n", {"unified/x/cpu.max": "100000 100000"}, 1),
        ("nonsense\n\n", {"cpu.max": "a b c"}, math.inf),
    ],
)
def test_the_limit_of_a_container(own, files, limit, tmp_path):
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert control_group_limit(tmp_path / "fs", tmp_path / "own") == limit
    assert control_group_limit(tmp_path / "fs", tmp_path / "nowhere") == math.inf


def test_a_limit_is_rounded_up(monkeypatch):
    for limit, cpus in ((0.5, 1), (1.5, 2), (3.0, 3), (math.inf, 8)):
        monkeypatch.setattr("npfaceapi.engines.usable_cpus.control_group_limit", lambda *a, limit=limit: limit)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
        usable_cpus.cache_clear()
        assert usable_cpus() == cpus
    usable_cpus.cache_clear()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_affinity_and_environment():
    source = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import npfaceapi
print(npfaceapi.get_num_threads())
"""
    assert run_python(source, env={"NPFACEAPI_NUM_THREADS": ""}) == "1\n"
    assert run_python(source, env={"NPFACEAPI_NUM_THREADS": "3"}) == "3\n"


@pytest.mark.alone
@pytest.mark.skipif(usable_cpus() < 2, reason="one CPU only")
def test_a_busy_core_costs_no_more_than_its_share(threads):
    """With one of two cores busy, at least 0.45 of the speed is left."""
    threads(2)
    net, batch = faceapi.nets.face_recognition_net, synthetic(1, (1, 150, 150, 3), 0, 255)

    def speed():
        times, end = [], time.perf_counter() + 1.0
        while time.perf_counter() < end:
            start = time.perf_counter()
            net.run_net(batch)
            times.append(time.perf_counter() - start)
        return 1 / statistics.fmean(times)

    net.run_net(batch)
    shares = []
    for _ in range(4):  # whatever else runs on this machine meanwhile disturbs both measurements
        alone = speed()
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(usable_cpus() // 2)]
        try:
            time.sleep(0.2)
            shares.append(speed() / alone)
        finally:
            for process in busy:
                process.kill()
                process.wait()
        if shares[-1] >= 0.45:
            return
    raise AssertionError(f"expected at least 0.45 of the speed beside a busy process, got {shares}")


# ------------------------------------------------------------------ folders that cannot be written


FIRST_USE = """
import sys, tempfile
import npfaceapi, numpy
from npfaceapi.engines.numba.cache import cache_folder
out = npfaceapi.nets.mtcnn.rnet.run_net(numpy.full((1, 24, 24, 3), 99, numpy.float32))
print(cache_folder(), float(out["prob"].sum()))
"""


# Root may write anywhere, but not without these capabilities, which a new program does not get back.
AS_ANY_OTHER_USER = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
if os.getuid() == 0:
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            sys.exit("prctl failed")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.fixture
def read_only(tmp_path):
    """A folder with a copy of the package and an empty home, neither of which can be written."""
    if sys.platform != "linux":
        pytest.skip("permissions, or how root gives them up, are otherwise there")
    place = tmp_path / "read-only"
    shutil.copytree(ROOT / "npfaceapi", place / "npfaceapi", ignore=shutil.ignore_patterns("__pycache__", "_data"))
    shutil.copytree(ROOT / "weights", place / "weights")
    (place / "home").mkdir()
    (place / "pyproject.toml").write_text("")
    folders = [place, *(path for path in place.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield place
    for folder in folders:
        folder.chmod(0o755)


def test_neither_package_nor_home_can_be_written(read_only, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(read_only), "HOME": str(read_only / "home"), "TMPDIR": str(temporary)}
    environment.pop("XDG_CACHE_HOME", None)
    environment.pop("NUMBA_CACHE_DIR", None)

    def run(source):
        command = [sys.executable, "-c", AS_ANY_OTHER_USER, "-c", source]
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=200, check=False)

    refused = run("import npfaceapi; open(npfaceapi.__path__[0] + '/x', 'w')")
    if "PermissionError" not in refused.stderr:
        pytest.skip(f"cannot take away the right to write: {refused.stderr}")
    for _ in range(2):  # compiled, then from the folder of compiled kernels
        done = run(FIRST_USE)
        assert done.returncode == 0, done.stderr
        folder, total = done.stdout.split()
        assert float(total) == pytest.approx(1, abs=1e-6)
        assert done.stderr.count("\n") <= 1
        assert Path(folder).parent == temporary
        assert (Path(folder) / "gemm._gemm").is_file()


IN_A_ZIP = """
import numpy
from npfaceapi import nets, ops
from npfaceapi.engines.numba.program import plan
from npfaceapi.engines.numba.cache import cache_folder
from npfaceapi.graph import record
graph = record("t", lambda x, p: {"y": ops.relu(x)}, {}, (2, 2, 3))
print(plan(graph, {}, list(graph.outputs.values()))(-numpy.ones((1, 2, 2, 3), numpy.float32))[0].max())
print(len(nets.mtcnn.rnet.tensors), cache_folder())
"""


def test_a_package_in_a_zip(tmp_path):
    """No folder holds its sources, so stale kernels could not be told from fresh ones: nothing is kept."""
    import zipfile

    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        for path in sorted((ROOT / "npfaceapi").rglob("*.py")):
            archive.write(path, path.relative_to(ROOT))
        for path in [*sorted((ROOT / "weights").glob("mtcnn*")), ROOT / "weights" / "SHA256SUMS"]:
            archive.write(path, Path("npfaceapi/_data/weights") / path.name)
    done = run_python(IN_A_ZIP, env={"PYTHONPATH": str(tmp_path / "package.zip")}, cwd=tmp_path, timeout=200)
    assert done == "-0.0\n16 None\n"
